package pebble

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

var (
	linkTo   = &search.Param{Type: "Observation", Code: "subject", Ordinal: 3}
	linkName = &search.Param{Type: "Observation", Code: "name", Ordinal: 4}
)

// A link is a resource with a name that may refer to a patient.
type link struct{ Name, Patient string }

func (l link) entries(resourceType string) (list []search.Entry) {
	name := testName
	if resourceType == "Observation" {
		name = linkName
	}
	list = append(list, search.Entry{Param: name, Key: append([]byte(l.Name), 0)})
	if l.Patient != "" {
		list = append(list, search.Entry{Param: linkTo, Key: search.ReferenceKey("Patient", l.Patient)})
	}
	return list
}

func (l link) op(resourceType, id string) store.Op {
	body, _ := json.Marshal(l)
	return store.Op{Kind: store.OpUpdate, Type: resourceType, ID: id, Body: fhir.Body{JSON: body}, Entries: l.entries(resourceType)}
}

func linkExtract(v store.Version) ([]search.Entry, error) {
	var l link
	err := json.Unmarshal(v.Body.JSON, &l)
	return l.entries(v.Type), err
}

func openLinks(t *testing.T, ops []store.Op) *Store {
	t.Helper()
	s, err := Open("store", Options{FS: vfs.NewMem(), Extract: linkExtract})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for batch := range slices.Chunk(ops, 5000) {
		if _, err := s.Load(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func nameIs(p *search.Param, name string) search.Node {
	return search.Terms{Param: p, Spans: []search.Span{search.Exactly(append([]byte(name), 0))}}
}

// TestChainThrough50000 chains through as many intermediates both ways: none
// is left out, and none too many come in.
func TestChainThrough50000(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	const n = 50_000
	var ops []store.Op
	for i := range n + n/10 {
		name := "common"
		if i >= n {
			name = "rare"
		}
		id := fmt.Sprint(i)
		ops = append(ops, link{Name: name}.op("Patient", id), link{Name: fmt.Sprint("o", i%5), Patient: id}.op("Observation", id))
	}
	s := openLinks(t, ops)
	v, err := s.View(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	common := search.Chain{Param: linkTo, Target: "Patient", Where: nameIs(testName, "common")}
	for what, c := range map[string]struct {
		part search.Part
		want int
	}{
		"chain":                {search.Part{Type: "Observation", Where: common}, n},
		"chain and a fifth":    {search.Part{Type: "Observation", Where: search.And{nameIs(linkName, "o3"), common}}, n / 5},
		"chain but a fifth":    {search.Part{Type: "Observation", Where: search.And{common, search.Not{Node: nameIs(linkName, "o3")}}}, n / 5 * 4},
		"has":                  {search.Part{Type: "Patient", Where: search.Has{Param: linkTo}}, n + n/10},
		"has a fifth":          {search.Part{Type: "Patient", Where: search.Has{Param: linkTo, Where: nameIs(linkName, "o3")}}, (n + n/10) / 5},
		"has, then the chain":  {search.Part{Type: "Patient", Where: search.Has{Param: linkTo, Where: common}}, n},
		"chain, then has":      {search.Part{Type: "Observation", Where: search.Chain{Param: linkTo, Target: "Patient", Where: search.Has{Param: linkTo, Where: nameIs(linkName, "o3")}}}, (n + n/10) / 5},
		"chain through nobody": {search.Part{Type: "Observation", Where: search.Chain{Param: linkTo, Target: "Patient", Where: nameIs(testName, "none")}}, 0},
	} {
		got, err := v.Count(context.Background(), search.Plan{Parts: []search.Part{c.part}})
		if err != nil || got != c.want {
			t.Errorf("%s: %d, %v; want %d", what, got, err, c.want)
		}
	}
}

// TestWalkOf10000 walks 10,000 matches by pages, each with a view of its own as
// pages of a client have, while four writers change, delete and add matches:
// each match of the first page's time comes once, in every order.
func TestWalkOf10000(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	const n = 10_000
	var ops []store.Op
	for i := range n {
		ops = append(ops, link{Name: "x"}.op("Patient", fmt.Sprint(i)), link{Name: "y"}.op("Patient", fmt.Sprint("y", i)))
	}
	s := openLinks(t, ops)
	ctx := context.Background()
	turns := make(chan struct{})
	var writing sync.WaitGroup
	for w := range 4 {
		writing.Go(func() {
			i := w
			for range turns {
				op := link{Name: []string{"x", "y"}[i%2]}.op("Patient", fmt.Sprint(i*13%(n+500)))
				if i%5 == 0 {
					op = store.Op{Kind: store.OpDelete, Type: "Patient", ID: op.ID}
				}
				if _, err := s.Commit(ctx, []store.Op{op}); err != nil {
					t.Error(err)
				}
				i += 4
			}
		})
	}
	for _, sort := range [][]search.SortKey{nil, {{Desc: true}}, {{ID: true}}, {{Params: []*search.Param{testName}}, {ID: true, Desc: true}}} {
		plan := search.Plan{Parts: []search.Part{{Type: "Patient", Where: nameIs(testName, "x")}}, Sort: sort}
		v, err := s.View(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		want, err := v.Count(ctx, plan)
		at := v.T()
		v.Close()
		if err != nil || want < n/2 {
			t.Fatalf("%d matches, %v", want, err)
		}
		seen := walkPages(t, s, plan, at, func() {
			for range 8 {
				turns <- struct{}{}
			}
		})
		if len(seen) != want {
			t.Errorf("by %v, the pages have %d matches, the search %d", sort, len(seen), want)
		}
	}
	close(turns)
	writing.Wait()
}

// walkPages returns the ids of all pages, each of which it calls next before.
func walkPages(t *testing.T, s *Store, plan search.Plan, at store.T, next func()) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for page := (store.Page{Limit: 400}); ; {
		next()
		v, err := s.View(context.Background(), at)
		if err != nil {
			t.Fatal(err)
		}
		r, err := v.Search(context.Background(), plan, page)
		if err != nil {
			t.Fatal(err)
		}
		for m, err := range r.Matches {
			if err != nil {
				t.Fatal(err)
			}
			if seen[m.ID] {
				t.Fatalf("%s comes twice", m.ID)
			}
			var l link
			if err := json.Unmarshal(m.Body.JSON, &l); err != nil || l.Name != "x" || m.T > at {
				t.Fatalf("%s at %d is %+v, %v", m.ID, m.T, l, err)
			}
			seen[m.ID] = true
		}
		v.Close()
		if page.After = r.Next; r.Next == nil {
			return seen
		}
	}
}
