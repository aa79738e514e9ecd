package pebble

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

var testName = &search.Param{Type: "Patient", Code: "name"}

// testOp creates a patient whose body is its name.
func testOp(id, name string) store.Op {
	body, _ := json.Marshal(name)
	return store.Op{
		Kind: store.OpUpdate, Type: "Patient", ID: id, Body: fhir.Body{JSON: body},
		Entries: []search.Entry{{Param: testName, Key: append([]byte(name), 0)}},
	}
}

func testExtract(v store.Version) ([]search.Entry, error) {
	var name string
	if err := json.Unmarshal(v.Body.JSON, &name); err != nil {
		return nil, err
	}
	return []search.Entry{{Param: testName, Key: append([]byte(name), 0)}}, nil
}

func openTest(t *testing.T, fs vfs.FS, seal int) *Store {
	t.Helper()
	s, err := Open("store", Options{FS: fs, Extract: testExtract, SealDocs: seal})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// named counts the patients with a name.
func named(t *testing.T, s *Store, name string) int {
	t.Helper()
	v, err := s.View(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	where := search.Terms{Param: testName, Spans: []search.Span{search.Exactly(append([]byte(name), 0))}}
	n, err := v.Count(context.Background(), search.Plan{Parts: []search.Part{{Type: "Patient", Where: where}}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestStoreDiskFails lets the disk fail at each of many operations on the log
// and on sealed files. What was acknowledged stays, nothing else is seen, later
// writes are refused, and reading goes on.
func TestStoreDiskFails(t *testing.T) {
	failures := 0
	for at := int64(1); at < 120; at += 1 + at/8 {
		mem := crashing.New()
		var count atomic.Int64
		var failing atomic.Bool
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			write := op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
			if !write || !failing.Load() || !strings.HasSuffix(op.Path, ".log") && !strings.HasSuffix(op.Path, "seal.tmp") {
				return nil
			}
			if count.Add(1) >= at {
				return syscall.ENOSPC
			}
			return nil
		}))
		s := openTest(t, fs, 10)
		failing.Store(true)
		acknowledged, failed := 0, false
		for i := range 60 {
			_, err := s.Commit(context.Background(), []store.Op{testOp(fmt.Sprint("a", i), "x"), testOp(fmt.Sprint("b", i), "x")})
			switch {
			case err == nil && failed:
				t.Fatalf("failing at %d: a commit after the failure is acknowledged", at)
			case err == nil:
				acknowledged += 2
			case fhir.KindOf(err) != fhir.KindUnavailable:
				t.Fatalf("failing at %d: %v", at, err)
			default:
				failed = true
			}
			if n := named(t, s, "x"); n != acknowledged {
				t.Fatalf("failing at %d: %d are seen, %d were acknowledged", at, n, acknowledged)
			}
		}
		if failed {
			failures++
		}
		again := openTest(t, mem.CrashClone(vfs.CrashCloneCfg{}), 10)
		if n := named(t, again, "x"); n < acknowledged || n > acknowledged+2 || n%2 != 0 {
			t.Errorf("failing at %d: %d are there after the crash, %d were acknowledged", at, n, acknowledged)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		failing.Store(false)
		_ = s.Close()
	}
	if failures < 10 {
		t.Errorf("only %d of the disks failed in time", failures)
	}
}

// fullDisk has a settable amount of free space.
type fullDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (d *fullDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

func TestStoreDiskFull(t *testing.T) {
	disk := &fullDisk{FS: vfs.NewMem()}
	disk.free.Store(engine.MinFree - 1)
	s := openTest(t, disk, 0)
	defer s.Close()
	_, err := s.Commit(context.Background(), []store.Op{testOp("a", "x")})
	if fhir.KindOf(err) != fhir.KindUnavailable || !strings.Contains(err.Error(), "127 MB are free") {
		t.Errorf("on a full disk: %v", err)
	}
	disk.free.Store(engine.MinFree)
	s.gauge.Checked = s.gauge.Checked.Add(-1e10)
	if _, err := s.Commit(context.Background(), []store.Op{testOp("a", "x")}); err != nil {
		t.Errorf("after space was made: %v", err)
	}
}

// TestOpenRaisesTheFormat checks that a program which reads only older folders
// finds out before it meets a body that it cannot read.
func TestOpenRaisesTheFormat(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs, 0)
	if err := s.db.Set(formatKey(), []byte("1"), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, fs, 0)
	defer s.Close()
	_, err := s.get(formatKey(), func(value []byte) error {
		if string(value) != strconv.Itoa(storeFormat) {
			t.Errorf("format %s, want %d", value, storeFormat)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs, 0)
	if _, err := Open("store", Options{FS: fs, Extract: testExtract}); !errors.Is(err, ErrLocked) {
		t.Errorf("opening twice: %v", err)
	}
	if err := s.db.Set(formatKey(), []byte(strconv.Itoa(storeFormat+1)), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("store", Options{FS: fs, Extract: testExtract}); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
	if _, err := Open("other", Options{FS: fs}); err == nil {
		t.Error("opened without Extract")
	}
}
