package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// erase takes versions out of the model and returns how many.
func (m *model) erase(list ...store.Erasure) int {
	before := len(m.versions)
	for _, e := range list {
		m.versions = slices.DeleteFunc(m.versions, func(v store.Version) bool {
			return v.Type == e.Type && v.ID == e.ID && (e.Number == 0 || e.Number == v.Number)
		})
	}
	return before - len(m.versions)
}

// erase erases what must be there, in store and model.
func erase(t *testing.T, s store.Store, m *model, list ...store.Erasure) {
	t.Helper()
	want := m.erase(list...)
	if n, err := s.Erase(ctx, list); err != nil || n != want {
		t.Fatalf("Erase(%v): %d, %v; want %d", list, n, err, want)
	}
}

// wantChanges compares all changes with the model.
func (m *model) wantChanges(t *testing.T, s store.Store) {
	t.Helper()
	wantVersions(t, "changes", m.versions, collect(t, s.Changes(ctx, 0)))
}

// testErase erases whole resources and single versions, and looks through
// views from before and after, and again after reopening.
func testErase(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	defer func() { closeStore(t, s) }()
	var m model
	var views []store.View
	see := func() { views = append(views, viewAt(t, s, 0)) }
	for i := range 20 {
		m.add(commit(t, s, update(patient("a", fmt.Sprint("a", i))), update(patient("b", fmt.Sprint("b", i%3)))))
		m.add(commit(t, s, update(observation(fmt.Sprint("o", i), "a", uint64(i)))))
		see()
	}
	m.add(commit(t, s, remove("Patient", "b")))
	m.add(commit(t, s, update(patient("b", "again"))))
	m.add(commit(t, s, create(patient("c", "x"))))
	m.add(commit(t, s, remove("Patient", "c")))
	see()
	look := func() {
		t.Helper()
		for _, v := range views {
			m.checkErased(t, v)
		}
		m.wantChanges(t, s)
	}
	for round, list := range [][]store.Erasure{
		{{Type: "Patient", ID: "b", Number: 3}},
		{{Type: "Patient", ID: "b", Number: 5}, {Type: "Patient", ID: "b", Number: 4}, {Type: "Observation", ID: "o7"}},
		{{Type: "Patient", ID: "b", Number: 21}, {Type: "Patient", ID: "b", Number: 1}},
		{{Type: "Patient", ID: "c"}},
		{{Type: "Patient", ID: "a", Number: 2}, {Type: "Patient", ID: "a"}},
		{{Type: "Patient", ID: "b"}},
	} {
		erase(t, s, &m, list...)
		look()
		last := m.now()
		got := commit(t, s, create(patient("a", "anew")))
		if round == 4 && (got[0].Number != 1 || !got[0].Created) {
			t.Errorf("the first version after an erasure is %+v", got[0])
		}
		if m.add(got); got[0].T <= last {
			t.Errorf("T %d is used again", got[0].T)
		}
		look()
		for _, v := range views {
			v.Close()
		}
		views = nil
		closeStore(t, s)
		s = open(t, disk, c)
		see()
		look()
	}
}

func (m *model) checkErased(t *testing.T, v store.View) {
	t.Helper()
	m.check(t, v)
	for _, id := range []string{"a", "b", "c", "o7"} {
		m.checkResource(t, v, "Patient", id)
		m.checkResource(t, v, "Observation", id)
	}
	wantVersions(t, "history of a type", m.history(store.History{Type: "Patient"}, v.T()),
		collect(t, v.History(ctx, store.History{Type: "Patient"})))
	for _, w := range []string{"a3", "b0", "b1", "b2", "x"} {
		where := search.Terms{Param: patientName, Spans: []search.Span{search.Exactly(word(w))}}
		checkPlan(t, m, v, search.Plan{Parts: []search.Part{{Type: "Patient", Where: where}}}, 5)
	}
}

// testEraseNewest erases the newest version of all, so that nothing but the
// store itself knows which T comes next.
func testEraseNewest(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	var m model
	m.add(commit(t, s, create(patient("a"))))
	m.add(commit(t, s, create(patient("b"))))
	erase(t, s, &m, store.Erasure{Type: "Patient", ID: "b"})
	closeStore(t, s)
	s = open(t, disk, c)
	defer closeStore(t, s)
	if v := viewAt(t, s, 0); v.T() != 2 {
		t.Errorf("T is %d after version 2 was erased", v.T())
	}
	got := commit(t, s, create(patient("b")))
	if m.add(got); got[0].T != 3 {
		t.Errorf("the next T is %d, want 3", got[0].T)
	}
	m.check(t, viewAt(t, s, 0))
}

