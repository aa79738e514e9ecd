package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/store"
)

// testModel runs random steps, each followed by a look at something.
func testModel(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	w := newScribe(99, s, c)
	var views []store.View
	for step := range 150 {
		switch w.rand.IntN(12) {
		case 0:
			for _, v := range views {
				v.Close()
			}
			views = nil
			closeStore(t, s)
			s = open(t, disk, c)
			w.store = s
		case 1:
			views = append(views, viewAt(t, s, 0))
		case 2:
			w.model.check(t, viewAt(t, s, 0))
		default:
			w.write(t, 1+w.rand.IntN(3))
		}
		v := viewAt(t, s, 0)
		if len(views) > 0 && w.rand.IntN(2) == 0 {
			v = views[w.rand.IntN(len(views))]
		}
		w.model.checkResource(t, v, []string{"Patient", "Observation"}[w.rand.IntN(2)], w.id())
		for _, plan := range plans(int64(step)+1000, 3) {
			checkPlan(t, &w.model, v, plan, 1+w.rand.IntN(20))
		}
		if t.Failed() {
			t.Fatalf("after step %d", step)
		}
	}
	closeStore(t, s)
}

// testCrash crashes a busy store again and again: what was acknowledged is
// there, commits are there whole or not at all, and the index agrees with the
// versions.
func testCrash(t *testing.T, disk Disk) {
	if disk.Crash(t) == nil {
		t.Skip("the backend cannot crash")
	}
	c := newClock()
	random := rand.New(rand.NewPCG(4, 4))
	for round := range 6 {
		s := open(t, disk, c)
		acknowledged, crashed := crash(t, disk, s, round, 5+random.IntN(60))
		closeStore(t, s)
		disk = crashed
		s = open(t, disk, c)
		var m model
		for v, err := range s.Changes(ctx, 0) {
			if err != nil {
				t.Fatal(err)
			}
			m.add([]store.Version{v})
		}
		wantWhole(t, &m, acknowledged)
		v := viewAt(t, s, 0)
		m.check(t, v)
		for _, plan := range plansOf(1, int64(round), 30) {
			checkPlan(t, &m, v, plan, 11)
		}
		m.add(commit(t, s, create(patient(fmt.Sprint("after", round)))))
		m.check(t, viewAt(t, s, 0))
		closeStore(t, s)
	}
}

// crash commits and loads threes from several goroutines and crashes the disk
// after some of them. It returns the Ts that were acknowledged before.
func crash(t *testing.T, disk Disk, s store.Store, round, after int) (acknowledged []store.T, crashed Disk) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", round, g, i)
				ops := []store.Op{
					create(&resource{ResourceType: "Patient", ID: id, Words: []string{scribeWords[i%len(scribeWords)]}, Numbers: []uint64{uint64(i)}}),
					create(observation(id, id, uint64(i))),
					update(patient(fmt.Sprint("shared", i%5), id)),
				}
				if i%4 == 3 {
					ops[2] = remove("Patient", fmt.Sprint("shared", g))
				}
				write := s.Commit
				if g%2 == 1 {
					write = s.Load
				}
				versions, err := write(ctx, ops)
				if err != nil {
					t.Errorf("writing: %v", err)
					return
				}
				mu.Lock()
				stop := crashed != nil
				if !stop {
					for _, v := range versions {
						acknowledged = append(acknowledged, v.T)
					}
					if len(acknowledged) >= 3*after {
						crashed, stop = disk.Crash(t), true
					}
				}
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	return acknowledged, crashed
}

// wantWhole checks that what was acknowledged is there, that numbers have no
// gaps, and that a patient and its observation are there together.
func wantWhole(t *testing.T, m *model, acknowledged []store.T) {
	t.Helper()
	for _, at := range acknowledged {
		if at > m.now() {
			t.Fatalf("version %d was acknowledged and is lost: the store ends at %d", at, m.now())
		}
	}
	pair := map[string]int{}
	for i, v := range m.versions {
		if v.T != store.T(i+1) {
			t.Fatalf("version %d follows %d", v.T, i)
		}
		if v.Number == 1 && v.ID[0] != 's' && v.ID[0] != 'a' {
			pair[v.ID]++
		}
	}
	for id, n := range pair {
		if n != 2 {
			t.Errorf("half of the commit of %s is there", id)
		}
	}
}
