package endtoend

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/synth"
)

// A clock moves on by step each time it is read.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	step time.Duration
}

func newClock(step time.Duration) *clock {
	return &clock{now: time.Date(2026, time.January, 31, 12, 0, 0, 0, time.UTC), step: step}
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

// set changes the step and puts the clock forward.
func (c *clock) set(step, forward time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step, c.now = step, c.now.Add(forward)
}

// openCatalog opens the data stores in the folder "data" of a file system.
func openCatalog(t *testing.T, fs vfs.FS, now func() time.Time) *datastore.Catalog {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: fs, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	c, err := datastore.Open(context.Background(), datastore.Options{Backend: folder, BaseURL: "http://example.org", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openStore makes a data store on a memory file system.
func openStore(t *testing.T, now func() time.Time) *datastore.Store {
	t.Helper()
	c := openCatalog(t, vfs.NewMem(), now)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := c.Create(context.Background(), "default", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writeOf is the write of a resource under its own id, or the creation of one
// that has none.
func writeOf(tree *fhir.Tree) datastore.Op {
	root := tree.Root()
	op := datastore.Op{Interaction: authz.Update, Type: root.Type().Name, ID: root.TextOf("id"), Resource: tree}
	if op.ID == "" {
		op.Interaction = authz.Create
	}
	return op
}

// A population is a data store in memory together with what the brute-force
// oracle needs of the same resources.
type population struct {
	store *datastore.Store
	clock *clock
	// all are the current resources in order of T.
	all    []*search.Candidate
	byType map[string][]*search.Candidate
	byID   map[string]*search.Candidate // by "Type/id"
	// types are the keys of byType, sorted.
	types []string

	catalog *datastore.Catalog
	fs      vfs.FS
	pending []datastore.Op
}

// newPopulation makes an empty population. Until finish, a minute passes each
// time the clock is read.
func newPopulation(t *testing.T) *population {
	t.Helper()
	p := &population{clock: newClock(time.Minute), fs: vfs.NewMem()}
	p.catalog = openCatalog(t, p.fs, p.clock.read)
	t.Cleanup(func() {
		if err := p.catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	var err error
	if p.store, err = p.catalog.Create(context.Background(), "default", ""); err != nil {
		t.Fatal(err)
	}
	return p
}

// reopen closes the data folder and opens it again, so that the index of what
// is stored by then comes from files.
func (p *population) reopen(t *testing.T) {
	t.Helper()
	if err := p.catalog.Close(); err != nil {
		t.Fatal(err)
	}
	p.catalog = openCatalog(t, p.fs, p.clock.read)
	var err error
	if p.store, err = p.catalog.Store("default"); err != nil {
		t.Fatal(err)
	}
	for _, c := range p.all { // entries are of a registry, which is a new one now
		c.Entries = p.extract(t, c.Tree, c.ID)
	}
}

func (p *population) extract(t *testing.T, tree *fhir.Tree, id string) []search.Entry {
	t.Helper()
	entries, err := p.store.Registry().Extract(tree, id, p.store.Base())
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// batch is how many resources are stored by one commit.
const batch = 200

// add stores resources.
func (p *population) add(t *testing.T, resources iter.Seq[[]byte]) {
	t.Helper()
	for src := range resources {
		tree, err := p.store.Parse(src)
		if err != nil {
			t.Fatalf("%v in %.200s", err, src)
		}
		if p.pending = append(p.pending, writeOf(tree)); len(p.pending) == batch {
			p.commit(t)
		}
	}
	p.commit(t)
}

func (p *population) commit(t *testing.T) {
	t.Helper()
	out, err := p.store.Commit(context.Background(), authz.Unrestricted(), p.pending, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		v, tree := o.Version, p.pending[i].Resource
		p.all = append(p.all, &search.Candidate{Type: v.Type, ID: v.ID, LastUpdated: v.LastUpdated, Entries: p.extract(t, tree, v.ID), Tree: tree})
	}
	p.pending = p.pending[:0]
}

// finish sorts out what add stored: of a resource stored twice the last
// version counts.
func (p *population) finish() {
	seen := map[string]bool{}
	kept := p.all[:0:0]
	for _, c := range slices.Backward(p.all) {
		if key := c.Type + "/" + c.ID; !seen[key] {
			seen[key] = true
			kept = append(kept, c)
		}
	}
	slices.Reverse(kept)
	p.all, p.types = kept, nil
	p.byType, p.byID = map[string][]*search.Candidate{}, map[string]*search.Candidate{}
	for _, c := range p.all {
		if p.byType[c.Type] == nil {
			p.types = append(p.types, c.Type)
		}
		p.byType[c.Type] = append(p.byType[c.Type], c)
		p.byID[c.Type+"/"+c.ID] = c
	}
	slices.Sort(p.types)
	p.clock.set(0, 0)
}

// synthea yields the resources of the NDJSON files, at most limit of a type.
func synthea(t *testing.T, dir string, limit int) iter.Seq[[]byte] {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no NDJSON in %s: %v", dir, err)
	}
	return func(yield func([]byte) bool) {
		for _, name := range files {
			if !firstLines(t, name, limit, yield) {
				return
			}
		}
	}
}

func firstLines(t *testing.T, name string, limit int, yield func([]byte) bool) bool {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(z)
	for range limit {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 && !yield(line) {
			return false
		}
		if err == io.EOF {
			return true
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return true
}

// An example is one of the official examples.
type example struct {
	name string // the file's, without ".json"
	src  []byte
}

// examples reads the official examples.
func examples(t *testing.T) []example {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(needShared(t, "examples/r4-official"), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []example
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, example{strings.TrimSuffix(filepath.Base(name), ".json"), src})
	}
	return list
}

// synthetic yields the resources of Tarn's own synthetic population.
func synthetic(t *testing.T, patients int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		err := synth.New(synth.Options{Patients: patients, Seed: 1}).Each(func(b synth.Bundle) error {
			for _, r := range b.Resources {
				if !yield(slices.Clone(r.JSON)) {
					return io.EOF
				}
			}
			return nil
		})
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
}

// plan reads a search as a client writes it, "Patient?name=x", or one of
// several types, "Patient,Group?_id=x".
func plan(s *datastore.Store, url string) (*search.Query, error) {
	types, raw, _ := strings.Cut(url, "?")
	pairs, err := search.Pairs(raw)
	if err != nil {
		return nil, err
	}
	return s.Registry().Parse(strings.Split(types, ","), pairs, search.Options{
		Base: s.Base(), Iterate: true, Now: func() time.Time { return newClock(0).now },
	})
}

// A page is one page of a search as a client gets it.
type page struct {
	matches []store.Version
	total   int
	t       store.T
	next    []byte
}

// readPage reads the page of a search that begins after a cursor, at time t.
func readPage(s *datastore.Store, q *search.Query, t store.T, after []byte) (page, error) {
	view, err := s.View(context.Background(), authz.Unrestricted(), t)
	if err != nil {
		return page{}, err
	}
	defer view.Close()
	r, err := view.Search(context.Background(), q, store.Page{After: after, Limit: q.Count, Total: true})
	if err != nil {
		return page{}, err
	}
	p := page{total: r.Total, t: view.T(), next: r.Next}
	for v, err := range r.Matches {
		if err != nil {
			return p, err
		}
		p.matches = append(p.matches, v)
	}
	if len(p.matches) != r.Len || len(p.matches) > q.Count {
		return p, fmt.Errorf("a page has %d matches, says %d, and _count is %d", len(p.matches), r.Len, q.Count)
	}
	return p, nil
}
