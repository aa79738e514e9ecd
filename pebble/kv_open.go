package pebble

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

// kvMemTable is small: the records are few, and every data folder has one.
const kvMemTable = 4 << 20

func openKVFolder(dir string, disk vfs.FS) (*lsm.DB, error) {
	db, err := lsm.Open(dir, &lsm.Options{
		FS:                 disk,
		Logger:             engineLog{},
		EventListener:      engineEvents(),
		MemTableSize:       kvMemTable,
		FormatMajorVersion: lsm.FormatValueSeparation,
	})
	if err != nil {
		return nil, openError(dir, disk, err)
	}
	return db, nil
}

// openError says which of the reasons the engine had not to open dir.
func openError(dir string, disk vfs.FS, err error) error {
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

// damaged marks an error of reading what an open engine holds as ErrDamaged
// where that is its reason.
func damaged(err error) error {
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

// engineEvents keeps the engine from giving up where a block does not have its
// checksum: the call that read the block fails, which is enough.
func engineEvents() *lsm.EventListener {
	return &lsm.EventListener{DataCorruption: func(info lsm.DataCorruptionInfo) {
		slog.Error("the data folder is damaged", "file", info.Path, "error", info.Details.Error())
	}}
}

// engineLog passes on what an operator must see. The engine never returns from
// Fatalf alive: a broken log or manifest must not be written on.
type engineLog struct{}

func (engineLog) Infof(string, ...any) {}

func (engineLog) Errorf(format string, args ...any) {
	slog.Error("storage engine", "error", fmt.Sprintf(format, args...))
}

func (engineLog) Fatalf(format string, args ...any) {
	panic("pebble: " + fmt.Sprintf(format, args...))
}
