package endtoend

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/server/disks"
	"github.com/tarnhealth/tarn/store"
)

// A fullDisk is a file system that can run out of space: files can then
// neither be made nor written.
type fullDisk struct{ full atomic.Bool }

func (d *fullDisk) wrap(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpCreate, errorfs.OpLink, errorfs.OpMkdirAll, errorfs.OpReuseForWrite,
			errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFilePreallocate:
			if d.full.Load() {
				return syscall.ENOSPC
			}
		}
		return nil
	}))
}

// TestFullDisk lets four clients write pairs in transactions until the disk is
// full. From then on writes are refused with the reason and reads go on; after
// a restart with space again what was acknowledged is there, no pair is half
// there, and writes work.
//
// The large resources make the engine write files in the background, which
// fails as well.
func TestFullDisk(t *testing.T) {
	t.Run("small", func(t *testing.T) { testFullDisk(t, 10) })
	t.Run("large", func(t *testing.T) { testFullDisk(t, 300_000) })
}

func testFullDisk(t *testing.T, size int) {
	var disk fullDisk
	mem := crashing.New()
	catalog := openCatalog(t, disk.wrap(mem), time.Now)
	if _, err := catalog.Create(context.Background(), "default", ""); err != nil {
		t.Fatal(err)
	}
	a := serveCatalog(t, catalog)
	pairs := &pairs{size: size}
	pairs.writeUntilFull(t, a, &disk)
	for range 3 {
		wantRefusal(t, a.ask(t, "POST", "/", strings.NewReader(pairs.body("late"))), 503, "transient", "full")
		wantRefusal(t, a.ask(t, "PUT", "/Patient/p", strings.NewReader(`{"resourceType":"Patient","id":"p"}`)), 503, "transient", "full")
		wantRefusal(t, a.ask(t, "DELETE", "/Patient/"+pairs.acknowledged[0], nil), 503, "transient", "full")
	}
	pairs.check(t, a)
	if err := catalog.Close(); err != nil {
		t.Logf("closing on a full disk: %v", err)
	}
	a.web.Close()

	disk.full.Store(false)
	catalog = openCatalog(t, disk.wrap(mem), time.Now)
	defer catalog.Close()
	a = serveCatalog(t, catalog)
	pairs.check(t, a)
	a.must(t, 200, "POST", "/", pairs.body("after"))
	pairs.acknowledged = append(pairs.acknowledged, "after")
	pairs.check(t, a)
}

// A watchedFolder remembers the data stores that it opened.
type watchedFolder struct {
	*pebble.Folder
	mu     sync.Mutex
	stores map[string]*pebble.Store
}

func (f *watchedFolder) OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error) {
	s, err := f.Folder.OpenStore(ctx, id, registry, candidate)
	if p, ok := s.(*pebble.Store); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stores[id] = p
	}
	return s, err
}

func (f *watchedFolder) opened() map[string]*pebble.Store {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.stores)
}

func openWatched(t *testing.T, fs vfs.FS) (*datastore.Catalog, *disks.Watch) {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	backend := &watchedFolder{Folder: folder, stores: map[string]*pebble.Store{}}
	c, err := datastore.Open(context.Background(), datastore.Options{Backend: backend, BaseURL: "http://example.org"})
	if err != nil {
		t.Fatal(err)
	}
	return c, &disks.Watch{Stores: backend.opened, Records: folder.RecordsFailed, Reopen: c.Reopen, Log: slog.New(slog.DiscardHandler)}
}

