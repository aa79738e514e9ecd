package engine

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// MakeDir makes a directory and its missing parents, readable by this user
// alone. It syncs what holds them: without that they may be gone after a power
// failure, with all that was synced inside.
func MakeDir(disk vfs.FS, dir string) error {
	parent := filepath.Dir(dir)
	if _, err := disk.Stat(parent); errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := MakeDir(disk, parent); err != nil {
			return err
		}
	}
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return SyncDir(disk, parent)
}

// SyncDir makes what was added to and removed from a directory durable. One
// that may not be read, as /var/lib of another user, is left to its owner.
func SyncDir(disk vfs.FS, dir string) error {
	d, err := disk.OpenDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
