package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A model is every version that a store should have, in order of T.
type model struct {
	versions []store.Version
	// extract is what searches go by; nil is that of the fabricated resources.
	extract func(store.Version) ([]search.Entry, error)
}

// add records what a commit returned. Versions that are known are left out: a
// delete or a load may return them.
func (m *model) add(versions []store.Version) {
	for _, v := range versions {
		if v.Type != "" && v.T > m.now() {
			m.versions = append(m.versions, v)
		}
	}
}

func (m *model) now() store.T {
	if len(m.versions) == 0 {
		return 0
	}
	return m.versions[len(m.versions)-1].T
}

// current is the newest version of a resource at a time, nil for none.
func (m *model) current(resourceType, id string, at store.T) *store.Version {
	for i := len(m.versions) - 1; i >= 0; i-- {
		if v := &m.versions[i]; v.T <= at && v.Type == resourceType && v.ID == id {
			return v
		}
	}
	return nil
}

// candidates are the resources at a time, in order of T.
func (m *model) candidates(t *testing.T, at store.T) (all []*search.Candidate, versions map[*search.Candidate]*store.Version) {
	newest := map[string]int{}
	for i := range m.versions {
		if v := &m.versions[i]; v.T <= at {
			newest[v.Type+"/"+v.ID] = i
		}
	}
	versions = map[*search.Candidate]*store.Version{}
	entriesOf := m.extract
	if entriesOf == nil {
		entriesOf = extract
	}
	for i := range m.versions {
		v := &m.versions[i]
		if v.T > at || v.Deleted() || newest[v.Type+"/"+v.ID] != i {
			continue
		}
		entries, err := entriesOf(*v)
		if err != nil {
			t.Fatal(err)
		}
		c := &search.Candidate{Type: v.Type, ID: v.ID, LastUpdated: v.LastUpdated, Entries: entries}
		all, versions[c] = append(all, c), v
	}
	return all, versions
}

// search answers a plan.
func (m *model) search(t *testing.T, plan search.Plan, at store.T) (found []store.Version) {
	all, versions := m.candidates(t, at)
	for _, c := range search.Run(plan, all) {
		found = append(found, *versions[c])
	}
	return found
}

// history answers a history.
func (m *model) history(q store.History, at store.T) (found []store.Version) {
	for _, v := range slices.Backward(m.versions) {
		if v.T <= at && (q.Type == "" || q.Type == v.Type) && (q.ID == "" || q.ID == v.ID) &&
			(q.Since.IsZero() || !v.LastUpdated.Before(q.Since)) &&
			(q.Until.IsZero() || !v.LastUpdated.After(q.Until)) &&
			(q.Before == 0 || v.T < q.Before) {
			found = append(found, v)
		}
	}
	return found
}

// check compares a whole view with the model: every resource, the histories
// and the counts.
func (m *model) check(t *testing.T, v store.View) {
	t.Helper()
	wantVersions(t, "history of everything", m.history(store.History{}, v.T()), collect(t, v.History(ctx, store.History{})))
	for _, resourceType := range []string{"Patient", "Observation"} {
		plan := search.Plan{Parts: []search.Part{{Type: resourceType}}}
		want := m.search(t, plan, v.T())
		got, _ := pages(t, v, plan, 1000)
		wantVersions(t, "all "+resourceType, want, got)
		if n, err := v.Count(ctx, plan); err != nil || n != len(want) {
			t.Errorf("Count of %s: %d, %v, want %d", resourceType, n, err, len(want))
		}
	}
}

// checkResource compares one resource.
func (m *model) checkResource(t *testing.T, v store.View, resourceType, id string) {
	t.Helper()
	got, err := v.Read(ctx, resourceType, id)
	want := m.current(resourceType, id, v.T())
	if want == nil {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Read of %s/%s, which never existed: %v, %v", resourceType, id, got, err)
		}
		return
	}
	if err != nil {
		t.Errorf("Read of %s/%s: %v", resourceType, id, err)
		return
	}
	wantVersions(t, "Read", []store.Version{*want}, []store.Version{got})
	q := store.History{Type: resourceType, ID: id}
	history := m.history(q, v.T())
	wantVersions(t, "instance history", history, collect(t, v.History(ctx, q)))
	for _, want := range history {
		got, err := v.ReadVersion(ctx, resourceType, id, want.Number)
		if err != nil {
			t.Errorf("ReadVersion %d: %v", want.Number, err)
			continue
		}
		wantVersions(t, "ReadVersion", []store.Version{want}, []store.Version{got})
	}
}

func collect(t *testing.T, seq iter.Seq2[store.Version, error]) (list []store.Version) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatalf("sequence: %v", err)
		}
		list = append(list, v)
	}
	return list
}

// pages reads all pages of a search and returns the matches, and the total of
// the first page. Without totals the pages must be the same.
func pages(t *testing.T, v store.View, plan search.Plan, limit int) (list []store.Version, total int) {
	t.Helper()
	list, total = pagesOf(t, v, plan, store.Page{Limit: limit, Total: true})
	without, none := pagesOf(t, v, plan, store.Page{Limit: limit})
	if none >= 0 && none != total {
		t.Errorf("the total is %d where none is asked for, %d otherwise", none, total)
	}
	wantVersions(t, "the pages without a total", list, without)
	return list, total
}

func pagesOf(t *testing.T, v store.View, plan search.Plan, page store.Page) (list []store.Version, total int) {
	t.Helper()
	limit := page.Limit
	for n := 0; ; n++ {
		r, err := v.Search(ctx, plan, page)
		if err != nil {
			t.Fatalf("Search: %v", err)
		}
		matches := collect(t, r.Matches)
		if len(matches) != r.Len || len(matches) > limit || (r.Next != nil && len(matches) < limit) {
			t.Fatalf("a page of %d has %d matches, Len %d, Next %x", limit, len(matches), r.Len, r.Next)
		}
		if n > 0 && page.Total && r.Total != total {
			t.Fatalf("the total went from %d to %d", total, r.Total)
		}
		list, total = append(list, matches...), r.Total
		if r.Next == nil {
			return list, total
		}
		page.After = r.Next
	}
}

func wantVersions(t *testing.T, what string, want, got []store.Version) {
	t.Helper()
	if !slices.EqualFunc(want, got, sameVersion) {
		t.Errorf("%s:\n got %v\nwant %v", what, names(got), names(want))
	}
}

func sameVersion(a, b store.Version) bool {
	return a.Type == b.Type && a.ID == b.ID && a.Number == b.Number && a.T == b.T && a.Op == b.Op &&
		a.LastUpdated.Equal(b.LastUpdated) && a.Body.At == b.Body.At && a.Body.Form == b.Body.Form &&
		bytes.Equal(a.Body.JSON, b.Body.JSON)
}

// names prints versions briefly: T:Type/id/number.
func names(versions []store.Version) (list []string) {
	for _, v := range versions {
		name := fmt.Sprintf("%d:%s/%s/%d", v.T, v.Type, v.ID, v.Number)
		if v.Deleted() {
			name += "(deleted)"
		}
		list = append(list, name)
	}
	return list
}
