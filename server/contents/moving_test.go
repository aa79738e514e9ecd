package contents_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server/contents"
	"github.com/tarnhealth/tarn/store"
)

// A gate is a folder in the place of a service, which lets uploads of some blobs
// wait.
type gate struct {
	blob.Bucket
	// held are the keys that wait; began is told of each, and open is closed to let
	// them pass.
	held  map[string]bool
	began chan string
	open  chan struct{}
	// fails lets uploads that waited fail.
	fails atomic.Bool
}

func (g *gate) Create(ctx context.Context, key string) (blob.Writer, error) {
	if g.held[key] {
		g.began <- key
		select {
		case <-g.open:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if g.fails.Load() {
			return nil, blob.ErrBusy
		}
	}
	return g.Bucket.Create(ctx, key)
}

// A signal is a log that tells when something is said in it.
type signal struct {
	slog.Handler
	text string
	said chan struct{}
}

func (s signal) Enabled(context.Context, slog.Level) bool { return true }

func (s signal) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, s.text) {
		s.said <- struct{}{}
	}
	return nil
}

// A world is a data folder with a data store whose contents move.
type world struct {
	t       *testing.T
	data    string
	service *blob.Dir
	keeper  *contents.Keeper
	catalog *datastore.Catalog
	store   *datastore.Store
	folder  *pebble.Folder
	fs      *vfs.MemFS
	// retried has an element to let a move that failed go on, and moved one when
	// a move has ended.
	retried chan time.Time
	moved   chan struct{}
}

// newWorld has the Binaries a, b and c in its data folder, which is closed then.
func newWorld(t *testing.T) *world {
	w := &world{t: t, data: t.TempDir(), fs: vfs.NewMem(), retried: make(chan time.Time), moved: make(chan struct{}, 10)}
	var err error
	if w.service, err = blob.OpenDir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	w.open("", nil)
	if w.store, err = w.catalog.Create(t.Context(), "s", ""); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		w.put(id)
	}
	w.close()
	return w
}

