// Package halt owns the file system of an engine whose disk may fail at any
// moment.
//
// The engine cannot live with an error of its log, of its manifest or of a sync
// of its folder: it ends the process, whatever else is in it. So it never sees
// one. At the first such error the folder is halted: it stays as it is, as if
// the power had been cut, while the engine goes on to believe that all is well
// and can be read from. What it would write and remove is dropped. Of tables, which it
// reads again, those of what it has in memory are kept in memory; others it
// cannot write.
//
// An engine that writes here says nothing of whether anything is durable: who
// waits for a sync has to look whether the folder was halted (the hook of New is
// called before the sync returns).
//
// It leaves to others: what callers are told (pebble/internal/engine).
package halt

import (
	"cmp"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrHalted is why no table is written to a halted folder.
var ErrHalted = errors.New("halt: the disk failed before, nothing is written any more")

// flushing is the category of the tables that the engine's memory is written to.
const flushing vfs.DiskWriteCategory = "pebble-memtable-flush"

// How long the engine has to wait where a table cannot be written, for it tries
// again at once: ordinarily, and when it is about to be closed.
const (
	DefaultPause = 250 * time.Millisecond
	shortPause   = 5 * time.Millisecond
)

// An FS is the file system of one engine. Of what is not in its folder, such as
// copies, the engine sees all errors but those of syncing a folder, which it does
// not live with either: Elsewhere has them.
type FS struct {
	vfs.FS
	dir string
	// failed is told of the error that halts the folder, before any call returns
	// that comes after it.
	failed func(error)
	pause  time.Duration
	// tables are those that were written after the folder was halted.
	tables *vfs.MemFS

	mu    sync.Mutex
	other error // of syncing another folder

	once     sync.Once
	halted   atomic.Bool
	release  sync.Once
	released chan struct{}
}

// New returns the file system for the engine in dir, which waits for pause where
// a table cannot be written; 0 is DefaultPause.
func New(disk vfs.FS, dir string, pause time.Duration, failed func(error)) *FS {
	return &FS{
		FS: disk, pause: cmp.Or(pause, DefaultPause), dir: disk.PathDir(disk.PathJoin(dir, "x")), failed: failed, tables: vfs.NewMem(),
		released: make(chan struct{}),
	}
}

// Release shortens the waiting, for an engine that is about to be closed.
func (f *FS) Release() { f.release.Do(func() { close(f.released) }) }

// Unwrap implements vfs.FS.
func (f *FS) Unwrap() vfs.FS { return f.FS }

// Halt halts the folder for a reason. It returns when that is known.
func (f *FS) Halt(err error) {
	f.once.Do(func() {
		_ = f.tables.MkdirAll(f.dir, 0o700) // in memory
		f.failed(err)
		f.halted.Store(true)
	})
}

// slow is the error of a table, for an engine that would try again at once.
func (f *FS) slow(err error) error {
	select {
	case <-f.released:
		time.Sleep(min(shortPause, f.pause))
	case <-time.After(f.pause):
	}
	return err
}

// A kind says what the engine does about errors of a file.
type kind int

const (
	elsewhere kind = iota // it reports them
	table                 // it tries again
	essential             // it ends the process
)

func (f *FS) kind(name string) kind {
	switch {
	case f.PathDir(name) != f.dir:
		return elsewhere
	case strings.HasSuffix(name, ".sst"), strings.HasSuffix(name, ".blob"):
		return table
	}
	return essential
}

// dropped reports whether nothing may be done to a file any more.
func (f *FS) dropped(name string) bool { return f.halted.Load() && f.kind(name) != elsewhere }

// Create implements vfs.FS.
func (f *FS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	switch f.kind(name) {
	case table:
		return f.createTable(name, category)
	case essential:
		return f.essential(name, func() (vfs.File, error) { return f.FS.Create(name, category) }), nil
	}
	return f.FS.Create(name, category)
}

// ReuseForWrite implements vfs.FS.
func (f *FS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	reuse := func() (vfs.File, error) { return f.FS.ReuseForWrite(oldname, newname, category) }
	if f.kind(newname) != essential {
		return reuse()
	}
	return f.essential(newname, reuse), nil
}

// OpenDir implements vfs.FS.
func (f *FS) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	if f.PathDir(f.PathJoin(name, "x")) != f.dir {
		return &otherDir{File: dir, fs: f}, nil
	}
	return &essentialFile{File: dir, fs: f, name: name}, nil
}

// OpenReadWrite implements vfs.FS.
func (f *FS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if f.dropped(name) {
		return nil, ErrHalted
	}
	return f.FS.OpenReadWrite(name, category, opts...)
}

// Open implements vfs.FS.
func (f *FS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if f.kept(name) {
		return f.tables.Open(name, opts...)
	}
	return f.FS.Open(name, opts...)
}

// Stat implements vfs.FS.
func (f *FS) Stat(name string) (vfs.FileInfo, error) {
	if f.kept(name) {
		return f.tables.Stat(name)
	}
	return f.FS.Stat(name)
}

// kept reports whether a file is in memory.
func (f *FS) kept(name string) bool {
	if !f.halted.Load() || f.kind(name) != table {
		return false
	}
	_, err := f.tables.Stat(name)
	return err == nil
}

// Link implements vfs.FS.
func (f *FS) Link(oldname, newname string) error {
	if f.dropped(newname) {
		return ErrHalted
	}
	return f.FS.Link(oldname, newname)
}

