package pebble

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/store"
)

// TestLoadDiskFails lets the disk fail, for good, at each of many operations
// while loads go past the log, and cuts the power. Each load is there wholly or
// not at all, what was acknowledged is there, and each resource is found by its
// id and by its name.
func TestLoadDiskFails(t *testing.T) {
	failures, tails := 0, 0
	for at := int64(1); at < 400; at += 1 + at/12 {
		mem := crashing.New()
		var count atomic.Int64
		var failing atomic.Bool
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			write := op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo || op.Kind == errorfs.OpCreate
			ours := strings.HasSuffix(op.Path, ".log") || strings.HasSuffix(op.Path, ".tmp")
			if write && ours && failing.Load() && count.Add(1) >= at {
				return syscall.ENOSPC
			}
			return nil
		}))
		s, err := Open("store", Options{FS: fs, Extract: testExtract, SealDocs: 10, bulkOps: 1})
		if err != nil {
			t.Fatal(err)
		}
		failing.Store(true)
		loaded, failed := 0, false
		for i := range 20 {
			_, err := s.Load(context.Background(), []store.Op{testOp(fmt.Sprint("a", i), "x"), testOp(fmt.Sprint("b", i), "x"), testOp("c", fmt.Sprint("n", i))})
			switch {
			case err == nil && failed:
				t.Fatalf("failing at %d: a load after the failure is acknowledged", at)
			case err == nil:
				loaded++
			default:
				failed = true
			}
		}
		if failed {
			failures++
		}
		again := openTest(t, mem.CrashClone(vfs.CrashCloneCfg{}), 10)
		n := named(t, again, "x") / 2
		if n < loaded || n > loaded+1 {
			t.Errorf("failing at %d: %d loads are there after the crash, %d were acknowledged", at, n, loaded)
		}
		if n > loaded {
			tails++
		}
		wantLoads(t, again, n)
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		failing.Store(false)
		_ = s.Close()
	}
	if failures < 20 {
		t.Errorf("only %d of the disks failed in time", failures)
	}
	t.Logf("%d of %d disks failed; %d loads were there without having been acknowledged", failures, failures, tails)
}

// wantLoads checks that n loads of TestLoadDiskFails are there, whole.
func wantLoads(t *testing.T, s *Store, n int) {
	t.Helper()
	v, err := s.View(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for i := range n + 1 {
		for _, id := range []string{fmt.Sprint("a", i), fmt.Sprint("b", i)} {
			if _, err := v.Read(context.Background(), "Patient", id); (err == nil) != (i < n) {
				t.Errorf("%d loads are there, and reading %s comes to %v", n, id, err)
			}
		}
	}
	if n == 0 {
		return
	}
	c, err := v.Read(context.Background(), "Patient", "c")
	if err != nil || c.Number != uint64(n) {
		t.Errorf("after %d loads, the one that all write has version %d: %v", n, c.Number, err)
	}
	if found := named(t, s, fmt.Sprint("n", n-1)); found != 1 {
		t.Errorf("after %d loads, %d are found by the last one's name", n, found)
	}
}

// TestOpenMendsTheTail opens a folder whose last group of loads has its
// versions and bodies, and nothing that leads to them: what a crash between
// the two leaves.
func TestOpenMendsTheTail(t *testing.T) {
	fs := crashing.New()
	s, err := Open("store", Options{FS: fs, Extract: testExtract, bulkOps: 1})
	if err != nil {
		t.Fatal(err)
	}
	load := func(name string) {
		if _, err := s.Load(context.Background(), []store.Op{testOp("a", name), testOp("b", name)}); err != nil {
			t.Fatal(err)
		}
	}
	load("x")
	before := map[string][]byte{}
	for _, id := range []string{"a", "b"} {
		if _, err := s.get(resourceKey(nil, "Patient", id), func(value []byte) error {
			before[id] = append([]byte(nil), value...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	load("y")
	load("z")
	for id, value := range before {
		if err := s.db.Set(resourceKey(nil, "Patient", id), value, lsm.Sync); err != nil {
			t.Fatal(err)
		}
	}
	again := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}), 0)
	defer func() { _, _ = again.Close(), s.Close() }()
	v, err := again.View(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, id := range []string{"a", "b"} {
		if found, err := v.Read(context.Background(), "Patient", id); err != nil || found.Number != 3 {
			t.Errorf("%s has version %d, want 3: %v", id, found.Number, err)
		}
		if found, err := v.ReadVersion(context.Background(), "Patient", id, 2); err != nil || found.Number != 2 {
			t.Errorf("%s/_history/2: %d, %v", id, found.Number, err)
		}
	}
	if n := named(t, again, "z"); n != 2 {
		t.Errorf("%d are found by the newest name, want 2", n)
	}
}
