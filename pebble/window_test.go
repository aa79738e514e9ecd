package pebble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// windowNames are the names of the patients of TestWindows; the later ones are
// rare.
var windowNames = []string{"a", "b", "c", "d", "e"}

// openWindows opens a store of patients with names, some changed, some deleted,
// in which every page without a total is looked for in windows of 16 versions.
func openWindows(t *testing.T) *Store {
	t.Helper()
	s, err := Open("store", Options{FS: vfs.NewMem(), Extract: testExtract, SealDocs: 50, windowCost: -1, windowDocs: 16})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 700 {
		op := testOp(fmt.Sprint("p", rng.IntN(600)), windowNames[int(rng.ExpFloat64())%len(windowNames)])
		if i%9 == 8 {
			op = store.Op{Kind: store.OpDelete, Type: op.Type, ID: op.ID}
		}
		if i%5 == 4 {
			op = store.Op{Kind: store.OpUpdate, Type: "Group", ID: op.ID, Body: op.Body}
		}
		if _, err := s.Commit(context.Background(), []store.Op{op}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// windowNode draws a condition on names.
func windowNode(t *rapid.T, depth int) search.Node {
	var list []search.Node
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	if depth == 0 || kind == 0 {
		return nameIs(testName, rapid.SampledFrom(windowNames).Draw(t, "name"))
	}
	for range rapid.IntRange(1, 3).Draw(t, "nodes") {
		list = append(list, windowNode(t, depth-1))
	}
	switch kind {
	case 1:
		return search.And(list)
	case 2:
		return search.Or(list)
	}
	return search.Not{Node: list[0]}
}

// oneOf is the condition that a patient has one of some names.
func oneOf(p *search.Param, names []string) search.Node {
	slices.Sort(names)
	terms := search.Terms{Param: p}
	for _, name := range names {
		terms.Spans = append(terms.Spans, search.Exactly(append([]byte(name), 0)))
	}
	return terms
}

// TestWindows compares the pages of random conditions, looked for in windows,
// with all matches at once.
func TestWindows(t *testing.T) {
	s := openWindows(t)
	defer s.Close()
	rapid.Check(t, func(t *rapid.T) {
		plan := search.Plan{Parts: []search.Part{{Type: "Patient", Where: windowNode(t, 3)}}}
		switch rapid.IntRange(0, 3).Draw(t, "sort") {
		case 1:
			plan.Sort = []search.SortKey{{Desc: true}}
		case 2: // by what is walked, and asked whether it is among the matches
			plan.Parts[0].Where = oneOf(testName, rapid.SliceOfNDistinct(rapid.SampledFrom(windowNames), 1, 3, rapid.ID).Draw(t, "names"))
			plan.Sort = []search.SortKey{{Params: []*search.Param{testName}, Desc: rapid.Bool().Draw(t, "descending")}}
		}
		v, err := s.View(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		_, want := windowPageOf(t, v, plan, store.Page{Limit: 1000, Total: true})
		var got []string
		page := store.Page{Limit: rapid.IntRange(1, 90).Draw(t, "limit")}
		for more := true; more; more = page.After != nil {
			r, ids := windowPageOf(t, v, plan, page)
			if len(ids) > page.Limit || r.Next != nil && len(ids) < page.Limit {
				t.Fatalf("a page of %d with %d, next %x", page.Limit, len(ids), r.Next)
			}
			got, page.After = append(got, ids...), r.Next
		}
		if !slices.Equal(got, want) {
			t.Fatalf("in pages of %d: %v, want %v", page.Limit, got, want)
		}
	})
}

func windowPageOf(t *rapid.T, v store.View, plan search.Plan, page store.Page) (store.Result, []string) {
	t.Helper()
	r, err := v.Search(context.Background(), plan, page)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for m, err := range r.Matches {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	return r, ids
}
