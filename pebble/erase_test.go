package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// crashes takes a copy of a disk, as a power failure would leave it, before
// every write to it while on is set.
type crashes struct {
	mem *crashing.Disk
	fs  vfs.FS

	mu    sync.Mutex
	on    bool
	disks []vfs.FS
}

func newCrashes() *crashes {
	c := &crashes{mem: crashing.New()}
	c.fs = errorfs.Wrap(c.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo,
			errorfs.OpCreate, errorfs.OpRename, errorfs.OpLink, errorfs.OpRemove:
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.on {
				c.disks = append(c.disks, c.mem.CrashClone(vfs.CrashCloneCfg{}))
			}
		}
		return nil
	}))
	return c
}

// during runs fn and returns the disks of its time.
func (c *crashes) during(fn func()) []vfs.FS {
	set := func(on bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.on = on
	}
	c.disks = nil
	set(true)
	fn()
	set(false)
	return c.disks
}

// fill stores 30 patients: a part sealed, a part in the head.
func fill(t *testing.T, s *Store) {
	t.Helper()
	for i := range 30 {
		ops := []store.Op{testOp(fmt.Sprint("p", i), fmt.Sprint("n", i%3))}
		if _, err := s.Commit(context.Background(), ops); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEraseAtEveryWrite crashes before every write of an erasure that reaches
// sealed and unsealed versions. It is there as a whole or not at all, and can
// be done again.
func TestEraseAtEveryWrite(t *testing.T) {
	disk := newCrashes()
	s := openTest(t, disk.fs, 13)
	fill(t, s)
	list := []store.Erasure{{Type: "Patient", ID: "p0"}, {Type: "Patient", ID: "p3"}, {Type: "Patient", ID: "p27"}}
	disks := disk.during(func() {
		if n, err := s.Erase(context.Background(), list); n != 3 || err != nil {
			t.Errorf("Erase: %d, %v", n, err)
		}
		s.scrubs.Done.Wait()
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	erased := 0
	for i, fs := range disks {
		s := openTest(t, fs, 13)
		n := named(t, s, "n0")
		if n != 10 && n != 7 || n == 10 && erased > 0 {
			t.Fatalf("crashed at %d, %d are found; want 10, or 7 from some write on", i, n)
		}
		if n == 7 {
			erased++
		} else if n, err := s.Erase(context.Background(), list); n != 3 || err != nil {
			t.Errorf("crashed at %d, erased again: %d, %v", i, n, err)
		}
		if live := s.Stats().Live["Patient"]; live != 27 {
			t.Errorf("crashed at %d, %d are counted", i, live)
		}
		if n := named(t, s, "n0"); n != 7 {
			t.Errorf("crashed at %d, %d are found after erasing again", i, n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if erased == 0 || erased == len(disks) {
		t.Errorf("of %d disks, %d were after the erasure", len(disks), erased)
	}
}

var testOther = &search.Param{Type: "Patient", Code: "other", Ordinal: 2}

func otherEntries(v store.Version) ([]search.Entry, error) {
	entries, err := testExtract(v)
	for i := range entries {
		entries[i].Param = testOther
	}
	return entries, err
}

// TestIndexAtEveryWrite crashes before every write of an Index and of the
// Unindex after it. Doing it again completes it.
func TestIndexAtEveryWrite(t *testing.T) {
	disk := newCrashes()
	s := openTest(t, disk.fs, 13)
	fill(t, s)
	work := store.Indexing{Entries: otherEntries}
	where := search.Terms{Param: testOther, Spans: []search.Span{{}}}
	disks := disk.during(func() {
		if err := s.Index(context.Background(), work); err != nil {
			t.Errorf("Index: %v", err)
		}
		if n := count(t, s, where); n != 30 {
			t.Errorf("%d are indexed", n)
		}
		if err := s.Unindex(context.Background(), []string{testOther.Key()}); err != nil {
			t.Errorf("Unindex: %v", err)
		}
		s.scrubs.Done.Wait()
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[int]int{}
	for i, fs := range disks {
		s := openTest(t, fs, 13)
		seen[count(t, s, where)]++
		if err := s.Index(context.Background(), work); err != nil {
			t.Errorf("crashed at %d: Index: %v", i, err)
		}
		if n := count(t, s, where); n != 30 {
			t.Errorf("crashed at %d, %d are indexed", i, n)
		}
		if n := named(t, s, "n0"); n != 10 {
			t.Errorf("crashed at %d, %d are found by the other parameter", i, n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if seen[0] == 0 || seen[30] == 0 || len(seen) != 2 {
		t.Errorf("after the crashes, this many are found: %v", seen)
	}
}

// TestUnindexLeavesNothing forgets a parameter whose terms are in files and in
// the head: sealing the head does not bring them back.
func TestUnindexLeavesNothing(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs, 13)
	for i := range 30 {
		op := testOp(fmt.Sprint("p", i), "x")
		op.Entries = append(op.Entries, search.Entry{Param: testOther, Key: []byte{byte(i), 0}})
		if _, err := s.Commit(context.Background(), []store.Op{op}); err != nil {
			t.Fatal(err)
		}
	}
	number, ok := s.params.number(testOther)
	if !ok {
		t.Fatal("the parameter has no number")
	}
	if err := s.Unindex(context.Background(), []string{testOther.Key()}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, fs, 13)
	defer s.Close()
	it, err := s.terms().Iterator(number)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	if it.First() {
		t.Errorf("the files hold a term of it: %x", it.Key())
	}
	if n := named(t, s, "x"); n != 30 {
		t.Errorf("%d are found by the other parameter", n)
	}
}

func count(t *testing.T, s *Store, where search.Node) int {
	t.Helper()
	v, err := s.View(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	n, err := v.Count(context.Background(), search.Plan{Parts: []search.Part{{Type: "Patient", Where: where}}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// holding lists the files that hold some bytes. Where one goes meanwhile, it
// looks again: the sealer's have another name once the engine has them.
func holding(t *testing.T, fs vfs.FS, what string) (names []string) {
	t.Helper()
	list, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		f, err := fs.Open("store/" + name)
		if errors.Is(err, iofs.ErrNotExist) {
			return holding(t, fs, what)
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(what)) {
			names = append(names, name)
		}
		_ = f.Close()
	}
	return names
}

// TestEraseLeavesNoBytes looks into the files: for a name that was in bodies
// and terms, sealed and not, and for an id.
func TestEraseLeavesNoBytes(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs, 13)
	const name, id = "Zq8xKw3Vn", "Yj4tRm7Lc"
	for i := range 20 {
		if _, err := s.Commit(context.Background(), []store.Op{testOp(fmt.Sprint("p", i), "other"), testOp(fmt.Sprint(id, i), fmt.Sprint(name, i))}); err != nil {
			t.Fatal(err)
		}
	}
	if len(holding(t, fs, name)) == 0 || len(holding(t, fs, id)) == 0 {
		t.Fatal("the bytes are not there to begin with")
	}
	var list []store.Erasure
	for i := range 20 {
		list = append(list, store.Erasure{Type: "Patient", ID: fmt.Sprint(id, i)})
	}
	if n, err := s.Erase(context.Background(), list); n != 20 || err != nil {
		t.Fatalf("Erase: %d, %v", n, err)
	}
	s.scrubs.Done.Wait()
	if n := s.Stats().Scrubs; n != 0 {
		t.Errorf("%d ranges are left", n)
	}
	// The engine removes files in the background, which Close waits for. It
	// keeps logs to write over them, until it is opened again.
	for round, logs := range []bool{true, false} {
		if n := named(t, s, "other"); n != 20 {
			t.Errorf("%d others are left", n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, file := range append(holding(t, fs, name), holding(t, fs, id)...) {
			if !logs || !strings.HasSuffix(file, ".log") {
				t.Errorf("in round %d, %s holds what was erased", round, file)
			}
		}
		s = openTest(t, fs, 13)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestScrubGoesOn opens a folder whose scrubbing was cut off.
func TestScrubGoesOn(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs, 0)
	fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, fs, 0)
	s.scrubs.Close()
	s.scrubs.Start = func() {} // as if the process ended before it began
	if _, err := s.Erase(context.Background(), []store.Erasure{{Type: "Patient", ID: "p1"}}); err != nil {
		t.Fatal(err)
	}
	if s.Stats().Scrubs == 0 {
		t.Error("nothing is left to scrub")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, fs, 0)
	defer s.Close()
	s.scrubs.Done.Wait()
	if n := s.Stats().Scrubs; n != 0 {
		t.Errorf("%d ranges are left", n)
	}
	if found, err := s.get(scrubKey(), func([]byte) error { return nil }); found || err != nil {
		t.Errorf("the record is there: %v, %v", found, err)
	}
}
