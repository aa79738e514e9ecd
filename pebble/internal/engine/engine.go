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
	"log/slog"
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

// Events keeps the engine from giving up where a block does not have its
// checksum: the call that read the block fails, which is enough.
func Events() *lsm.EventListener {
	return &lsm.EventListener{DataCorruption: func(info lsm.DataCorruptionInfo) {
		slog.Error("the data folder is damaged", "file", info.Path, "error", info.Details.Error())
	}}
}

// Log passes on what an operator must see. The engine never returns from
// Fatalf alive: a broken log or manifest must not be written on.
type Log struct{}

// Infof drops what is of no use to an operator.
func (Log) Infof(string, ...any) {}

// Errorf logs an error.
func (Log) Errorf(format string, args ...any) {
	slog.Error("storage engine", "error", fmt.Sprintf(format, args...))
}

// Fatalf panics: callers on the way of a write turn that into an error.
func (Log) Fatalf(format string, args ...any) {
	panic("pebble: " + fmt.Sprintf(format, args...))
}