func testEraseRefuses(t *testing.T, disk Disk) {
	s := open(t, disk, newClock())
	var m model
	m.add(commit(t, s, create(patient("a", "x")), create(patient("b", "x"))))
	m.add(commit(t, s, update(patient("a", "y"))))
	for _, test := range []struct {
		list []store.Erasure
		at   int
		want error
	}{
		{[]store.Erasure{{Type: "Patient", ID: "none"}}, 0, store.ErrNotFound},
		{[]store.Erasure{{Type: "Patient", ID: "b"}, {Type: "Observation", ID: "a"}}, 1, store.ErrNotFound},
		{[]store.Erasure{{Type: "Patient", ID: "b"}, {Type: "Patient", ID: "a", Number: 3}}, 1, store.ErrNotFound},
		{[]store.Erasure{{Type: "Patient", ID: "a", Number: 1}, {Type: "Patient", ID: "a", Number: 2}}, 1, store.ErrVersion},
		{[]store.Erasure{{Type: "Patient", ID: "b"}, {Type: "Patient", ID: "b"}}, 1, store.ErrNotFound},
		{[]store.Erasure{{Type: "Patient", ID: "a", Number: 1}, {Type: "Patient", ID: "a", Number: 1}}, 1, store.ErrNotFound},
	} {
		n, err := s.Erase(ctx, test.list)
		var op *store.OpError
		if n != 0 || !errors.As(err, &op) || !errors.Is(err, test.want) || op.Index != test.at {
			t.Errorf("%v: %d, %v; want %v of erasure %d", test.list, n, err, test.want, test.at)
		}
		m.check(t, viewAt(t, s, 0))
	}
	if n, err := s.Erase(ctx, nil); n != 0 || err != nil {
		t.Errorf("nothing to erase: %d, %v", n, err)
	}
	// Conditions do not see what is gone.
	o := create(patient("n", "x"))
	o.Unchanged = []store.Condition{{T: 0, Part: search.Part{Type: "Patient", Where: search.Terms{Param: patientName, Spans: []search.Span{search.Exactly(word("y"))}}}}}
	erase(t, s, &m, store.Erasure{Type: "Patient", ID: "a"})
	m.add(commit(t, s, o))
	m.check(t, viewAt(t, s, 0))
	closeStore(t, s)
	if _, err := s.Erase(ctx, []store.Erasure{{Type: "Patient", ID: "b"}}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Erase after Close: %v", err)
	}
}

// testEraseModel erases at random among random writes, and compares random
// searches in old and new views.
func testEraseModel(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	w := newScribe(17, s, c)
	var views []store.View
	for step := range 120 {
		switch w.rand.IntN(10) {
		case 0:
			for _, v := range views {
				v.Close()
			}
			views = nil
			closeStore(t, s)
			s = open(t, disk, c)
			w.store = s
		case 1, 2:
			views = append(views, viewAt(t, s, 0))
		case 3, 4, 5:
			w.erase(t)
		default:
			w.write(t, 1+w.rand.IntN(3))
		}
		look := []store.View{viewAt(t, s, 0)}
		if len(views) > 0 {
			look = append(look, views[w.rand.IntN(len(views))])
		}
		for _, v := range look {
			w.model.check(t, v)
			w.model.checkResource(t, v, []string{"Patient", "Observation"}[w.rand.IntN(2)], w.id())
			for _, plan := range plans(int64(step)+5000, 5) {
				checkPlan(t, &w.model, v, plan, 1+w.rand.IntN(20))
			}
		}
		if t.Failed() {
			t.Fatalf("after step %d", step)
		}
	}
	w.model.wantChanges(t, s)
	closeStore(t, s)
}

// erase erases up to five versions or resources that are there.
func (s *scribe) erase(t *testing.T) {
	t.Helper()
	left := model{versions: slices.Clone(s.model.versions)}
	var list []store.Erasure
	for range 1 + s.rand.IntN(5) {
		if len(left.versions) == 0 {
			break
		}
		v := left.versions[s.rand.IntN(len(left.versions))]
		e := store.Erasure{Type: v.Type, ID: v.ID}
		if left.current(v.Type, v.ID, left.now()).T != v.T && s.rand.IntN(3) > 0 {
			e.Number = v.Number
		}
		left.erase(e)
		list = append(list, e)
	}
	if len(list) > 0 {
		erase(t, s.store, &s.model, list...)
	}
}

