package record

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
	"github.com/tarnhealth/tarn/crypt/sealfs"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/kv/kvtest"
	"github.com/tarnhealth/tarn/pebble/internal/engine"
)

// A memDisk is a kvtest.Disk in memory.
type memDisk struct{ fs *crashing.Disk }

func (d memDisk) Open(t *testing.T, now func() time.Time) kv.DB {
	t.Helper()
	db, err := Open("kv", Options{FS: d.fs, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (d memDisk) Crash(t *testing.T) kvtest.Disk {
	return memDisk{d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(3, 4))})}
}

func TestDB(t *testing.T) {
	kvtest.Test(t, func(t *testing.T) kvtest.Disk { return memDisk{crashing.New()} })
}

func openDir(t *testing.T, dir string) *DB {
	t.Helper()
	k, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestExpiredLeavesNothing looks below the interface: after the sweep
// neither records nor queue are left.
func TestExpiredLeavesNothing(t *testing.T) {
	now := time.Unix(1000, 0)
	k, err := Open("kv", Options{FS: vfs.NewMem(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	table := kv.NewTable[int]("t")
	for i := range 100 {
		err := k.Update(context.Background(), func(tx kv.Tx) error {
			return table.Put(tx, fmt.Sprint(i%60), i, now.Add(time.Duration(i)*time.Second))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Hour)
	for range 100/sweepRecords + 1 {
		if err := k.Update(context.Background(), func(tx kv.Tx) error { return table.Put(tx, "one", 1, time.Time{}) }); err != nil {
			t.Fatal(err)
		}
	}
	it, err := k.now.db.NewIter(&lsm.IterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	keys := []string{}
	for it.First(); it.Valid(); it.Next() {
		keys = append(keys, string(it.Key()))
	}
	if len(keys) != 2 { // the format and the one record
		t.Errorf("%d keys are left: %q", len(keys), keys)
	}
}

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	k := openDir(t, dir)
	if _, err := Open(dir, Options{}); !errors.Is(err, engine.ErrLocked) {
		t.Errorf("second open: %v, want engine.ErrLocked", err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openDir(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenNewer(t *testing.T) {
	dir := t.TempDir()
	k := openDir(t, dir)
	if err := k.now.db.Set([]byte{tagFormat}, []byte("2"), lsm.Sync); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, engine.ErrNewer) {
		t.Errorf("a newer record format: %v, want engine.ErrNewer", err)
	}

	dir = t.TempDir()
	if err := openDir(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	rename(t, dir, "marker.format-version.*", "marker.format-version.999999.999")
	if _, err := Open(dir, Options{}); !errors.Is(err, engine.ErrNewer) {
		t.Errorf("a newer engine format: %v, want engine.ErrNewer", err)
	}
}

func rename(t *testing.T, dir, pattern, to string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in the folder", pattern)
	}
	if err := os.Rename(names[0], filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenDamaged(t *testing.T) {
	for _, c := range []struct {
		pattern string
		damage  func(t *testing.T, name string) error
	}{
		{"MANIFEST-*", func(t *testing.T, name string) error { return os.WriteFile(name, []byte("not a manifest"), 0o600) }},
		{"MANIFEST-*", func(t *testing.T, name string) error { return os.Remove(name) }},
		{"*.sst", func(t *testing.T, name string) error { return os.Remove(name) }},
	} {
		dir := t.TempDir()
		k := openDir(t, dir)
		table := kv.NewTable[int]("t")
		if err := k.Update(context.Background(), func(tx kv.Tx) error { return table.Put(tx, "a", 1, time.Time{}) }); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(k.now.db.Flush(), k.Close()); err != nil {
			t.Fatal(err)
		}
		names, _ := filepath.Glob(filepath.Join(dir, c.pattern))
		if len(names) == 0 {
			t.Fatalf("no %s", c.pattern)
		}
		for _, name := range names {
			if err := c.damage(t, name); err != nil {
				t.Fatal(err)
			}
		}
		if k, err := Open(dir, Options{}); !errors.Is(err, engine.ErrDamaged) {
			t.Errorf("%s damaged: %v, want engine.ErrDamaged", c.pattern, err)
			if k != nil {
				k.Close()
			}
		}
	}
}

// TestFailedSync fails one fsync of the log: that update and all later ones
// must say so, and what was acknowledged before must be there after opening.
func TestFailedSync(t *testing.T) {
	mem := crashing.New()
	failing := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			return errors.New("injected")
		}
		return nil
	})}
	k, err := Open("kv", Options{FS: errorfs.Wrap(mem, &failing)})
	if err != nil {
		t.Fatal(err)
	}
	table := kv.NewTable[int]("t")
	put := func(key string) error {
		return k.Update(context.Background(), func(tx kv.Tx) error { return table.Put(tx, key, 1, time.Time{}) })
	}
	if err := put("before"); err != nil {
		t.Fatal(err)
	}
	failing.On()
	for _, key := range []string{"during", "also"} {
		if err := put(key); err == nil {
			t.Errorf("update %q is acknowledged though the disk failed", key)
		}
	}
	failing.Off()
	if err := put("after"); err == nil {
		t.Error("an update after the failure is acknowledged")
	}
	again, err := Open("kv", Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	err = again.View(context.Background(), func(tx kv.Tx) error {
		_, err := table.Get(tx, "before")
		return err
	})
	if err != nil {
		t.Errorf("what was acknowledged: %v", err)
	}
}

// A sealedDisk is a memDisk whose files are sealed.
type sealedDisk struct{ memDisk }

func (d sealedDisk) Open(t *testing.T, now func() time.Time) kv.DB {
	t.Helper()
	db, err := Open("kv", Options{FS: sealfs.New(d.fs, sealfs.Options{Keys: sealtest.Of(0)}), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (d sealedDisk) Crash(t *testing.T) kvtest.Disk {
	return sealedDisk{d.memDisk.Crash(t).(memDisk)}
}

// TestSealedDB runs the suite on a disk that is sealed, with its power failures.
func TestSealedDB(t *testing.T) {
	kvtest.Test(t, func(t *testing.T) kvtest.Disk { return sealedDisk{memDisk{crashing.New()}} })
}

// TestCheckpoint copies records while they are updated: a copy holds whole
// updates alone, and all that were acknowledged before it was asked for.
func TestCheckpoint(t *testing.T) {
	disk := sealfs.New(vfs.NewMem(), sealfs.Options{Keys: sealtest.Of(0)})
	k, err := Open("kv", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	ctx, table := context.Background(), kv.NewTable[int]("t")
	put := func(n int) {
		err := k.Update(ctx, func(tx kv.Tx) error {
			return errors.Join(table.Put(tx, "a", n, time.Time{}), table.Put(tx, "b", n, time.Time{}))
		})
		if err != nil {
			t.Error(err)
		}
	}
	for i := range 5 {
		put(10 * i)
		updated := make(chan struct{})
		go func() { defer close(updated); put(10*i + 1) }()
		dir := fmt.Sprint("copy", i)
		if err := k.Checkpoint(ctx, dir); err != nil {
			t.Fatal(err)
		}
		<-updated
		other, err := Open(dir, Options{FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		err = other.View(ctx, func(tx kv.Tx) error {
			a, errA := table.Get(tx, "a")
			b, errB := table.Get(tx, "b")
			if a != b || a/10 != i {
				t.Errorf("copy %d holds %d and %d", i, a, b)
			}
			return errors.Join(errA, errB)
		})
		if err := errors.Join(err, other.Close()); err != nil {
			t.Error(err)
		}
	}
}
