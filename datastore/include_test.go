package datastore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// included is what a query's includes add to its first page: names, and "cut"
// where the limit was met.
func included(t testing.TB, s *datastore.Store, resourceType, query string) string {
	t.Helper()
	pairs, err := search.Pairs(query)
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.Registry().Parse([]string{resourceType}, pairs, search.Options{Base: s.Base(), Iterate: true})
	if err != nil {
		t.Fatal(err)
	}
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	r, err := view.Search(ctx, q, store.Page{Limit: q.Count})
	if err != nil {
		t.Fatal(err)
	}
	var matches []store.Version
	for v, err := range r.Matches {
		if err != nil {
			t.Fatal(err)
		}
		matches = append(matches, v)
	}
	var names []string
	for v, err := range view.Include(ctx, q, matches) {
		switch {
		case errors.Is(err, datastore.ErrIncludesCut):
			names = append(names, "cut")
		case err != nil:
			t.Fatal(err)
		default:
			names = append(names, v.Type+"/"+v.ID)
		}
	}
	return strings.Join(names, " ")
}

// limited is a data store whose pages include at most n resources.
func limited(t testing.TB, n int) *datastore.Store {
	t.Helper()
	return newStoreWith(t, datastore.Options{Backend: openFolder(t, vfs.NewMem()), MaxIncludes: n})
}

// ring stores organizations 0 to n-1, each part of the next, the last of the
// first.
func ring(t *testing.T, s *datastore.Store, n int) {
	t.Helper()
	var ops []datastore.Op
	for i := range n {
		ops = append(ops, put(t, s, fmt.Sprintf(`{"resourceType":"Organization","id":"%d","name":"x","partOf":{"reference":"Organization/%d"}}`, i, (i+1)%n)))
	}
	if _, err := transact(s, ops...); err != nil {
		t.Fatal(err)
	}
}

func TestIncludeOfIncludes(t *testing.T) {
	for _, c := range []struct {
		limit       int
		query, want string
	}{
		{9, "_id=0&_include=Organization:partof", "Organization/1"},
		{9, "_id=0&_include:iterate=Organization:partof", "Organization/1 Organization/2 Organization/3 Organization/4"},
		{4, "_id=0&_include:iterate=Organization:partof", "Organization/1 Organization/2 Organization/3 Organization/4"},
		{3, "_id=0&_include:iterate=Organization:partof", "Organization/1 Organization/2 Organization/3 cut"},
		{9, "_id=0&_revinclude:iterate=Organization:partof", "Organization/4 Organization/3 Organization/2 Organization/1"},
		{2, "_id=0&_revinclude:iterate=Organization:partof", "Organization/4 Organization/3 cut"},
		{9, "_id=0&_include:iterate=*&_revinclude:iterate=*", "Organization/1 Organization/4 Organization/2 Organization/3"},
		{9, "_id=0&_include:iterate=Organization:partof:Organization", "Organization/1 Organization/2 Organization/3 Organization/4"},
		{9, "_id=0,2&_include:iterate=Organization:partof", "Organization/1 Organization/3 Organization/4"},
		{1, "_include:iterate=*&_revinclude=*", ""},
	} {
		s := limited(t, c.limit)
		ring(t, s, 5)
		if got := included(t, s, "Organization", c.query); got != c.want {
			t.Errorf("%s, at most %d: %q, want %q", c.query, c.limit, got, c.want)
		}
	}
}

// What is deleted or was never there is not included, and does not count.
func TestIncludeOfWhatIsGone(t *testing.T) {
	s := limited(t, 1)
	for _, text := range []string{
		`{"resourceType":"Organization","id":"gone","name":"x"}`,
		`{"resourceType":"Organization","id":"here","name":"x"}`,
		`{"resourceType":"Patient","id":"p","managingOrganization":{"reference":"Organization/here"},"generalPractitioner":[{"reference":"Organization/gone"},{"reference":"Practitioner/never"}]}`,
	} {
		if _, err := commit(s, put(t, s, text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := commit(s, datastore.Op{Interaction: authz.Delete, Type: "Organization", ID: "gone"}); err != nil {
		t.Fatal(err)
	}
	if got := included(t, s, "Patient", "_include=*"); got != "Organization/here" {
		t.Errorf("included %q", got)
	}
}

func BenchmarkInclude(b *testing.B) {
	s := limited(b, 1000)
	var ops []datastore.Op
	add := func(text string) {
		tree, err := s.Parse([]byte(text))
		if err != nil {
			b.Fatal(err)
		}
		ops = append(ops, datastore.Op{Interaction: authz.Update, Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Resource: tree})
	}
	add(`{"resourceType":"Organization","id":"o"}`)
	for i := range 200 {
		add(fmt.Sprintf(`{"resourceType":"Patient","id":"%d","managingOrganization":{"reference":"Organization/o"}}`, i))
		for j := range 10 {
			add(fmt.Sprintf(`{"resourceType":"Observation","id":"%d-%d","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%[1]d"}}`, i, j))
		}
	}
	if _, err := s.Commit(ctx, authz.Unrestricted(), ops, nil); err != nil {
		b.Fatal(err)
	}
	for _, query := range []string{
		"_include=Patient:organization", "_include:iterate=*", "_revinclude=Observation:subject", "_revinclude=*", "_revinclude:iterate=*",
	} {
		b.Run(query, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				included(b, s, "Patient", query)
			}
		})
	}
}
