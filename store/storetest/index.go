package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// patientShout is a parameter that comes and goes: a patient's words in upper
// case, or another way.
var patientShout = &search.Param{Type: "Patient", Code: "shout", Ordinal: 100}

// A shouting is a way to make the entries of patientShout; none in the zero
// one. What is stored while it is set has them in its ops.
type shouting struct{ mark atomic.Pointer[string] }

func (s *shouting) set(mark string) { s.mark.Store(&mark) }

// entries are those of patientShout alone.
func (s *shouting) entries(v store.Version) (list []search.Entry, err error) {
	mark := s.mark.Load()
	if v.Type != "Patient" || mark == nil {
		return nil, nil
	}
	all, err := extract(v)
	for _, e := range all {
		if e.Param == patientName {
			list = append(list, search.Entry{Param: patientShout, Key: append([]byte(*mark+strings.ToUpper(string(e.Key[:len(e.Key)-1]))), 0)})
		}
	}
	return list, err
}

func (s *shouting) extract(v store.Version) ([]search.Entry, error) {
	entries, err := extract(v)
	if err != nil {
		return nil, err
	}
	more, err := s.entries(v)
	return append(entries, more...), err
}

// op adds the entries to an op.
func (s *shouting) op(o store.Op) store.Op {
	more, err := s.entries(store.Version{Type: o.Type, ID: o.ID, Op: o.Kind, Body: o.Body})
	if err != nil {
		panic(err)
	}
	o.Entries = append(o.Entries[:len(o.Entries):len(o.Entries)], more...)
	return o
}

func (s *shouting) open(t *testing.T, disk Disk, c *clock) store.Store {
	t.Helper()
	return disk.Open(t, Options{Extract: s.extract, Now: c.Now})
}

// index runs Index to its end.
func (s *shouting) index(t *testing.T, in store.Store) {
	t.Helper()
	last, total := -1, -1
	err := in.Index(ctx, store.Indexing{Entries: s.entries, Progress: func(done, of int) {
		if done < last || done > of || total >= 0 && of != total {
			t.Errorf("progress goes from %d of %d to %d of %d", last, total, done, of)
		}
		last, total = done, of
	}})
	if err != nil || last != total {
		t.Fatalf("Index: %v after %d of %d", err, last, total)
	}
}

// check compares searches by the parameter with the model, as the words of
// patientName with a mark.
func (s *shouting) check(t *testing.T, m *model, v store.View, mark string) {
	t.Helper()
	m.extract = s.extract
	for _, w := range append(scribeWords, "", "none") {
		spans := []search.Span{search.Exactly([]byte(mark + strings.ToUpper(w) + "\x00"))}
		if w == "" {
			spans = []search.Span{{}}
		}
		where := search.Terms{Param: patientShout, Spans: spans}
		for _, plan := range []search.Plan{
			{Parts: []search.Part{{Type: "Patient", Where: where}}},
			{Parts: []search.Part{{Type: "Patient", Where: search.Not{Node: where}}}, Sort: []search.SortKey{{Params: []*search.Param{patientShout}, Desc: true}}},
			{Parts: []search.Part{{Type: "Observation", Where: search.Chain{Param: observationRefers, Target: "Patient", Where: where}}}},
		} {
			checkPlan(t, m, v, plan, 7)
		}
	}
}

// testIndex adds a parameter to what is stored, changes its meaning, and takes
// it away, with writes, erasures and new openings between.
func testIndex(t *testing.T, disk Disk) {
	c := newClock()
	var shout shouting
	s := shout.open(t, disk, c)
	w := newScribe(21, s, c)
	reopen := func() {
		closeStore(t, s)
		s = shout.open(t, disk, c)
		w.store = s
	}
	w.write(t, 60)
	reopen()
	w.write(t, 10)
	for _, mark := range []string{"!", "?", "!"} {
		before := viewAt(t, s, 0)
		shout.set(mark)
		w.change = shout.op
		w.write(t, 5)
		shout.index(t, s)
		shout.check(t, &w.model, viewAt(t, s, 0), mark)
		shout.check(t, &w.model, before, mark)
		before.Close()
		w.erase(t)
		w.write(t, 5)
		shout.index(t, s) // again: nothing is there twice
		reopen()
		shout.check(t, &w.model, viewAt(t, s, 0), mark)
		for _, plan := range plans(int64(len(mark)), 20) {
			checkPlan(t, &w.model, viewAt(t, s, 0), plan, 9)
		}
		w.write(t, 3)
		if err := s.Unindex(ctx, []string{patientShout.Key(), "Patient.unknown"}); err != nil {
			t.Fatalf("Unindex: %v", err)
		}
		shout.mark.Store(nil)
		w.change = nil
		shout.check(t, &w.model, viewAt(t, s, 0), mark)
		w.write(t, 8)
		reopen()
		shout.check(t, &w.model, viewAt(t, s, 0), mark)
		for _, plan := range plans(7, 20) {
			checkPlan(t, &w.model, viewAt(t, s, 0), plan, 9)
		}
	}
	closeStore(t, s)
	if err := s.Index(ctx, store.Indexing{Entries: shout.entries}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Index after Close: %v", err)
	}
	if err := s.Unindex(ctx, []string{"x"}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Unindex after Close: %v", err)
	}
}

