package storetest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

func testVersions(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	var m model
	if v := viewAt(t, s, 0); v.T() != 0 {
		t.Errorf("a new store is at %d", v.T())
	}
	m.add(commit(t, s, create(patient("a", "x"))))
	c.Pass(time.Second)
	got := commit(t, s, update(patient("a", "y")), create(observation("a", "a", 1)))
	m.add(got)
	for i, want := range []store.Version{
		{Type: "Patient", ID: "a", Number: 2, T: 2, LastUpdated: c.Now(), Op: store.OpUpdate, Body: patient("a", "y").body()},
		{Type: "Observation", ID: "a", Number: 1, T: 3, LastUpdated: c.Now(), Op: store.OpCreate, Body: observation("a", "a", 1).body()},
	} {
		wantVersions(t, "version", []store.Version{want}, got[i:i+1])
	}
	c.Pass(-time.Hour) // the store's time does not go back
	m.add(commit(t, s, update(patient("a", "z"))))
	if last := m.versions[3]; !last.LastUpdated.Equal(m.versions[2].LastUpdated) {
		t.Errorf("the clock went back and lastUpdated with it: %v", last.LastUpdated)
	}
	for range 2 {
		v := viewAt(t, s, 0)
		m.check(t, v)
		m.checkResource(t, v, "Patient", "a")
		m.checkResource(t, v, "Observation", "a")
		m.checkResource(t, v, "Patient", "b")
		if _, err := v.ReadVersion(ctx, "Patient", "a", 9); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("ReadVersion of a later version: %v", err)
		}
		if _, err := v.ReadVersion(ctx, "Patient", "a", 0); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("ReadVersion of version 0: %v", err)
		}
		closeStore(t, s)
		s = open(t, disk, c)
	}
	closeStore(t, s)
}

func testDelete(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	defer func() { closeStore(t, s) }()
	var m model
	if got := commit(t, s, remove("Patient", "a"))[0]; got.Type != "" {
		t.Errorf("deleting what never was returned %v", got)
	}
	m.add(commit(t, s, create(patient("a", "x")), create(patient("b", "x"))))
	deleted := commit(t, s, remove("Patient", "a"))
	m.add(deleted)
	if d := deleted[0]; !d.Deleted() || d.Number != 2 || d.T != 3 || len(d.Body.JSON) > 0 {
		t.Errorf("the deletion is %+v", d)
	}
	wantVersions(t, "deleting twice", deleted, commit(t, s, remove("Patient", "a")))
	m.check(t, viewAt(t, s, 0))
	m.add(commit(t, s, update(patient("a", "again"))))
	m.add(commit(t, s, remove("Patient", "b")))
	for range 2 {
		v := viewAt(t, s, 0)
		m.check(t, v)
		m.checkResource(t, v, "Patient", "a")
		m.checkResource(t, v, "Patient", "b")
		closeStore(t, s)
		s = open(t, disk, c)
	}
}

// testFresh writes resources whose ids are new: by themselves, with others, and
// what follows them.
func testFresh(t *testing.T, disk Disk) {
	s := open(t, disk, newClock())
	defer func() { closeStore(t, s) }()
	fresh := func(r *resource) store.Op {
		o := create(r)
		o.Fresh = true
		return o
	}
	absent := func(o store.Op) store.Op { o.IfAbsent = true; return o }
	var m model
	m.add(commit(t, s, fresh(patient("a", "x"))))
	m.add(commit(t, s, update(patient("a", "y"))))
	m.add(commit(t, s, update(patient("a", "z")), absent(fresh(patient("b"))), create(patient("c")), fresh(patient("d"))))
	m.add(commit(t, s, remove("Patient", "b"), update(patient("d"))))
	if _, err := s.Commit(ctx, []store.Op{absent(create(patient("a")))}); !errors.Is(err, store.ErrExists) {
		t.Errorf("what was new is made again: %v", err)
	}
	for range 2 {
		v := viewAt(t, s, 0)
		m.check(t, v)
		for _, id := range []string{"a", "b", "c", "d"} {
			m.checkResource(t, v, "Patient", id)
		}
		closeStore(t, s)
		s = open(t, disk, newClock())
	}
}

