// Package durable owns the writing of files so that a crash leaves what was there
// or what is new, never half of it, and what errors of a disk say.
//
// It leaves to others: what is in the files. The folders of the storage engine,
// which may be in memory, are package pebble's.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Replace makes a file with the permissions mode and what write writes, or puts it
// in the place of the one that is there, and returns once that is safe on disk. It
// is written as path with ".new" at its end, for one caller at a time; what is
// left of such a file after a crash is overwritten.
func Replace(path string, mode fs.FileMode, write func(io.Writer) error) error {
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// ReplaceWith is Replace with a content that is there already.
func ReplaceWith(path string, mode fs.FileMode, content []byte) error {
	return Replace(path, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// SyncFolder makes what was added to and removed from a folder safe on disk.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Full reports whether an error is that there is no space left.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
