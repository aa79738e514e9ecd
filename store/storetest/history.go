package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// ever answers a history of parts: it looks at every version by itself, with the
// resources as they are at a time beside it.
func (m *model) ever(t *testing.T, q store.History, at store.T) (found []store.Version) {
	all, _ := m.candidates(t, at)
	lookup := func(resourceType, id string) (list []*search.Candidate) {
		for _, c := range all {
			if c.Type == resourceType && (id == "" || c.ID == id) {
				list = append(list, c)
			}
		}
		return list
	}
	for _, v := range m.history(store.History{Type: q.Type, Since: q.Since, Until: q.Until, Before: q.Before}, at) {
		content := v
		for i := len(m.versions) - 1; i >= 0 && content.Deleted(); i-- {
			if before := m.versions[i]; before.T < content.T && before.Type == v.Type && before.ID == v.ID {
				content = before
			}
		}
		if content.Deleted() {
			continue
		}
		entries, err := extract(content)
		if err != nil {
			t.Fatal(err)
		}
		c := &search.Candidate{Type: v.Type, ID: v.ID, LastUpdated: content.LastUpdated, Entries: entries}
		if slices.ContainsFunc(q.Parts, func(p search.Part) bool { return p.Type == v.Type && search.Match(p.Where, c, lookup) }) {
			found = append(found, v)
		}
	}
	return found
}

// testHistoryOfParts asks for random histories: in one open store, with versions
// that were erased, and after it was opened again.
func testHistoryOfParts(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	defer func() { closeStore(t, s) }()
	w := newScribe(7, s, c)
	w.write(t, 150)
	middle := w.model.now()
	w.write(t, 100)
	var gone []store.Erasure
	for i := 0; i < len(w.model.versions) && len(gone) < 12; i += 9 {
		v := w.model.versions[i]
		if current := w.model.current(v.Type, v.ID, w.model.now()); current.T != v.T {
			gone = append(gone, store.Erasure{Type: v.Type, ID: v.ID, Number: v.Number})
		}
	}
	if _, err := s.Erase(ctx, gone); err != nil {
		t.Fatal(err)
	}
	w.model.erase(gone...)
	for round := range int64(2) {
		for n, plan := range plans(40+round, 60) {
			at := []store.T{0, middle}[n%2]
			if round == 1 {
				at = 0
			}
			v := viewAt(t, s, at)
			q := store.History{Parts: plan.Parts}
			switch n % 5 {
			case 1:
				q.Before = v.T() / 2
			case 2:
				q.Type = plan.Parts[0].Type
			case 3:
				q.Since = w.model.versions[len(w.model.versions)/3].LastUpdated
			}
			wantVersions(t, fmt.Sprintf("%s of %+v at %d", describe(plan), q, v.T()), w.model.ever(t, q, v.T()), collect(t, v.History(ctx, q)))
		}
		closeStore(t, s)
		s = open(t, disk, c)
	}
}