func testPreconditions(t *testing.T, disk Disk) {
	s := open(t, disk, newClock())
	defer closeStore(t, s)
	var m model
	m.add(commit(t, s, create(patient("a")), create(patient("gone")), create(patient("b"))))
	m.add(commit(t, s, update(patient("a"))))
	m.add(commit(t, s, remove("Patient", "gone")))
	with := func(o store.Op, change func(*store.Op)) store.Op { change(&o); return o }
	version := func(n uint64) func(*store.Op) { return func(o *store.Op) { o.IfVersion = n } }
	absent := func(o *store.Op) { o.IfAbsent = true }
	for _, test := range []struct {
		name string
		ops  []store.Op
		at   int
		want error
	}{
		{"old version", []store.Op{create(patient("n")), with(update(patient("a")), version(1))}, 1, store.ErrVersion},
		{"later version", []store.Op{with(update(patient("a")), version(3))}, 0, store.ErrVersion},
		{"version of nothing", []store.Op{with(update(patient("n")), version(1))}, 0, store.ErrVersion},
		{"delete old version", []store.Op{with(remove("Patient", "a"), version(1))}, 0, store.ErrVersion},
		{"exists", []store.Op{with(create(patient("a")), absent)}, 0, store.ErrExists},
		{"twice", []store.Op{create(patient("n")), create(patient("m")), update(patient("n"))}, 2, store.ErrDuplicate},
		{"update and delete", []store.Op{update(patient("a")), remove("Patient", "a")}, 1, store.ErrDuplicate},
	} {
		_, err := s.Commit(ctx, test.ops)
		var op *store.OpError
		if !errors.As(err, &op) || !errors.Is(err, test.want) || op.Index != test.at {
			t.Errorf("%s: %v, want %v of op %d", test.name, err, test.want, test.at)
		}
	}
	m.check(t, viewAt(t, s, 0))
	m.add(commit(t, s, with(update(patient("a")), version(2)), with(create(patient("gone")), absent),
		with(create(patient("new")), absent), with(remove("Patient", "b"), version(1))))
	m.check(t, viewAt(t, s, 0))
}

// testAtomic commits pairs that belong together from several goroutines, some
// of which fail, and looks at whole pairs only.
func testAtomic(t *testing.T, disk Disk) {
	s := open(t, disk, newClock())
	defer closeStore(t, s)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				id := string(rune('a'+w)) + string(rune('a'+i))
				ops := []store.Op{create(patient(id)), create(observation(id, id))}
				if i%5 == 4 {
					ops[1].IfVersion = 7
				}
				if _, err := s.Commit(ctx, ops); (err != nil) != (i%5 == 4) || err != nil && !errors.Is(err, store.ErrVersion) {
					t.Errorf("Commit: %v", err)
				}
				wantPairs(t, s)
			}
		})
	}
	wg.Wait()
	if v := viewAt(t, s, 0); v.T() != 4*20*2 {
		t.Errorf("T is %d, want %d", v.T(), 4*20*2)
	}
}

func wantPairs(t *testing.T, s store.Store) {
	v, err := s.View(ctx, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer v.Close()
	patients, err1 := v.Count(ctx, search.Plan{Parts: []search.Part{{Type: "Patient"}}})
	observations, err2 := v.Count(ctx, search.Plan{Parts: []search.Part{{Type: "Observation"}}})
	if err := errors.Join(err1, err2); err != nil || patients != observations || store.T(patients+observations) != v.T() {
		t.Errorf("at %d there are %d patients and %d observations, %v", v.T(), patients, observations, err)
	}
}

// testConditions lets many goroutines create the same thing on condition that
// nobody else did.
func testConditions(t *testing.T, disk Disk) {
	s := open(t, disk, newClock())
	defer closeStore(t, s)
	commit(t, s, create(patient("other", "z")))
	named := search.Part{Type: "Patient", Where: search.Terms{Param: patientName, Spans: []search.Span{search.Exactly(word("x"))}}}
	at := viewAt(t, s, 0).T()
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			o := create(patient(string(rune('a'+i)), "x"))
			o.Unchanged = []store.Condition{{Part: named, T: at}}
			_, errs[i] = s.Commit(ctx, []store.Op{o})
		})
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !errors.Is(err, store.ErrChanged) {
			t.Errorf("Commit: %v", err)
		}
	}
	if made != 1 {
		t.Errorf("%d of the creates were made", made)
	}
	// Other names do not matter, nor do other types; a deletion is no match.
	o := create(patient("y", "y"))
	o.Unchanged = []store.Condition{{
		Part: search.Part{Type: "Patient", Where: search.Terms{Param: patientName, Spans: []search.Span{search.Exactly(word("y"))}}}, T: at,
	}}
	commit(t, s, create(&resource{ResourceType: "Observation", ID: "y", Words: []string{"y"}}))
	commit(t, s, o)
	o.ID, o.Body = "y2", patient("y2", "y").body()
	if _, err := s.Commit(ctx, []store.Op{o}); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Commit after a match: %v", err)
	}
	o.Unchanged[0].T = viewAt(t, s, 0).T()
	commit(t, s, o)
	// A part that was made from all resources of a type depends on each of
	// them, on deletions too, and on no other type.
	o.ID, o.Body = "y3", patient("y3", "y").body()
	o.Unchanged[0].Types = []string{"Observation"}
	for _, write := range []store.Op{create(&resource{ResourceType: "Observation", ID: "z"}), remove("Observation", "z")} {
		o.Unchanged[0].T = viewAt(t, s, 0).T()
		commit(t, s, write)
		if _, err := s.Commit(ctx, []store.Op{o}); !errors.Is(err, store.ErrChanged) {
			t.Errorf("Commit after a write of the type: %v", err)
		}
	}
	o.Unchanged[0].T = viewAt(t, s, 0).T()
	commit(t, s, create(patient("z", "z")))
	commit(t, s, o)
}

