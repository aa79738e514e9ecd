package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/store"
)

// testViews opens a view after every commit and looks through all of them at
// the end, and again after reopening as far as they are kept.
func testViews(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	var m model
	var views []store.View
	for i := range 40 {
		id := fmt.Sprint(i % 7)
		o := update(patient(id, fmt.Sprint("w", i%3)))
		if i%5 == 4 {
			o = remove("Patient", id)
		}
		m.add(commit(t, s, o))
		c.Pass(time.Second)
		views = append(views, viewAt(t, s, 0))
	}
	look := func(v store.View) {
		m.check(t, v)
		for i := range 8 {
			m.checkResource(t, v, "Patient", fmt.Sprint(i))
		}
	}
	for _, v := range views {
		look(v)
		look(viewAt(t, s, v.T()))
	}
	if _, err := s.View(ctx, m.now()+1); !errors.Is(err, store.ErrExpired) {
		t.Errorf("a view of the future: %v", err)
	}
	closeStore(t, s)
	s = open(t, disk, c)
	defer closeStore(t, s)
	kept := 0
	for at := m.now(); at > 0; at-- {
		v, err := s.View(ctx, at)
		if err != nil {
			if at == m.now() || !errors.Is(err, store.ErrExpired) {
				t.Fatalf("View(%d): %v", at, err)
			}
			continue
		}
		kept++
		look(v)
		v.Close()
	}
	t.Logf("after reopening, %d of %d times can be viewed", kept, m.now())
}

// testExpiry moves the clock beyond the retention.
func testExpiry(t *testing.T, disk Disk) {
	c := newClock()
	opt := Options{Extract: extract, Now: c.Now, Retention: time.Minute}
	s := disk.Open(t, opt)
	defer func() { closeStore(t, s) }()
	var m model
	m.add(commit(t, s, create(patient("a", "1"))))
	held := viewAt(t, s, 0)
	m.add(commit(t, s, update(patient("a", "2"))))
	c.Pass(40 * time.Second)
	m.add(commit(t, s, update(patient("a", "3"))))
	// Version 2 was current until a moment ago.
	c.Pass(30 * time.Second)
	m.check(t, viewAt(t, s, 2))
	if _, err := s.View(ctx, 1); !errors.Is(err, store.ErrExpired) {
		t.Errorf("a view of a time that was over 70 seconds ago: %v", err)
	}
	c.Pass(2 * time.Minute)
	m.check(t, viewAt(t, s, 3))
	if _, err := s.View(ctx, 2); !errors.Is(err, store.ErrExpired) {
		t.Errorf("a view of a time that was over 150 seconds ago: %v", err)
	}
	m.check(t, held)
	held.Close()
	// Opened so late, nothing but the current state need be known.
	m.add(commit(t, s, create(patient("b")), remove("Patient", "a")))
	closeStore(t, s)
	c.Pass(time.Hour)
	s = disk.Open(t, opt)
	m.check(t, viewAt(t, s, 0))
	if _, err := s.View(ctx, 3); !errors.Is(err, store.ErrExpired) {
		t.Errorf("a view of a time an hour ago: %v", err)
	}
}

func testHistory(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	defer func() { closeStore(t, s) }()
	var m model
	start := c.Now()
	for i := range 30 {
		id := fmt.Sprint(i % 4)
		ops := []store.Op{update(patient(id)), update(observation(id, id, uint64(i)))}
		if i%6 == 5 {
			ops[i%2] = remove(ops[i%2].Type, id)
		}
		m.add(commit(t, s, ops...))
		if i%3 == 0 {
			c.Pass(time.Second)
		}
	}
	for range 2 {
		for _, at := range []store.T{m.now(), m.now() - 7} {
			v := viewAt(t, s, at)
			for _, q := range histories(start, at) {
				wantVersions(t, fmt.Sprintf("%+v at %d", q, at), m.history(q, at), collect(t, v.History(ctx, q)))
			}
		}
		closeStore(t, s)
		s = open(t, disk, c)
	}
}

func histories(start time.Time, at store.T) (list []store.History) {
	for _, q := range []store.History{{}, {Type: "Patient"}, {Type: "Observation"}, {Type: "Patient", ID: "1"}, {Type: "Patient", ID: "none"}, {Type: "None"}} {
		list = append(list, q)
		for _, before := range []store.T{1, 2, at - 3, at, at + 1} {
			q.Before = before
			list = append(list, q)
		}
		q.Before = 0
		for seconds := range 8 {
			q.Since, q.Until = start.Add(time.Duration(seconds)*time.Second), time.Time{}
			list = append(list, q)
			q.Since, q.Until = q.Since.Add(-time.Millisecond), q.Since.Add(2*time.Second)
			list = append(list, q)
			q.Since, q.Before = time.Time{}, at-5
			list = append(list, q)
			q.Before = 0
		}
	}
	return list
}

func testChanges(t *testing.T, disk Disk) {
	s := open(t, disk, newClock())
	defer closeStore(t, s)
	var m model
	for i := range 10 {
		m.add(commit(t, s, update(patient(fmt.Sprint(i%3))), remove("Patient", fmt.Sprint((i+1)%3))))
	}
	for after := range m.now() + 2 {
		var want []store.Version
		for _, v := range m.versions {
			if v.T > after {
				want = append(want, v)
			}
		}
		wantVersions(t, fmt.Sprint("changes after ", after), want, collect(t, s.Changes(ctx, after)))
	}
	for v, err := range s.Changes(ctx, 0) { // stopping early
		if err != nil || v.T != 1 {
			t.Errorf("the first change is %d, %v", v.T, err)
		}
		break
	}
}

// testConcurrent looks at views while four goroutines write.
func testConcurrent(t *testing.T, disk Disk) {
	s := open(t, disk, newClock())
	defer closeStore(t, s)
	w := startWriters(t, s, func(writer, i int) store.Op {
		id := fmt.Sprint((i*7 + writer) % 30)
		if i%9 == 8 {
			return remove("Patient", id)
		}
		return update(&resource{ResourceType: "Patient", ID: id, Words: []string{fmt.Sprint(i % 4)}, Numbers: []uint64{uint64(i % 11)}})
	})
	defer w.stop()
	var m model
	for range 25 {
		w.write(10)
		commit(t, s, update(patient("own")))
		v := viewAt(t, s, 0)
		for version, err := range s.Changes(ctx, m.now()) {
			if err != nil {
				t.Fatal(err)
			}
			if version.T > v.T() {
				break
			}
			m.add([]store.Version{version})
		}
		if m.now() != v.T() {
			t.Fatalf("changes end at %d, the view is at %d", m.now(), v.T())
		}
		for _, plan := range plans(int64(v.T()), 4) {
			checkPlan(t, &m, v, plan, 7)
		}
		m.check(t, v)
	}
}

// writers are four goroutines that commit when they are told to, so that a
// slow test does not drown in versions.
type writers struct {
	turns chan struct{}
	wg    sync.WaitGroup
}

func startWriters(t *testing.T, s store.Store, next func(writer, i int) store.Op) *writers {
	w := &writers{turns: make(chan struct{}, 1000)}
	for writer := range 4 {
		w.wg.Go(func() {
			i := 0
			for range w.turns {
				if _, err := s.Commit(ctx, []store.Op{next(writer, i)}); err != nil {
					t.Errorf("Commit: %v", err)
				}
				i++
			}
		})
	}
	return w
}

// write lets n commits go ahead and does not wait for them.
func (w *writers) write(n int) {
	for range n {
		w.turns <- struct{}{}
	}
}

func (w *writers) stop() {
	close(w.turns)
	w.wg.Wait()
}