// testIndexFails lets Index end early, by its caller and by its Entries, and
// runs it again.
func testIndexFails(t *testing.T, disk Disk) {
	c := newClock()
	var shout shouting
	s := shout.open(t, disk, c)
	defer closeStore(t, s)
	w := newScribe(22, s, c)
	w.write(t, 50)
	shout.set("!")
	w.change = shout.op
	cancelled, cancel := context.WithCancel(ctx)
	var calls atomic.Int32
	err := s.Index(cancelled, store.Indexing{Entries: func(v store.Version) ([]search.Entry, error) {
		if calls.Add(1) == 20 {
			cancel()
		}
		return shout.entries(v)
	}})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Index that was cut off: %v", err)
	}
	broken := errors.New("broken")
	if err := s.Index(ctx, store.Indexing{Entries: func(v store.Version) ([]search.Entry, error) {
		return nil, broken
	}}); !errors.Is(err, broken) {
		t.Errorf("Index without entries: %v", err)
	}
	w.write(t, 10)
	shout.index(t, s)
	shout.check(t, &w.model, viewAt(t, s, 0), "!")
}

// testIndexConcurrent indexes while four goroutines write and versions are
// erased, in views from before and after.
func testIndexConcurrent(t *testing.T, disk Disk) {
	c := newClock()
	var shout shouting
	s := shout.open(t, disk, c)
	defer closeStore(t, s)
	w := newScribe(23, s, c)
	w.write(t, 150)
	before := viewAt(t, s, 0)
	shout.set("!")
	writing := startWriters(t, s, func(writer, i int) store.Op {
		return shout.op(update(patient(fmt.Sprintf("%02d", (i*7+writer)%scribeIDs), scribeWords[(i+writer)%len(scribeWords)])))
	})
	var calls atomic.Int32
	erased := make(chan error, 1)
	erasures := []store.Erasure{{Type: "Patient", ID: "03"}, {Type: "Patient", ID: "07"}}
	err := s.Index(ctx, store.Indexing{Entries: func(v store.Version) ([]search.Entry, error) {
		if slices.Contains(erasures, store.Erasure{Type: v.Type, ID: v.ID}) {
			return shout.entries(v) // Erase may ask for these as well, and writes wait for it
		}
		switch n := calls.Add(1); {
		case n == 20:
			go func() {
				_, err := s.Erase(ctx, erasures)
				erased <- err
			}()
		case n == 30: // what is stored, and maybe sealed, before Index goes on
			for i := range 40 {
				if _, err := s.Commit(ctx, []store.Op{shout.op(update(patient(fmt.Sprint("during", i), "ab")))}); err != nil {
					return nil, err
				}
			}
		case n < 60:
			writing.write(3)
		}
		return shout.entries(v)
	}})
	if err := errors.Join(err, <-erased); err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Index and Erase: %v", err)
	}
	writing.stop()
	var m model
	m.add(collect(t, s.Changes(ctx, 0)))
	shout.check(t, &m, before, "!")
	shout.check(t, &m, viewAt(t, s, 0), "!")
}

// testIndexCrash crashes while parameters come and go, and does it again.
func testIndexCrash(t *testing.T, disk Disk) {
	if disk.Crash(t) == nil {
		t.Skip("the backend cannot crash")
	}
	c := newClock()
	var shout shouting
	for round := range 6 {
		shout.mark.Store(nil)
		s := shout.open(t, disk, c)
		w := newScribe(uint64(30+round), s, c)
		w.model.add(collect(t, s.Changes(ctx, 0)))
		w.write(t, 25)
		shout.set("!")
		w.change = shout.op
		var crashed Disk
		var calls atomic.Int32
		err := s.Index(ctx, store.Indexing{
			Entries: func(v store.Version) ([]search.Entry, error) {
				if calls.Add(1) == 10 && round%3 == 0 {
					crashed = disk.Crash(t)
				}
				return shout.entries(v)
			},
			Progress: func(done, total int) {
				if done > 0 && round%3 == 1 {
					crashed = disk.Crash(t)
				}
			},
		})
		if err != nil {
			t.Fatalf("Index: %v", err)
		}
		if round%3 == 2 {
			w.write(t, 5)
			crashed = disk.Crash(t)
		}
		closeStore(t, s)
		disk = crashed
		s = shout.open(t, disk, c)
		w.store = s
		if round%3 == 0 {
			shout.index(t, s)
		}
		shout.check(t, &w.model, viewAt(t, s, 0), "!")
		w.write(t, 3)
		shout.index(t, s)
		shout.check(t, &w.model, viewAt(t, s, 0), "!")
		if err := s.Unindex(ctx, []string{patientShout.Key()}); err != nil {
			t.Fatalf("Unindex: %v", err)
		}
		crashed = disk.Crash(t)
		closeStore(t, s)
		shout.mark.Store(nil)
		s = shout.open(t, crashed, c)
		shout.check(t, &w.model, viewAt(t, s, 0), "!")
		closeStore(t, s)
		disk = crashed
	}
}
