// Package sealfs owns a file system that seals what storage writes: a wrapper
// around the file system of the Pebble key-value engine. Logs and manifests,
// which grow by small durable pieces, are sealed in frames; all other files,
// which are written once, in pages. Names, sizes and times of files are not
// hidden.
//
// A file that is not sealed is read as it is where Options.Plain allows it, and
// refused elsewhere: nobody can put a file of their own in the place of a
// sealed one.
//
// It leaves to others: the form of the files (crypt/seal), and their keys
// (crypt/keyring).
package sealfs

import (
	"errors"
	"fmt"
	"io"
	"strings"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/crypt/seal"
)

// Options for New.
type Options struct {
	// Keys are the data keys. Files that are made get the current one.
	Keys seal.Keys
	// Plain reports whether files that are not sealed are read; nil is never.
	Plain func() bool
}

// New makes a file system that seals files and keeps them on disk.
func New(disk vfs.FS, opt Options) vfs.FS { return &sealedFS{disk, opt} }

type sealedFS struct {
	vfs.FS
	opt Options
}

// isLog reports whether a file grows by durable pieces.
func (s *sealedFS) isLog(name string) bool {
	base := s.FS.PathBase(name)
	return strings.HasSuffix(base, ".log") || strings.HasPrefix(base, "MANIFEST-")
}

// Unwrap implements vfs.FS.
func (s *sealedFS) Unwrap() vfs.FS { return s.FS }

// Create implements vfs.FS.
func (s *sealedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := s.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	if s.isLog(name) {
		return &logWriter{File: f, keys: s.opt.Keys}, nil
	}
	return &pageWriter{File: f, keys: s.opt.Keys}, nil
}

// ReuseForWrite implements vfs.FS: the log is written over with a key of its
// own, behind which the old content cannot be opened. The new header is durable
// before anything else is written, for under the old one, what is new would
// look like damage.
func (s *sealedFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !s.isLog(newname) {
		return nil, fmt.Errorf("sealfs: %s is no log; it cannot be written over", newname)
	}
	f, err := s.FS.ReuseForWrite(oldname, newname, category)
	if err != nil {
		return nil, err
	}
	w := &logWriter{File: f, keys: s.opt.Keys}
	if err = w.begin(); err == nil {
		err = w.SyncData()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// OpenReadWrite implements vfs.FS. A sealed file is not written anywhere.
func (s *sealedFS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return nil, fmt.Errorf("sealfs: %s cannot be opened to be written anywhere: a sealed file is written from its start", name)
}

// Open implements vfs.FS.
func (s *sealedFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := s.FS.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	opened, err := s.reader(name, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return opened, nil
}

func (s *sealedFS) reader(name string, f vfs.File) (vfs.File, error) {
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return f, err
	}
	if s.isLog(name) {
		r, err := seal.NewFrameReader(f, info.Size(), s.opt.Keys)
		if err == nil {
			return &logReader{File: f, r: r}, nil
		}
		return s.unsealed(name, f, info.Size(), err)
	}
	r, err := seal.NewReader(f, info.Size(), s.opt.Keys)
	if err == nil {
		return &pageReader{File: f, r: r}, nil
	}
	return s.unsealed(name, f, info.Size(), err)
}

// unsealed opens what is not sealed: an empty file, a log whose header never
// got to disk, and where it is allowed any file.
func (s *sealedFS) unsealed(name string, f vfs.File, size int64, err error) (vfs.File, error) {
	if !errors.Is(err, seal.ErrPlain) {
		return nil, damaged(name, err)
	}
	if size == 0 || s.opt.Plain != nil && s.opt.Plain() {
		return f, nil
	}
	if s.isLog(name) {
		start := make([]byte, min(size, seal.HeaderSize))
		if _, err := f.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if strings.Trim(string(start), "\x00") == "" {
			return &logReader{File: f, r: strings.NewReader("")}, nil
		}
	}
	return nil, damaged(name, err)
}

// damaged names the file, and marks the error as one of what is on disk.
func damaged(name string, err error) error {
	if errors.Is(err, seal.ErrAltered) || errors.Is(err, seal.ErrPlain) || errors.Is(err, seal.ErrKey) {
		return fmt.Errorf("%s: %w: %w", name, err, lsm.ErrCorruption)
	}
	return err
}

// Stat implements vfs.FS: the size is that of the content, for all files but
// logs, whose content has no size before it is read.
func (s *sealedFS) Stat(name string) (vfs.FileInfo, error) {
	info, err := s.FS.Stat(name)
	if err != nil || info.IsDir() || info.Size() == 0 || s.isLog(name) {
		return info, err
	}
	f, err := s.Open(name)
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	return info, errors.Join(err, f.Close())
}

// sizedInfo is a FileInfo with the size of the content.
type sizedInfo struct {
	vfs.FileInfo
	size int64
}

func (i sizedInfo) Size() int64 { return i.size }
