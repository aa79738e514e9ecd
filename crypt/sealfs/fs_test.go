package sealfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
	"github.com/tarnhealth/tarn/crypt/sealfs"
	"github.com/tarnhealth/tarn/internal/crashing"
)

func sealed(disk vfs.FS) vfs.FS { return sealfs.New(disk, sealfs.Options{Keys: sealtest.Of(1)}) }

// quiet passes no logs on, and returns from Fatalf as the tests expect it not
// to be called.
type quiet struct{ t *testing.T }

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (q quiet) Fatalf(format string, args ...any) {
	q.t.Errorf(format, args...)
}

func openDB(t *testing.T, disk vfs.FS) (*lsm.DB, error) {
	return lsm.Open("db", &lsm.Options{FS: disk, Logger: quiet{t}, MemTableSize: 64 << 10, FormatMajorVersion: lsm.FormatNewest})
}

func value(i int) []byte { return fmt.Appendf(nil, "Wolfeschlegelstein %d", i) }

// fill writes enough for several logs, so that they are used again, and tables.
func fill(t *testing.T, db *lsm.DB, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := db.Set(fmt.Appendf(nil, "key%06d", i), value(i), lsm.Sync); err != nil {
			t.Fatal(err)
		}
	}
}

func check(t *testing.T, db *lsm.DB, to int) {
	t.Helper()
	for i := range to {
		got, closer, err := db.Get(fmt.Appendf(nil, "key%06d", i))
		if err != nil || !bytes.Equal(got, value(i)) {
			t.Fatalf("%d: %q, %v", i, got, err)
		}
		closer.Close()
	}
}

func raw(t *testing.T, disk vfs.FS, name string) []byte {
	t.Helper()
	f, err := disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func rewrite(t *testing.T, disk vfs.FS, name string, content []byte) {
	t.Helper()
	f, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		// The disk in memory spoils what it was given, where races are looked for.
		_, err = f.Write(bytes.Clone(content))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestEngineOnSealedDisk writes over many logs, with power failures between, and
// finds all that was acknowledged and nothing of it in the files.
func TestEngineOnSealedDisk(t *testing.T) {
	disk := crashing.New()
	n := 0
	for range 5 {
		db, err := openDB(t, sealed(disk))
		if err != nil {
			t.Fatal(err)
		}
		check(t, db, n)
		fill(t, db, n, n+2000)
		n += 2000
		disk = disk.CrashClone(vfs.CrashCloneCfg{})
		_ = db.Close()
	}
	db, err := openDB(t, sealed(disk))
	if err != nil {
		t.Fatal(err)
	}
	check(t, db, n)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := disk.List("db")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if bytes.Contains(raw(t, disk, disk.PathJoin("db", name)), []byte("Wolfe")) {
			t.Errorf("%s shows what is in it", name)
		}
	}
	if db, err := openDB(t, sealfs.New(disk, sealfs.Options{Keys: sealtest.Of(2)})); err == nil {
		t.Errorf("opened with another key: %v", db.Close())
	} else if !lsm.IsCorruptionError(err) {
		t.Errorf("with another key: %v", err)
	}
}

// TestFilesInPlaces reads a file that another sealed, one that nobody did, and
// one of which a byte was altered.
func TestFilesInPlaces(t *testing.T) {
	disk := vfs.NewMem()
	fs := sealed(disk)
	content := bytes.Repeat([]byte("content"), 2000)
	rewrite(t, fs, "1.sst", content)
	info, err := fs.Stat("1.sst")
	if err != nil || info.Size() != int64(len(content)) {
		t.Errorf("the size is %v, %v", info, err)
	}
	if got := raw(t, fs, "1.sst"); !bytes.Equal(got, content) {
		t.Error("the content is another one")
	}
	altered := raw(t, disk, "1.sst")
	altered[5000] ^= 1
	rewrite(t, disk, "2.sst", altered)
	f, err := fs.Open("2.sst")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(make([]byte, 100), 4900); !errors.Is(err, seal.ErrAltered) || !lsm.IsCorruptionError(err) {
		t.Errorf("an altered page: %v", err)
	}
	f.Close()
	rewrite(t, disk, "3.sst", content)
	rewrite(t, disk, "3.log", content)
	for _, name := range []string{"3.sst", "3.log"} {
		if _, err := fs.Open(name); !errors.Is(err, seal.ErrPlain) {
			t.Errorf("%s, which is not sealed: %v", name, err)
		}
		both := sealfs.New(disk, sealfs.Options{Keys: sealtest.Of(1), Plain: func() bool { return true }})
		if got := raw(t, both, name); !bytes.Equal(got, content) {
			t.Errorf("%s is not read where plain files are", name)
		}
	}
	if _, err := fs.OpenReadWrite("1.sst", vfs.WriteCategoryUnspecified); err == nil {
		t.Error("a sealed file is opened to be written anywhere")
	}
}

// TestLogWrittenOver writes a log over another one and crashes before, between
// and after.
func TestLogWrittenOver(t *testing.T) {
	disk := crashing.New()
	fs := sealed(disk)
	rewrite(t, fs, "1.log", bytes.Repeat([]byte("old "), 5000))
	f, err := fs.ReuseForWrite("1.log", "2.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := disk.OpenDir("/")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		t.Helper()
		return string(raw(t, sealed(disk.CrashClone(vfs.CrashCloneCfg{})), "2.log"))
	}
	if got := read(); got != "" {
		t.Errorf("before anything is written: %d bytes", len(got))
	}
	if _, err := f.Write([]byte("new 1 ")); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "" {
		t.Errorf("before it is synced: %q", got)
	}
	if err := f.SyncData(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("new 2")); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "new 1 " {
		t.Errorf("%q", got)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "new 1 new 2" {
		t.Errorf("%q", got)
	}
	if _, err := fs.ReuseForWrite("2.log", "3.sst", vfs.WriteCategoryUnspecified); err == nil {
		t.Error("a table is written over")
	}
}
