package bulk_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A doomed backend stops the power before and after each thing that it makes
// durable: at its n-th point it keeps what the disk has.
type doomed struct {
	*pebble.Folder
	fs *crashing.Disk

	mu    sync.Mutex
	count int
	n     int
	clone *crashing.Disk
}

func (d *doomed) point() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count++; d.count == d.n {
		d.clone = d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(d.n), 1))})
	}
}

func (d *doomed) Records() kv.DB { return doomedDB{d.Folder.Records(), d} }

func (d *doomed) OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error) {
	d.point()
	defer d.point()
	return d.Folder.OpenStore(ctx, id, registry, candidate)
}

type doomedDB struct {
	kv.DB
	of *doomed
}

func (d doomedDB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	d.of.point()
	defer d.of.point()
	return d.DB.Update(ctx, fn)
}

// A house is a process over a disk.
type house struct {
	*testing.T
	backend *doomed
	catalog *datastore.Catalog
	service *bulk.Service
	// told are the statuses of data stores that were told of, by the ids of data
	// stores, and those of fill jobs.
	mu   sync.Mutex
	told map[string][]string
	stop func()
}

func openHouse(t *testing.T, fs *crashing.Disk, n int) *house {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, backend: &doomed{Folder: folder, fs: fs, n: n}, told: map[string][]string{}}
	h.catalog, err = datastore.Open(t.Context(), datastore.Options{
		Backend: h.backend, BaseURL: "http://fhir.example.org", Logger: slog.New(slog.DiscardHandler),
		Changed: func(_ kv.Tx, r datastore.Record) error { h.tell(r.ID, string(r.Status)); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h.service, err = bulk.New(bulk.Options{
		Stores: h.catalog, Records: h.backend.Records(), Files: files, Logger: slog.New(slog.DiscardHandler),
		Keep: func(*http.Request, *datastore.Store) (string, []byte, error) { return "", nil, nil },
		Restore: func(context.Context, *datastore.Store, []byte) (authz.Access, error) {
			return authz.Unrestricted(), nil
		},
		Changed: func(_ kv.Tx, c bulk.Change) error { h.tell(c.Store.ID, c.Action+" "+string(c.State)); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); h.service.Run(ctx) }()
	h.stop = sync.OnceFunc(func() { cancel(); <-ended; h.catalog.Close() })
	t.Cleanup(h.stop)
	return h
}

func (h *house) tell(id, what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if last := h.told[id]; len(last) == 0 || last[len(last)-1] != what { // a transaction may be run again
		h.told[id] = append(last, what)
	}
}

// filled waits until a data store is filled, and counts what is in it.
func (h *house) filled(s *datastore.Store) int {
	h.Helper()
	w := &world{TB: h.T, catalog: h.catalog, store: s}
	await(w, func() (bulk.FillStatus, error) {
		all, err := h.service.Fills(context.Background())
		return all[bulk.ScopeOf(s.Record())], err
	}, func(f bulk.FillStatus) bool { return f.State == bulk.Completed })
	return w.count("Patient") + w.count("Observation")
}

// TestCreateSurvivesCrash stops the power at every point of making and filling a
// data store: afterwards it is whole and full, or was never there.
func TestCreateSurvivesCrash(t *testing.T) {
	for name, prepare := range map[string]func(h *house) bulk.Fill{
		"preload": func(*house) bulk.Fill { return bulk.Fill{Patients: 1} },
		"restore": func(h *house) bulk.Fill {
			source, err := h.catalog.Create(h.Context(), "source", "")
			if err != nil {
				h.Fatal(err)
			}
			(&world{TB: h.T, store: source}).put(patient("1"), observation("o", "1"))
			at, err := h.service.AsOf(h.Context(), source, time.Time{})
			if err != nil {
				h.Fatal(err)
			}
			return bulk.Copy(source, at, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			gone := 0
			for n := 1; ; n++ {
				fs := crashing.New()
				before := openHouse(t, fs, 0)
				fill := prepare(before)
				before.backend.mu.Lock()
				before.backend.count, before.backend.n = 0, n
				before.backend.mu.Unlock()
				made, err := before.service.Create(t.Context(), before.catalog, datastore.Draft{ID: "target"}, fill)
				if err != nil {
					t.Fatal(err)
				}
				want := before.filled(made)
				before.stop()
				if got := strings.Join(before.told["target"], ", "); got != "CREATING, "+name+" SUBMITTED, "+name+" IN_PROGRESS, "+name+" COMPLETED" {
					t.Fatalf("told %s", got)
				}
				clone := before.backend.clone
				if clone == nil {
					if gone == 0 || n-1 == gone || want == 0 {
						t.Errorf("of %d points %d leave nothing; %d resources", n-1, gone, want)
					}
					return
				}
				if !survives(t, clone, want) {
					gone++
				}
			}
		})
	}
}

// survives opens what a crash left, and reports whether the data store is there.
func survives(t *testing.T, fs *crashing.Disk, want int) bool {
	t.Helper()
	after := openHouse(t, fs, 0)
	defer after.stop()
	all, err := after.catalog.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Status != datastore.StatusActive {
			t.Errorf("%s is %s", r.ID, r.Status)
		}
	}
	if slices.ContainsFunc(all, func(r datastore.Record) bool { return r.ID == "target" }) {
		s, err := after.catalog.Store("target")
		if err != nil {
			t.Fatal(err)
		}
		if got := after.filled(s); got != want {
			t.Errorf("%d resources, want %d", got, want)
		}
		return true
	}
	ids, err := after.backend.Stores(t.Context())
	if err != nil || slices.Contains(ids, "target") || after.service.Filling("target") {
		t.Errorf("left over: %v %v", ids, err)
	}
	if told := after.told["target"]; len(told) > 1 || len(told) == 1 && told[0] != "CREATE_FAILED" {
		t.Errorf("told %v", told)
	}
	return false
}
