// Package crashing owns the disk of tests that lose power: a file system in
// memory whose copies hold what was made durable, and that may be copied while it
// is used.
//
// It leaves to others: disks that fail (pebble/internal/halt/faulty).
package crashing

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A Disk is a MemFS that can be copied at any moment. Link and ReuseForWrite of a
// MemFS take the lock of CrashClone twice: where the copy comes between, each
// waits for the other for ever.
type Disk struct {
	*vfs.MemFS
	copying sync.RWMutex
}

// New is an empty disk.
func New() *Disk { return &Disk{MemFS: vfs.NewCrashableMem()} }

// Link gives a file another name.
func (d *Disk) Link(from, to string) error {
	d.copying.RLock()
	defer d.copying.RUnlock()
	return d.MemFS.Link(from, to)
}

// ReuseForWrite renames a file and opens it.
func (d *Disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	d.copying.RLock()
	defer d.copying.RUnlock()
	return d.MemFS.ReuseForWrite(from, to, category)
}

// CrashClone is the disk as it would be after a loss of power now.
func (d *Disk) CrashClone(cfg vfs.CrashCloneCfg) *Disk {
	d.copying.Lock()
	defer d.copying.Unlock()
	return &Disk{MemFS: d.MemFS.CrashClone(cfg)}
}