// testConditionsTooOld asks for a condition from before the store was opened:
// it may hold or not, but a match must not be overlooked.
func testConditionsTooOld(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	commit(t, s, create(patient("a", "z")))
	commit(t, s, create(patient("b", "x")))
	closeStore(t, s)
	s = open(t, disk, c)
	defer closeStore(t, s)
	o := create(patient("c", "x"))
	o.Unchanged = []store.Condition{{
		Part: search.Part{Type: "Patient", Where: search.Terms{Param: patientName, Spans: []search.Span{search.Exactly(word("x"))}}}, T: 1,
	}}
	if _, err := s.Commit(ctx, []store.Op{o}); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Commit: %v, want ErrChanged", err)
	}
}

func testLoad(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	defer func() { closeStore(t, s) }()
	var ops []store.Op
	for i := range 50 {
		ops = append(ops, update(patient(string(rune('A'+i)), "x")))
	}
	load := func(ops []store.Op) []store.Version {
		versions, err := s.Load(ctx, ops)
		if err != nil {
			t.Fatalf("Load: %v", err)
		}
		return versions
	}
	var m model
	first := load(ops)
	m.add(first)
	c.Pass(time.Second)
	wantVersions(t, "loaded again", first, load(ops))
	closeStore(t, s)
	s = open(t, disk, c)
	wantVersions(t, "loaded after reopening", first, load(ops))
	changed := slices.Clone(ops)
	changed[3] = update(patient(ops[3].ID, "y"))
	changed[4] = remove("Patient", ops[4].ID)
	got := load(changed)
	m.add(got)
	if m.now() != 52 || got[3].Number != 2 || !got[4].Deleted() {
		t.Errorf("loading two changes came to T %d: %v", m.now(), names(got))
	}
	m.add(load(changed))
	m.add(load(ops)) // the way back
	if m.now() != 54 {
		t.Errorf("loading the first state again came to T %d", m.now())
	}
	m.check(t, viewAt(t, s, 0))
	if _, err := s.Load(ctx, []store.Op{{Kind: store.OpDelete, Type: "Patient", ID: "A", IfVersion: 1}}); err == nil {
		t.Error("Load took a precondition")
	}
}

func testClose(t *testing.T, disk Disk) {
	s := open(t, disk, newClock())
	commit(t, s, create(patient("a", "x")))
	v := viewAt(t, s, 0)
	var wg sync.WaitGroup
	done := make([]bool, 8)
	for i := range done {
		wg.Go(func() {
			for n := 0; ; n++ {
				_, err := s.Commit(ctx, []store.Op{update(patient(string(rune('b' + i))))})
				if done[i] = errors.Is(err, store.ErrClosed); err != nil {
					return
				}
			}
		})
	}
	closeStore(t, s)
	wg.Wait()
	for i := range done {
		if !done[i] {
			t.Error("a commit at the time of Close failed, but not with ErrClosed")
		}
	}
	_, err1 := s.Commit(ctx, []store.Op{create(patient("z"))})
	_, err2 := s.Load(ctx, []store.Op{create(patient("z"))})
	_, err3 := s.View(ctx, 0)
	_, err4 := v.Read(ctx, "Patient", "a")
	_, err5 := v.Search(ctx, search.Plan{Parts: []search.Part{{Type: "Patient"}}}, store.Page{Limit: 1})
	_, err6 := v.Count(ctx, search.Plan{Parts: []search.Part{{Type: "Patient"}}})
	var err7, err8 error
	for _, err7 = range v.History(ctx, store.History{}) {
	}
	for _, err8 = range s.Changes(ctx, 0) {
	}
	for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, s.Close()} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("call %d after Close: %v", i+1, err)
		}
	}
}
