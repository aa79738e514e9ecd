package bulk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tarnhealth/tarn/bulk"
)

// A failingDisk can be full for data stores, and knows when they write.
type failingDisk struct {
	full atomic.Bool
	// left is after how many writes then is called.
	left atomic.Int64
	then func()
}

func (d *failingDisk) wrap(fs vfs.FS) vfs.FS {
	stores := filepath.Join("data", "stores")
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpCreate, errorfs.OpLink, errorfs.OpReuseForWrite, errorfs.OpFileWrite:
		default:
			return nil
		}
		if !strings.HasPrefix(op.Path, stores) {
			return nil
		}
		if d.left.Add(-1) == 0 {
			d.then()
		}
		if d.full.Load() {
			return syscall.ENOSPC
		}
		return nil
	}))
}

// patients are the lines of patients that have ids of their own.
func patients(from, to int) string {
	var lines strings.Builder
	for n := from; n < to; n++ {
		lines.WriteString(patient(fmt.Sprint("p", n)) + "\n")
	}
	return lines.String()
}

// TestImportFullDisk fills the disk under an import. The job ends with the
// reason; when there is space, the same import stores what is missing.
func TestImportFullDisk(t *testing.T) {
	for _, writes := range []int64{1, 5, 20} {
		t.Run(fmt.Sprint(writes), func(t *testing.T) {
			w := newWorld(t, nil)
			for n := range 10 {
				w.write(fmt.Sprintf("part%d.ndjson", n), patients(200*n, 200*(n+1)))
			}
			w.disk.then = func() { w.disk.full.Store(true) }
			w.disk.left.Store(writes)
			w.run()
			got := w.awaitImport(w.startImport(bulk.Import{Output: url(w.out)}).ID)
			if got.State != bulk.Failed || !strings.Contains(got.Message, "full") || !strings.Contains(got.Message, "what to do") {
				t.Fatalf("on a full disk: %s, %q", got.State, got.Message)
			}
			w.stop()
			stored := w.count("Patient") // reading goes on
			w.disk.full.Store(false)
			if err := w.catalog.Reopen(t.Context(), "one"); err != nil {
				t.Fatal(err)
			}
			var err error
			if w.store, err = w.catalog.Store("one"); err != nil {
				t.Fatal(err)
			}
			if n := w.count("Patient"); n < stored {
				t.Errorf("%d are there, %d were", n, stored)
			}
			w.open()
			w.run()
			got = w.awaitImport(w.startImport(bulk.Import{Output: url(w.out)}).ID)
			if got.State != bulk.Completed || w.count("Patient") != 2000 {
				t.Errorf("again: %s, %q, %d patients", got.State, got.Message, w.count("Patient"))
			}
		})
	}
}

// TestPlacesVanish takes the folders of jobs away while they wait, and while an
// import reads: they fail and say which place it is.
func TestPlacesVanish(t *testing.T) {
	w := newWorld(t, nil)
	for n := range 50 {
		w.write(fmt.Sprintf("part%02d.ndjson", n), patients(200*n, 200*(n+1)))
	}
	w.disk.then = func() {
		if err := os.RemoveAll(w.in); err != nil {
			t.Error(err)
		}
	}
	w.disk.left.Store(1)
	w.run()
	got := w.awaitImport(w.startImport(bulk.Import{Output: url(w.out)}).ID)
	if got.State == bulk.Completed || got.State == bulk.Failed && !strings.Contains(got.Message, "cannot be") {
		t.Errorf("an import whose folder vanished: %s, %q", got.State, got.Message)
	}
	w.stop()
	w.put(patient("there"))
	w.open()
	waiting := w.startExport(bulk.Export{})
	if err := os.RemoveAll(w.out); err != nil {
		t.Fatal(err)
	}
	w.run()
	exported := w.awaitExport(waiting.ID)
	if exported.State != bulk.Failed || !strings.Contains(exported.Message, "does not exist") {
		t.Errorf("an export whose folder vanished: %s, %q", exported.State, exported.Message)
	}
}
