package datastore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A contentWorld is a data folder with the contents of its data stores, which
// may break off at any step of a write.
type contentWorld struct {
	disk    *crashing.Disk
	bucket  *memory
	catalog *datastore.Catalog
	// steps is how many steps may still be done; after that each fails, as for
	// a process that is gone.
	steps   atomic.Int64
	mu      sync.Mutex
	log     []string
	records kv.DB
	// shared says that another copy of the data folder may use the bucket.
	shared bool
	// contents are those that were opened last.
	contents *binary.Contents
}

var errGone = errors.New("the process is gone")

func newContentWorld(t testing.TB) *contentWorld {
	w := &contentWorld{disk: crashing.New(), bucket: &memory{blobs: map[string][]byte{}}}
	w.open(t)
	t.Cleanup(func() { _ = w.catalog.Close() }) // that of a process that is gone fails
	return w
}

func (w *contentWorld) open(t testing.TB) {
	t.Helper()
	w.steps.Store(1 << 40)
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: w.disk})
	if err != nil {
		t.Fatal(err)
	}
	backend := brittle{folder, w}
	w.records = backend.Records()
	w.catalog, err = datastore.Open(ctx, datastore.Options{
		Backend: backend, BaseURL: "http://example.org", Contents: contentKeeper{w, backend.Records()}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// crash goes on with what a power failure leaves.
func (w *contentWorld) crash(t testing.TB) {
	t.Helper()
	w.disk = w.disk.CrashClone(vfs.CrashCloneCfg{})
	old := w.catalog
	w.steps.Store(0)
	_ = old.Close() // it is gone
	w.open(t)
}

// step counts a step.
func (w *contentWorld) step(name string) error {
	w.mu.Lock()
	w.log = append(w.log, name)
	w.mu.Unlock()
	if w.steps.Add(-1) < 0 {
		return errGone
	}
	return nil
}

func (w *contentWorld) store(t testing.TB) *datastore.Store {
	t.Helper()
	s, err := w.catalog.Store("s")
	if fhir.KindOf(err) == fhir.KindNotFound && err != nil {
		s, err = w.catalog.Create(ctx, "s", "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// brittle is a backend that breaks off.
type brittle struct {
	*pebble.Folder
	world *contentWorld
}

func (b brittle) Records() kv.DB { return brittleRecords{b.Folder.Records(), b.world} }

func (b brittle) OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error) {
	s, err := b.Folder.OpenStore(ctx, id, registry, candidate)
	return brittleStore{s, b.world}, err
}

type brittleRecords struct {
	kv.DB
	world *contentWorld
}

func (r brittleRecords) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if err := r.world.step("record"); err != nil {
		return err
	}
	return r.DB.Update(ctx, fn)
}

type brittleStore struct {
	store.Store
	world *contentWorld
}

func (s brittleStore) Commit(ctx context.Context, ops []store.Op) ([]store.Version, error) {
	if err := s.world.step("commit"); err != nil {
		return nil, err
	}
	return s.Store.Commit(ctx, ops)
}

func (s brittleStore) Erase(ctx context.Context, erasures []store.Erasure) (int, error) {
	if err := s.world.step("erase"); err != nil {
		return 0, err
	}
	return s.Store.Erase(ctx, erasures)
}

// contentKeeper keeps contents in the world's bucket.
type contentKeeper struct {
	world   *contentWorld
	records kv.DB
}

func (k contentKeeper) OpenContents(ctx context.Context, id string, backend store.Store, key []byte) (*binary.Contents, error) {
	var err error
	k.world.contents, err = binary.Open(ctx, binary.Options{
		Bucket: brittleBucket{k.world.bucket, k.world}, Prefix: id + "/", Shared: k.world.shared, Records: k.records, Store: id, Key: key, Backend: backend,
		Inline: 60, Max: 4 << 20, Whole: 1 << 20, Retry: time.Hour, Logger: slog.New(slog.DiscardHandler),
	})
	return k.world.contents, err
}

func (k contentKeeper) RemoveContents(ctx context.Context, id string) error {
	return binary.Remove(ctx, k.records, id, k.world.bucket, id+"/")
}

type brittleBucket struct {
	blob.Bucket
	world *contentWorld
}

func (b brittleBucket) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := b.world.step("create"); err != nil {
		return nil, err
	}
	w, err := b.Bucket.Create(ctx, key)
	return brittleWriter{w, b.world}, err
}

func (b brittleBucket) Delete(ctx context.Context, key string) error {
	if err := b.world.step("delete"); err != nil {
		return err
	}
	return b.Bucket.Delete(ctx, key)
}

type brittleWriter struct {
	blob.Writer
	world *contentWorld
}

func (w brittleWriter) Commit() error {
	if err := w.world.step("blob"); err != nil {
		return err
	}
	return w.Writer.Commit()
}

// blobs is how many blobs there are.
func (w *contentWorld) blobs(testing.TB) int {
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	n, labels := 0, 0
	for key := range w.bucket.blobs {
		if strings.HasSuffix(key, ".of") {
			labels++
		} else {
			n++
		}
	}
	if labels != n {
		return -labels
	}
	return n
}

// A memory is a bucket in memory.
type memory struct {
	blob.Bucket // what is not here nobody calls
	mu          sync.Mutex
	blobs       map[string][]byte
}

func (m *memory) Open(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[key]
	if !ok {
		return nil, blob.ErrNotFound
	}
	if b = b[offset:]; length >= 0 {
		b = b[:min(length, int64(len(b)))]
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (m *memory) Create(_ context.Context, key string) (blob.Writer, error) {
	return &memoryWriter{of: m, key: key}, nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, key)
	return nil
}

func (m *memory) List(_ context.Context, prefix, _ string) iter.Seq2[blob.Info, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.Sorted(maps.Keys(m.blobs))
	return func(yield func(blob.Info, error) bool) {
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) && !yield(blob.Info{Key: key}, nil) {
				return
			}
		}
	}
}

type memoryWriter struct {
	bytes.Buffer
	of  *memory
	key string
}

func (w *memoryWriter) Commit() error {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	w.of.blobs[w.key] = w.Bytes()
	return nil
}

func (w *memoryWriter) Close() error { return nil }
