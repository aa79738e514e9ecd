package pebble

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// pairedStore opens a folder of Observations with codes and numbers. Where
// unmarked is set, composites that were cut off are not marked, as once.
func pairedStore(t *testing.T, fs vfs.FS, registry *search.Registry, unmarked bool) *Store {
	t.Helper()
	opt := Options{FS: fs, SealDocs: 7}
	opt.Parse = func(json []byte) (*fhir.Tree, error) {
		return fhir.Parse(registry.Definitions.Schema, json, fhir.DefaultLimits)
	}
	opt.Extract = func(v store.Version) ([]search.Entry, error) {
		tree, err := opt.Parse(v.Body.Append(nil, "1", v.LastUpdated))
		if err != nil {
			return nil, err
		}
		entries, err := registry.Extract(tree, v.ID, "http://example.org")
		if unmarked {
			entries = slices.DeleteFunc(entries, func(e search.Entry) bool { return len(e.Key) == 1 && e.Key[0] == 0 })
		}
		return entries, err
	}
	s, err := Open("store", opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Store) commitObservation(t *testing.T, id, code string, value int) {
	t.Helper()
	json := fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"coding":[%s]},"valueQuantity":{"value":%d}}`, id, code, value)
	tree, err := s.opt.Parse([]byte(json))
	if err != nil {
		t.Fatal(err)
	}
	op := store.Op{Kind: store.OpUpdate, Type: "Observation", ID: id, Body: fhir.NewBody(tree.Root(), id)}
	if op.Entries, err = s.opt.Extract(store.Version{Type: op.Type, ID: id, Body: op.Body}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(context.Background(), []store.Op{op}); err != nil {
		t.Fatal(err)
	}
}

// pairedIDs are the ids that a search finds, and whether composites told.
func pairedIDs(t *testing.T, s *Store, registry *search.Registry, query string, page store.Page) (ids []string, byPairs bool) {
	t.Helper()
	var pairs []search.Pair
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		pairs = append(pairs, search.Pair{Name: name, Value: value})
	}
	parsed, err := registry.Parse([]string{"Observation"}, pairs, search.Options{Base: "http://example.org"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.View(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	page.Limit, page.Explain = 100, true
	r, err := v.Search(context.Background(), parsed.Plan, page)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range r.Explanation {
		byPairs = byPairs || strings.Contains(fmt.Sprint(step), "by their pairs")
	}
	for version, err := range r.Matches {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, version.ID)
	}
	return ids, byPairs
}

// TestPaired asks for a code and a number together where the composite tells
// all, where a resource has too many pairs for it, and in a folder of before
// such a resource was marked. The answer is the same.
func TestPaired(t *testing.T) {
	registry, err := search.New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, `{"system":"urn:x","code":"many%d"},`, i)
	}
	many.WriteString(`{"system":"urn:x","code":"a"}`)
	tests := []struct {
		name                    string
		cut, unmarked, unsealed bool
		byPairs                 bool
	}{
		{name: "whole", byPairs: true},
		{name: "cut", cut: true},
		{name: "old and cut", cut: true, unmarked: true},
		{name: "old", unmarked: true, byPairs: true},
		{name: "old and not sealed", unmarked: true, unsealed: true, byPairs: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fs := crashing.New()
			s := pairedStore(t, fs, registry, test.unmarked)
			want := []string{}
			for i := range 40 {
				code := `{"system":"urn:x","code":"` + []string{"a", "b"}[i%2] + `"}`
				id := fmt.Sprint("o", i)
				if i == 6 && test.cut {
					code = many.String()
				}
				if s.commitObservation(t, id, code, i); i%2 == 0 && i > 4 {
					want = append(want, id)
				}
			}
			if test.unmarked {
				if err := s.db.Delete(pairsKey(), lsm.Sync); err != nil {
					t.Fatal(err)
				}
			}
			if test.unsealed {
				if err := s.db.DeleteRange([]byte{tagDead}, []byte{tagSeal + 1}, lsm.Sync); err != nil {
					t.Fatal(err)
				}
			} else if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if test.unsealed {
				fs = fs.CrashClone(vfs.CrashCloneCfg{})
				defer s.Close()
			}
			s = pairedStore(t, fs, registry, false)
			defer s.Close()
			if test.unmarked {
				if err := s.findCut(40); err != nil {
					t.Fatal(err)
				}
			}
			for _, page := range []store.Page{{Total: true}, {}} {
				for _, query := range []string{"code=urn:x|a&value-quantity=gt4", "value-quantity=gt4&status=final&code=urn:x|a,urn:x|c"} {
					ids, byPairs := pairedIDs(t, s, registry, query, page)
					if byPairs != test.byPairs || !slices.Equal(ids, want) {
						t.Errorf("%s, %+v: by pairs %t, want %t; found\n%v, want\n%v", query, page, byPairs, test.byPairs, ids, want)
					}
				}
			}
		})
	}
}
