package sealfs

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/crypt/seal"
)

// errUnread and errUnwritten are the errors of using a file in the other way
// than it was opened for.
var (
	errUnread    = errors.New("sealfs: the file is open for writing, and cannot be read")
	errUnwritten = errors.New("sealfs: the file is written from its start to its end")
)

// A logWriter writes a log. Its header is written with the first bytes, so that
// a file that is made to be empty is empty.
type logWriter struct {
	vfs.File
	keys seal.Keys
	w    *seal.FrameWriter
}

func (f *logWriter) begin() (err error) {
	f.w, err = seal.NewFrameWriter(f.File, f.keys)
	return err
}

func (f *logWriter) Write(p []byte) (int, error) {
	if f.w == nil {
		if err := f.begin(); err != nil {
			return 0, err
		}
	}
	return f.w.Write(p)
}

// Sync, SyncData and SyncTo remember how much is durable.
func (f *logWriter) Sync() error { return f.synced(f.File.Sync) }

func (f *logWriter) SyncData() error { return f.synced(f.File.SyncData) }

func (f *logWriter) synced(sync func() error) error {
	if f.w == nil {
		return sync()
	}
	at := f.w.At()
	err := sync()
	if err == nil {
		f.w.Synced(at)
	}
	return err
}

func (f *logWriter) SyncTo(length int64) (bool, error) { return f.File.SyncTo(length) }

func (f *logWriter) Read([]byte) (int, error)            { return 0, errUnread }
func (f *logWriter) ReadAt([]byte, int64) (int, error)   { return 0, errUnread }
func (f *logWriter) WriteAt([]byte, int64) (int, error)  { return 0, errUnwritten }
func (f *logWriter) Prefetch(offset, length int64) error { return f.File.Prefetch(offset, length) }

// A pageWriter writes a file once. Syncing ends it: its last page must be there
// for anything to be read.
type pageWriter struct {
	vfs.File
	keys seal.Keys
	w    *seal.Writer
}

func (f *pageWriter) Write(p []byte) (n int, err error) {
	if f.w == nil {
		if f.w, err = seal.NewAlignedWriter(f.File, f.keys); err != nil {
			return 0, err
		}
	}
	return f.w.Write(p)
}

func (f *pageWriter) end() error {
	if f.w == nil {
		return nil
	}
	return f.w.Close()
}

func (f *pageWriter) Sync() error { return errors.Join(f.end(), f.File.Sync()) }

func (f *pageWriter) SyncData() error { return errors.Join(f.end(), f.File.SyncData()) }

// SyncTo only spreads the work of the disk; what it makes durable is no file
// yet.
func (f *pageWriter) SyncTo(length int64) (bool, error) {
	if f.w == nil {
		return f.File.SyncTo(length)
	}
	if err := f.w.Flush(); err != nil {
		return false, err
	}
	_, err := f.File.SyncTo(length)
	return false, err
}

func (f *pageWriter) Close() error { return errors.Join(f.end(), f.File.Close()) }

func (f *pageWriter) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil || f.w == nil {
		return info, err
	}
	return sizedInfo{info, f.w.Size()}, nil
}

func (f *pageWriter) Read([]byte) (int, error)           { return 0, errUnread }
func (f *pageWriter) ReadAt([]byte, int64) (int, error)  { return 0, errUnread }
func (f *pageWriter) WriteAt([]byte, int64) (int, error) { return 0, errUnwritten }

// A logReader reads a log from its start.
type logReader struct {
	vfs.File
	r io.Reader
}

func (f *logReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	return n, damaged("a log", err)
}

func (f *logReader) ReadAt([]byte, int64) (int, error) {
	return 0, errors.New("sealfs: a log is read from its start")
}
func (f *logReader) Write([]byte) (int, error)          { return 0, errUnwritten }
func (f *logReader) WriteAt([]byte, int64) (int, error) { return 0, errUnwritten }

// A pageReader reads a file anywhere.
type pageReader struct {
	vfs.File
	r  *seal.Reader
	at int64
}

func (f *pageReader) Read(p []byte) (int, error) {
	n, err := f.r.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, damaged("a file", err)
}

func (f *pageReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.r.ReadAt(p, off)
	return n, damaged("a file", err)
}

func (f *pageReader) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return nil, err
	}
	return sizedInfo{info, f.r.Size()}, nil
}

func (f *pageReader) Prefetch(offset, length int64) error {
	at, size := f.r.Span(offset, length)
	return f.File.Prefetch(at, size)
}

func (f *pageReader) Write([]byte) (int, error)          { return 0, errUnwritten }
func (f *pageReader) WriteAt([]byte, int64) (int, error) { return 0, errUnwritten }