// TestFullDiskPasses fills the disk under a server and frees it: what reads goes
// on meanwhile, what is watched tells, and afterwards everything can be written
// again, though nothing was restarted: data stores and the server's own records.
// What was acknowledged is there.
func TestFullDiskPasses(t *testing.T) {
	var disk fullDisk
	ctx := context.Background()
	catalog, watch := openWatched(t, disk.wrap(vfs.NewMem()))
	defer catalog.Close()
	for _, id := range []string{"default", "other"} {
		if _, err := catalog.Create(ctx, id, ""); err != nil {
			t.Fatal(err)
		}
	}
	a := serveCatalog(t, catalog)
	pairs := &pairs{size: 10}
	pairs.writeUntilFull(t, a, &disk)
	if failed := watch.Failed(); len(failed) != 1 || failed[0] != "data store default is read-only: the disk is full; free some space" {
		t.Errorf("what failed: %q", failed)
	}
	if _, err := catalog.Create(ctx, "third", ""); fhir.KindOf(err) != fhir.KindUnavailable {
		t.Errorf("a data store on a full disk: %v", err)
	}
	if why := watch.Fatal(); !strings.Contains(why, "the server's own records are read-only: the disk is full") {
		t.Errorf("what is fatal: %q", why)
	}
	watch.Check(ctx)
	got := a.ask(t, "PUT", "/Patient/p", strings.NewReader(`{"resourceType":"Patient","id":"p"}`))
	wantRefusal(t, got, 503, "transient", "what to do: free some space")
	if wait := got.header.Get("Retry-After"); wait == "" {
		t.Error("no Retry-After")
	}
	pairs.check(t, a)

	disk.full.Store(false)
	watch.Check(ctx)
	if failed := watch.Failed(); len(failed) > 0 {
		t.Errorf("when there is space: %q", failed)
	}
	a.must(t, 200, "POST", "/", pairs.body("after"))
	pairs.acknowledged = append(pairs.acknowledged, "after")
	pairs.check(t, a)
	if _, err := catalog.Create(ctx, "third", ""); err != nil && fhir.KindOf(err) != fhir.KindConflict {
		t.Errorf("a data store when there is space: %v", err)
	}
	if why := watch.Fatal(); why != "" {
		t.Errorf("when there is space: %q", why)
	}
}

// pairs are the transactions that clients tried.
type pairs struct {
	size int // of a pair in bytes, about

	mu           sync.Mutex
	acknowledged []string
}

func (p *pairs) body(id string) string {
	text := make([]byte, p.size/2)
	random := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32s", id))))
	_, _ = random.Read(text) // never fails
	return fmt.Sprintf(`{"resourceType":"Bundle","type":"transaction","entry":[
		{"resource":{"resourceType":"Patient","id":%[1]q,"name":[{"family":"Pair"}]},"request":{"method":"PUT","url":"Patient/%[1]s"}},
		{"resource":{"resourceType":"Observation","id":%[1]q,"status":"final","code":{"text":"%[2]x"},"subject":{"reference":"Patient/%[1]s"}},"request":{"method":"PUT","url":"Observation/%[1]s"}}]}`, id, text)
}

// filled is after how many transactions the disk is full: with large ones in the
// moment when the engine begins a new log.
const filled = 140

// writeUntilFull fills the disk after some acknowledged transactions, while
// others are in flight.
func (p *pairs) writeUntilFull(t *testing.T, a *api, disk *fullDisk) {
	t.Helper()
	var group sync.WaitGroup
	refused := make([]reply, 4)
	for c := range refused {
		group.Go(func() {
			for i := 0; refused[c].status == 0; i++ {
				id := fmt.Sprintf("c%d-%d", c, i)
				if got := a.ask(t, "POST", "/", strings.NewReader(p.body(id))); got.status != 200 {
					refused[c] = got
				} else if p.add(id) == filled {
					disk.full.Store(true)
				}
			}
		})
	}
	group.Wait()
	for _, got := range refused {
		wantRefusal(t, got, 503, "transient", "full")
	}
}

func (p *pairs) add(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acknowledged = append(p.acknowledged, id)
	return len(p.acknowledged)
}

// check reads every acknowledged pair, and searches for halves of pairs.
func (p *pairs) check(t *testing.T, a *api) {
	t.Helper()
	for _, id := range p.acknowledged {
		a.must(t, 200, "GET", "/Patient/"+id, "")
		a.must(t, 200, "GET", "/Observation/"+id, "")
	}
	patients := a.bundleOf(t, "/Patient?family=pair&_count=0").Total
	observations := a.bundleOf(t, "/Observation?subject:Patient.family=pair&_count=0").Total
	if patients != observations || patients < len(p.acknowledged) {
		t.Errorf("%d patients and %d observations, of %d acknowledged pairs", patients, observations, len(p.acknowledged))
	}
}
