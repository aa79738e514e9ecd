// Package engine owns what every folder with an engine in it has in common: how
// it is made, the reasons not to open one, what the engine tells the log, and
// what follows when its disk fails.
//
// It leaves to others: what is in the folder (pebble, pebble/record).
package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Reasons not to open a folder.
var (
	// ErrLocked: a running process has the folder open.
	ErrLocked = errors.New("pebble: the folder is in use")
	// ErrNewer: a newer version of the program wrote the folder.
	ErrNewer = errors.New("pebble: the folder was written by a newer version")
	// ErrDamaged: files are missing or do not hold what they should.
	ErrDamaged = errors.New("pebble: the folder is damaged")
)

// OpenError says which of the reasons the engine had not to open dir.
func OpenError(dir string, disk vfs.FS, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("pebble: %s cannot be opened: %w", dir, err)
	case strings.Contains(err.Error(), "unknown format major version"):
		return fmt.Errorf("%w: %s: %w", ErrNewer, dir, err)
	case lsm.IsCorruptionError(err), errors.Is(err, fs.ErrNotExist), errors.Is(err, lsm.ErrDBNotPristine),
		strings.Contains(err.Error(), "object size mismatch"):
		return fmt.Errorf("%w: %s: %w", ErrDamaged, dir, err)
	case locked(dir, disk):
		return fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	return fmt.Errorf("pebble: %s cannot be opened: %w", dir, err)
}

// Damaged marks an error of reading what an open engine holds as ErrDamaged
// where that is its reason.
func Damaged(err error) error {
	if lsm.IsCorruptionError(err) && !errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// locked tries the folder's lock, for the engine's own error has no type.
func locked(dir string, disk vfs.FS) bool {
	lock, err := lsm.LockDirectory(dir, disk)
	if err != nil {
		return true
	}
	return lock.Close() != nil
}
