package tidy

import (
	"encoding/binary"
	"fmt"
	"testing"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/pebble/internal/ingest"
)

const (
	testFiles   = 40
	testRecords = 25 // in each file
)

func testKey(tag byte, n int) []byte {
	return binary.BigEndian.AppendUint64([]byte{tag}, uint64(n))
}

// openFiles opens an engine with as many files of two kinds of records as a
// load in small groups leaves.
func openFiles(t *testing.T) *Tidier {
	t.Helper()
	disk := vfs.NewMem()
	blocks := lsm.NewCache(1 << 20)
	defer blocks.Unref()
	db, err := lsm.Open("engine", engine.Options(disk, blocks))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := ingest.Dir{DB: db, FS: disk, Path: "engine"}
	write := func(tag byte, file int) ingest.File {
		return ingest.File{Name: string(tag) + ".tmp", Write: func(w *sstable.Writer) error {
			for i := range testRecords {
				if err := w.Set(testKey(tag, file*testRecords+i), fmt.Appendf(nil, "%c %d", tag, file*testRecords+i)); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	for file := range testFiles {
		if err := dir.Take(write('b', file), write('n', file)); err != nil {
			t.Fatal(err)
		}
	}
	return &Tidier{Dir: dir, Failure: &engine.Failure{}, Tags: []byte{'b'}}
}

// files counts the files that begin with a key of a kind.
func files(t *testing.T, db *lsm.DB, tag byte) (n int) {
	t.Helper()
	levels, err := db.SSTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range levels {
		for _, f := range level {
			if f.Smallest.UserKey[0] == tag {
				n++
			}
		}
	}
	return n
}

// TestTidy merges the files of one kind, leaves the other alone, and changes no
// record.
func TestTidy(t *testing.T) {
	q := openFiles(t)
	if n := files(t, q.Dir.DB, 'b'); n != testFiles {
		t.Fatalf("%d files before, want %d", n, testFiles)
	}
	if err := q.Dir.DB.Delete(testKey('b', 3), lsm.Sync); err != nil {
		t.Fatal(err)
	}
	q.Look()
	q.done.Wait()
	if n := files(t, q.Dir.DB, 'b'); n != 1 {
		t.Errorf("%d files after, want 1", n)
	}
	if n := files(t, q.Dir.DB, 'n'); n != testFiles {
		t.Errorf("%d files of the other kind after, want %d", n, testFiles)
	}
	for n := range testFiles * testRecords {
		value, closer, err := q.Dir.DB.Get(testKey('b', n))
		if n == 3 {
			if err != lsm.ErrNotFound {
				t.Errorf("the deleted record: %v", err)
			}
			continue
		}
		if err != nil || string(value) != fmt.Sprintf("b %d", n) {
			t.Fatalf("record %d is %q, %v", n, value, err)
		}
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	q.Look()
	q.Close()
	q.Look() // of no use any more
	q.done.Wait()
}

// TestFew leaves a few files as they are.
func TestFew(t *testing.T) {
	q := openFiles(t)
	for _, tag := range []string{"b", "n"} {
		levels, err := q.Dir.DB.SSTables()
		if err != nil {
			t.Fatal(err)
		}
		list := levels[len(levels)-1]
		for list[0].Smallest.UserKey[0] != tag[0] {
			list = list[1:]
		}
		if got := q.ranges(list[:enough-1]); len(got) != 0 {
			t.Errorf("%q: %d ranges of %d files", tag, len(got), enough-1)
		}
	}
}