func (w *world) open(bucket string, through *gate) {
	w.t.Helper()
	var err error
	if w.folder, err = pebble.OpenFolder("data", pebble.FolderOptions{FS: w.fs}); err != nil {
		w.t.Fatal(err)
	}
	w.keeper = &contents.Keeper{
		Config: contents.Config{Inline: 1024, Bucket: bucket}, Data: w.data, Records: w.folder.Records(), Logger: slog.New(signal{slog.DiscardHandler, "were moved to the bucket", w.moved}),
		Keys: func(context.Context, string) (seal.Keys, error) { return sealtest.Of(7), nil },
		S3:   func(context.Context, string) (blob.Bucket, error) { return through, nil },
		Wait: func(time.Duration) <-chan time.Time { return w.retried },
	}
	if w.catalog, err = datastore.Open(w.t.Context(), datastore.Options{Backend: w.folder, BaseURL: "http://example.org", Contents: w.keeper}); err != nil {
		w.t.Fatal(err)
	}
	if bucket != "" {
		if w.store, err = w.catalog.Store("s"); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) close() {
	w.t.Helper()
	if err := w.catalog.Close(); err != nil {
		w.t.Fatal(err)
	}
}

func letter(id string) []byte { return bytes.Repeat([]byte("Frau Mustermann, "+id+". "), 2000) }

func (w *world) put(id string) {
	w.t.Helper()
	content := letter(id)
	u, err := w.store.Contents().Take(w.t.Context(), bytes.NewReader(content), binary.Expected{Size: int64(len(content))})
	if err != nil {
		w.t.Fatal(err)
	}
	defer u.Discard(w.t.Context())
	tree, err := w.store.Parse([]byte(`{"resourceType":"Binary","id":"` + id + `","contentType":"text/plain","data":"` + u.Text() + `"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	op := datastore.Op{Interaction: authz.Update, Type: "Binary", ID: id, Resource: tree, Contents: []*binary.Upload{u}}
	if _, err := w.store.Commit(w.t.Context(), authz.Unrestricted(), []datastore.Op{op}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// check reads Binaries.
func (w *world) check(ids ...string) {
	w.t.Helper()
	view, err := w.store.View(w.t.Context(), authz.Unrestricted(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer view.Close()
	for _, id := range ids {
		v, err := view.Read(w.t.Context(), "Binary", id)
		if err != nil || !bytes.Contains(v.Body.JSON, []byte(base64.StdEncoding.EncodeToString(letter(id)))) {
			w.t.Errorf("Binary/%s is not whole: %v", id, err)
		}
	}
}

func (w *world) erase(id string) {
	w.t.Helper()
	if _, err := w.store.Erase(w.t.Context(), authz.Unrestricted(), datastore.Erasing{Operation: "$erase"}, []store.Erasure{{Type: "Binary", ID: id}}); err != nil {
		w.t.Fatal(err)
	}
}

// inService are the keys of contents, without their labels, in the service.
func (w *world) inService() (keys []string) {
	w.t.Helper()
	for info, err := range w.service.List(w.t.Context(), "", "") {
		if err != nil {
			w.t.Fatal(err)
		}
		if !strings.HasSuffix(info.Key, ".of") {
			keys = append(keys, info.Key)
		}
	}
	return keys
}

func (w *world) moving() bool {
	w.t.Helper()
	moving, err := contents.Moving(w.data, "s")
	if err != nil {
		w.t.Fatal(err)
	}
	return moving
}

// metrics is how many there are.
func (w *world) metrics() int {
	out := make(chan prometheus.Metric, 10)
	w.keeper.Collect(out)
	return len(out)
}

// gated holds all that lies in the data folder.
func (w *world) gated() *gate {
	w.t.Helper()
	g := &gate{Bucket: w.service, held: map[string]bool{}, began: make(chan string, 100), open: make(chan struct{})}
	dir, err := blob.OpenDir(w.content())
	if err != nil {
		w.t.Fatal(err)
	}
	defer dir.Close()
	for info, err := range dir.List(w.t.Context(), "", "") {
		if err != nil {
			w.t.Fatal(err)
		}
		g.held["tarn/s/"+info.Key] = true
	}
	if len(g.held) != 6 { // each with a label beside it
		w.t.Fatalf("in the data folder are %v", g.held)
	}
	return g
}

func (w *world) content() string { return filepath.Join(w.data, "stores", "s", "content") }

// arrived wants all to be in the service, and nothing in the data folder.
func (w *world) arrived(contents int) {
	w.t.Helper()
	<-w.moved
	if _, err := os.Stat(w.content()); !errors.Is(err, fs.ErrNotExist) || w.moving() {
		w.t.Errorf("the data folder has some still: %v", err)
	}
	if keys := w.inService(); len(keys) != contents {
		w.t.Errorf("in the service are %v, want %d", keys, contents)
	}
}

// TestContentsAreReadWhileTheyMove serves a data store while its contents wait for
// their uploads: they are read where they lie, what is new goes to the service,
// and what is erased is not brought back by its upload.
func TestContentsAreReadWhileTheyMove(t *testing.T) {
	w := newWorld(t)
	g := w.gated()
	w.open("contents/tarn", g)
	for range 4 { // as many as are moved at a time
		<-g.began
	}
	w.check("a", "b", "c")
	if !w.moving() || w.metrics() != 2 {
		t.Error("nobody is told that contents are moving")
	}
	w.put("d")
	w.erase("a")
	w.erase("c")
	w.check("b", "d")
	close(g.open)
	w.arrived(2)
	w.check("b", "d")
	if w.metrics() != 2 { // none is left, which is told too
		t.Error("what is told of a move that has ended")
	}
	w.close()
}

// TestMovesGoOn lets the service fail, and the server end, in the middle.
func TestMovesGoOn(t *testing.T) {
	w := newWorld(t)
	g := w.gated()
	g.fails.Store(true)
	close(g.open)
	w.open("contents/tarn", g)
	for range 6 { // all were tried
		<-g.began
	}
	w.check("a", "b", "c")
	g.fails.Store(false)
	w.retried <- time.Time{}
	w.arrived(3)
	w.check("a", "b", "c")
	w.close()

	w = newWorld(t)
	g = w.gated()
	w.open("contents/tarn", g)
	<-g.began
	w.close()
	close(g.open)
	w.open("contents/tarn", g)
	w.arrived(3)
	w.check("a", "b", "c")
	w.close()
}

// TestDeletedWhileMoving removes a data store whose contents are in both places.
func TestDeletedWhileMoving(t *testing.T) {
	w := newWorld(t)
	g := w.gated()
	w.open("contents/tarn", g)
	<-g.began
	w.put("d")
	if _, err := w.catalog.Delete(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.content()); !errors.Is(err, fs.ErrNotExist) || len(w.inService()) != 0 || w.moving() {
		t.Errorf("left are %v, %v", w.inService(), err)
	}
	w.close()
}
