// Package faulty owns disks that fail, for tests.
package faulty

import (
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A Disk fails at its At-th change after it was armed: a file that is made,
// written, synced, linked, renamed, removed, or a folder that is synced.
type Disk struct {
	// Dir is the folder that it fails in.
	Dir string
	// At counts from 1.
	At int64
	// Forever fails all changes from then on, but for removals: a full disk.
	// Otherwise one fails.
	Forever bool
	Err     error

	armed atomic.Bool
	count atomic.Int64
}

// Wrap returns the file system that fails.
func (d *Disk) Wrap(fs vfs.FS) vfs.FS { return errorfs.Wrap(fs, errorfs.InjectorFunc(d.fail)) }

// Arm begins to count; what is not armed is well.
func (d *Disk) Arm(on bool) { d.armed.Store(on) }

// Count is how many changes there were.
func (d *Disk) Count() int64 { return d.count.Load() }

func (d *Disk) fail(op errorfs.Op) error {
	removal := false
	switch op.Kind {
	case errorfs.OpRemove, errorfs.OpRemoveAll:
		removal = true
	case errorfs.OpFileStat:
		if !strings.HasSuffix(op.Path, ".log") {
			return nil // a table is about to be read
		}
	case errorfs.OpCreate, errorfs.OpLink, errorfs.OpOpenDir, errorfs.OpRename, errorfs.OpReuseForWrite,
		errorfs.OpMkdirAll, errorfs.OpFilePreallocate, errorfs.OpFileWrite, errorfs.OpFileWriteAt,
		errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
	default:
		return nil
	}
	if !d.armed.Load() || !strings.HasPrefix(op.Path, d.Dir) {
		return nil
	}
	n := d.count.Add(1)
	if n == d.At || n > d.At && d.Forever && !removal {
		return d.Err
	}
	return nil
}