// testEraseConcurrent erases while four goroutines write and one reads.
func testEraseConcurrent(t *testing.T, disk Disk) {
	s := open(t, disk, newClock())
	defer closeStore(t, s)
	w := startWriters(t, s, func(writer, i int) store.Op {
		return update(patient(fmt.Sprint(writer, "-", i%20), fmt.Sprint(i%4), fmt.Sprint(writer)))
	})
	var reading sync.WaitGroup
	stop := make(chan struct{})
	reading.Go(func() { readUntil(t, s, stop) })
	for i := range 40 {
		w.write(20)
		id := fmt.Sprint("own", i%7)
		commit(t, s, update(patient(id, "1")))
		other := fmt.Sprint(i%4, "-", i%20)
		n, err := s.Erase(ctx, []store.Erasure{{Type: "Patient", ID: id}})
		if err != nil || n == 0 {
			t.Errorf("Erase: %d, %v", n, err)
		}
		if _, err := s.Erase(ctx, []store.Erasure{{Type: "Patient", ID: other}}); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Erase: %v", err)
		}
	}
	w.stop()
	close(stop)
	reading.Wait()
	var m model
	m.add(collect(t, s.Changes(ctx, 0)))
	v := viewAt(t, s, 0)
	m.check(t, v)
	for i := range 4 {
		where := search.Terms{Param: patientName, Spans: []search.Span{search.Exactly(word(fmt.Sprint(i)))}}
		checkPlan(t, &m, v, search.Plan{Parts: []search.Part{{Type: "Patient", Where: where}}}, 9)
	}
}

// readUntil reads in every way; nothing may fail.
func readUntil(t *testing.T, s store.Store, stop chan struct{}) {
	plan := search.Plan{
		Parts: []search.Part{{Type: "Patient", Where: search.Terms{Param: patientName, Spans: []search.Span{{}}}}},
		Sort:  []search.SortKey{{Params: []*search.Param{patientName}}},
	}
	for {
		select {
		case <-stop:
			return
		default:
		}
		v, err := s.View(ctx, 0)
		if err != nil {
			t.Error(err)
			return
		}
		r, err := v.Search(ctx, plan, store.Page{Limit: 50})
		if err != nil {
			t.Errorf("Search: %v", err)
		}
		if r.Matches != nil {
			for _, err := range r.Matches {
				if err != nil {
					t.Errorf("Matches: %v", err)
				}
			}
		}
		for _, q := range []store.History{{}, {Type: "Patient"}, {Type: "Patient", ID: "own1"}} {
			for _, err := range v.History(ctx, q) {
				if err != nil {
					t.Errorf("History: %v", err)
				}
			}
		}
		if _, err := v.Read(ctx, "Patient", "own1"); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Read: %v", err)
		}
		v.Close()
	}
}

// testEraseCrash crashes the disk while and after versions are erased.
func testEraseCrash(t *testing.T, disk Disk) {
	if disk.Crash(t) == nil {
		t.Skip("the backend cannot crash")
	}
	c := newClock()
	for round := range 8 {
		s := open(t, disk, c)
		var before model
		before.add(collect(t, s.Changes(ctx, 0)))
		for i := range 5 + 3*round {
			before.add(commit(t, s, update(patient(fmt.Sprint(i%6), fmt.Sprint(i))), update(observation(fmt.Sprint(round, i), fmt.Sprint(i%6), 1))))
		}
		list := []store.Erasure{{Type: "Patient", ID: "0"}, {Type: "Observation", ID: fmt.Sprint(round, 1)}, {Type: "Patient", ID: "1", Number: before.current("Patient", "1", before.now()).Number}}
		before.add(commit(t, s, update(patient("1", "last"))))
		after := model{versions: slices.Clone(before.versions)}
		want := after.erase(list...)
		started, erased := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(erased)
			close(started)
			if n, err := s.Erase(ctx, list); err != nil || n != want {
				t.Errorf("Erase: %d, %v; want %d", n, err, want)
			}
		}()
		<-started
		var during []Disk
		for done := false; !done && len(during) < 12; {
			during = append(during, disk.Crash(t))
			select {
			case <-erased:
				done = true
			default:
			}
		}
		<-erased
		at := disk.Crash(t)
		closeStore(t, s)
		for _, d := range during {
			s := open(t, d, c)
			m := &before
			if len(collect(t, s.Changes(ctx, 0))) == len(after.versions) {
				m = &after
			}
			m.wantChanges(t, s)
			m.checkErased(t, viewAt(t, s, 0))
			closeStore(t, s)
		}
		disk = at
		s = open(t, disk, c)
		after.wantChanges(t, s)
		after.checkErased(t, viewAt(t, s, 0))
		closeStore(t, s)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}