// Rename implements vfs.FS.
func (f *FS) Rename(oldname, newname string) error {
	if f.dropped(newname) || f.dropped(oldname) {
		return ErrHalted
	}
	return f.FS.Rename(oldname, newname)
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	if f.kept(name) {
		return f.tables.Remove(name)
	}
	if f.dropped(name) {
		return nil
	}
	return f.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (f *FS) RemoveAll(name string) error {
	if f.dropped(name) || f.halted.Load() && f.PathDir(f.PathJoin(name, "x")) == f.dir {
		return ErrHalted
	}
	return f.FS.RemoveAll(name)
}

func (f *FS) createTable(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.halted.Load() {
		if category == flushing {
			return f.tables.Create(name, category)
		}
		return nil, f.slow(ErrHalted)
	}
	file, err := f.FS.Create(name, category)
	if err != nil {
		return nil, f.slow(err)
	}
	return &tableFile{File: file, fs: f}, nil
}

// essential opens a file that the engine may not see errors of. Where it cannot
// be opened, the engine gets one that swallows all.
func (f *FS) essential(name string, open func() (vfs.File, error)) vfs.File {
	if !f.halted.Load() {
		file, err := open()
		if err == nil {
			return &essentialFile{File: file, fs: f, name: name}
		}
		f.Halt(err)
	}
	return &essentialFile{File: nothing{}, fs: f, name: name}
}

// A tableFile is a table that is being written.
type tableFile struct {
	vfs.File
	fs *FS
}

// do runs a call unless the folder is halted.
func (t *tableFile) do(call func() error) error {
	if t.fs.halted.Load() {
		return t.fs.slow(ErrHalted)
	}
	if err := call(); err != nil {
		return t.fs.slow(err)
	}
	return nil
}

func (t *tableFile) Write(p []byte) (n int, err error) {
	err = t.do(func() (err error) { n, err = t.File.Write(p); return err })
	return n, err
}

func (t *tableFile) Sync() error { return t.do(t.File.Sync) }

func (t *tableFile) SyncData() error { return t.do(t.File.SyncData) }

func (t *tableFile) SyncTo(length int64) (full bool, err error) {
	err = t.do(func() (err error) { full, err = t.File.SyncTo(length); return err })
	return full, err
}

func (t *tableFile) Close() error {
	if err := t.File.Close(); err != nil {
		return t.fs.slow(err)
	}
	return nil
}

// An otherDir is a folder that is not the engine's.
type otherDir struct {
	vfs.File
	fs *FS
}

func (d *otherDir) Sync() error {
	if err := d.File.Sync(); err != nil {
		d.fs.mu.Lock()
		defer d.fs.mu.Unlock()
		d.fs.other = cmp.Or(d.fs.other, err)
	}
	return nil
}

// Elsewhere returns the first error of syncing another folder since it was
// called.
func (f *FS) Elsewhere() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.other
	f.other = nil
	return err
}

// An essentialFile halts the folder at its first error.
type essentialFile struct {
	vfs.File
	fs   *FS
	name string
}

// do runs a call unless the folder is halted, and drops its error.
func (e *essentialFile) do(call func() error) {
	if e.fs.halted.Load() {
		return
	}
	if err := call(); err != nil {
		e.fs.Halt(err)
	}
}

func (e *essentialFile) Write(p []byte) (int, error) {
	e.do(func() error { _, err := e.File.Write(p); return err })
	return len(p), nil
}

func (e *essentialFile) WriteAt(p []byte, at int64) (int, error) {
	e.do(func() error { _, err := e.File.WriteAt(p, at); return err })
	return len(p), nil
}

func (e *essentialFile) Preallocate(offset, length int64) error {
	if e.fs.halted.Load() {
		return nil
	}
	return e.File.Preallocate(offset, length)
}

func (e *essentialFile) Sync() error {
	e.do(e.File.Sync)
	return nil
}

func (e *essentialFile) SyncData() error {
	e.do(e.File.SyncData)
	return nil
}

func (e *essentialFile) SyncTo(length int64) (full bool, err error) {
	e.do(func() (err error) { full, err = e.File.SyncTo(length); return err })
	return full, nil
}

func (e *essentialFile) Stat() (info vfs.FileInfo, err error) {
	e.do(func() (err error) { info, err = e.File.Stat(); return err })
	if info == nil {
		info = noInfo{name: e.fs.PathBase(e.name)}
	}
	return info, nil
}

func (e *essentialFile) Close() error {
	if err := e.File.Close(); err != nil {
		e.fs.Halt(err)
	}
	return nil
}

// nothing is the file where there is none.
type nothing struct{ vfs.File }

func (nothing) Close() error                      { return nil }
func (nothing) Fd() uintptr                       { return vfs.InvalidFd }
func (nothing) Prefetch(int64, int64) error       { return nil }
func (nothing) Read([]byte) (int, error)          { return 0, fs.ErrNotExist }
func (nothing) ReadAt([]byte, int64) (int, error) { return 0, fs.ErrNotExist }

// noInfo describes it.
type noInfo struct {
	vfs.FileInfo
	name string
}

func (i noInfo) Name() string         { return i.name }
func (noInfo) Size() int64            { return 0 }
func (noInfo) Mode() fs.FileMode      { return 0o600 }
func (noInfo) ModTime() time.Time     { return time.Time{} }
func (noInfo) IsDir() bool            { return false }
func (noInfo) Sys() any               { return nil }
func (noInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
