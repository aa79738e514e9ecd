package endtoend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// pagedPatients is how many matches the searches begin with.
const pagedPatients = 3000

// TestPagesShowTheFirstPagesTime walks searches of 3,000 matches page by page
// while four clients create, update and delete: each walk must show exactly
// what there was when its first page was made.
func TestPagesShowTheFirstPagesTime(t *testing.T) {
	s := openStore(t, time.Now)
	log := &versionLog{registry: s.Registry(), base: s.Base()}
	log.wait = sync.NewCond(&log.mu)
	log.fill(t, s)
	var group sync.WaitGroup
	for c := range 4 {
		group.Go(func() { log.write(t, s, c) })
	}
	var walks []pageWalk
	for _, url := range []string{
		"Patient?_count=100",
		"Patient?_sort=family&_count=100",
		"Patient?_sort=-birthdate,family&_count=77",
		"Patient?gender=female&_sort=-_lastUpdated&_count=50",
		"Patient?family=a,b,c,d,e,f&_sort=_id&_count=40",
	} {
		walks = append(walks, log.walk(t, s, url))
	}
	log.stop()
	group.Wait()
	for _, w := range walks {
		w.check(t, log)
	}
}

// A versionLog knows every version that was ever committed.
type versionLog struct {
	registry *search.Registry
	base     string

	mu   sync.Mutex
	wait *sync.Cond
	// versions are all that was acknowledged, in no order.
	versions []logged
	// allowed is how many versions there may be: clients do not write without
	// end where pages are slow. It is negative when they are to stop.
	allowed int
	err     error
}

type logged struct {
	store.Version
	tree *fhir.Tree
}

func pagedPatient(random *rand.Rand, id string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"gender":%q,"name":[{"family":"%c%c"}],"birthDate":"19%02d-%02d-01"}`, id,
		[]string{"male", "female"}[random.IntN(2)], 'a'+rune(random.IntN(26)), 'a'+rune(random.IntN(26)), random.IntN(100), 1+random.IntN(12))
}

func (l *versionLog) commit(s *datastore.Store, ops ...datastore.Op) error {
	out, err := s.Commit(context.Background(), authz.Unrestricted(), ops, nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.wait.Broadcast()
	if err != nil {
		l.err = err
		return err
	}
	for i, o := range out {
		if o.Version.Type != "" {
			l.versions = append(l.versions, logged{o.Version, ops[i].Resource})
		}
	}
	return nil
}

func (l *versionLog) fill(t *testing.T, s *datastore.Store) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	for i := 0; i < pagedPatients; i += batch {
		var ops []datastore.Op
		for j := range batch {
			ops = append(ops, l.put(t, s, pagedPatient(random, fmt.Sprintf("p%d", i+j))))
		}
		if err := l.commit(s, ops...); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *versionLog) put(t *testing.T, s *datastore.Store, text string) datastore.Op {
	tree, err := s.Parse([]byte(text))
	if err != nil {
		t.Error(err)
	}
	return writeOf(tree)
}

// write commits at random until stop: half of it are updates, of
// which most change what is searched for and sorted by.
func (l *versionLog) write(t *testing.T, s *datastore.Store, client int) {
	random := rand.New(rand.NewPCG(2, uint64(client)))
	for i := 0; l.mayWrite(); i++ {
		id := fmt.Sprintf("p%d", random.IntN(pagedPatients))
		var op datastore.Op
		switch random.IntN(4) {
		case 0:
			op = l.put(t, s, pagedPatient(random, fmt.Sprintf("c%d-%d", client, i)))
		case 1:
			op = datastore.Op{Interaction: authz.Delete, Type: "Patient", ID: id}
		default:
			op = l.put(t, s, pagedPatient(random, id))
		}
		if err := l.commit(s, op); err != nil {
			t.Error(err)
			return
		}
	}
}

// mayWrite waits until another version is allowed; it is false after stop.
func (l *versionLog) mayWrite() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.allowed >= 0 && len(l.versions) >= l.allowed {
		l.wait.Wait()
	}
	return l.allowed >= 0 && l.err == nil
}

func (l *versionLog) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed = -1
	l.wait.Broadcast()
}

// advance allows some more versions and waits for the first of them; the
// others come while the next page is read.
func (l *versionLog) advance(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed = len(l.versions) + 60
	l.wait.Broadcast()
	for until := len(l.versions) + 5; len(l.versions) < until; l.wait.Wait() {
		if l.err != nil {
			t.Fatal(l.err)
		}
	}
}

// A pageWalk is what one walk through all pages showed.
type pageWalk struct {
	url    string
	q      *search.Query
	t      store.T
	totals []int
	got    []store.Version
}

func (l *versionLog) walk(t *testing.T, s *datastore.Store, url string) pageWalk {
	t.Helper()
	q, err := plan(s, url)
	if err != nil {
		t.Fatal(err)
	}
	w := pageWalk{url: url, q: q}
	var p page
	for first := true; first || p.next != nil; first = false {
		if p, err = readPage(s, q, p.t, p.next); err != nil {
			t.Fatal(err)
		}
		if w.t == 0 {
			w.t = p.t
		}
		if p.t != w.t {
			t.Errorf("%s: a page is of time %d, the first was of %d", url, p.t, w.t)
		}
		w.totals = append(w.totals, p.total)
		if w.got = append(w.got, p.matches...); len(w.got) > 2*pagedPatients {
			t.Errorf("%s: the pages do not end", url)
			break
		}
		l.advance(t)
	}
	return w
}

// at are the resources as they were at a time, in order of T, and their
// versions by id.
func (l *versionLog) at(t *testing.T, at store.T) (all []*search.Candidate, newest map[string]logged) {
	t.Helper()
	newest = map[string]logged{}
	for _, v := range l.versions {
		if v.T <= at && v.T > newest[v.ID].T {
			newest[v.ID] = v
		}
	}
	var current []logged
	for _, v := range newest {
		if !v.Deleted() {
			current = append(current, v)
		}
	}
	slices.SortFunc(current, func(a, b logged) int { return int(a.T) - int(b.T) })
	for _, v := range current {
		entries, err := l.registry.Extract(v.tree, v.ID, l.base)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &search.Candidate{Type: v.Type, ID: v.ID, LastUpdated: v.LastUpdated, Entries: entries, Tree: v.tree})
	}
	return all, newest
}

// check compares the walk with the state at its first page's time.
func (w *pageWalk) check(t *testing.T, l *versionLog) {
	t.Helper()
	var want, got []string
	all, newest := l.at(t, w.t)
	for _, c := range search.Run(w.q.Plan, all) {
		want = append(want, fmt.Sprintf("%s/%d", c.ID, newest[c.ID].Number))
	}
	for _, v := range w.got {
		got = append(got, fmt.Sprintf("%s/%d", v.ID, v.Number))
	}
	if slices.Equal(got, want) && len(want) > 100 {
		for _, total := range w.totals {
			if total != len(want) {
				t.Errorf("%s: totals %v, want %d", w.url, w.totals, len(want))
				return
			}
		}
		return
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	t.Errorf("%s at %d: %d matches, want %d; from match %d on\n%s, want\n%s", w.url, w.t, len(got), len(want), i,
		strings.Join(got[i:min(i+5, len(got))], " "), strings.Join(want[i:min(i+5, len(want))], " "))
}
