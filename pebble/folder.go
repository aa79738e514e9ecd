package pebble

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/pebble/record"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A Folder is a server's data folder: its records in "system", and one engine
// per data store in "stores/ID". One process may have it open.
type Folder struct {
	dir     string
	opt     FolderOptions
	records *record.DB
	memory  *memory
}

// FolderOptions for OpenFolder. Every field has a default.
type FolderOptions struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// CacheBytes bounds what all data stores together keep in memory of what
	// they read; 0 is DefaultCacheBytes.
	CacheBytes int64
	// Retention is how long page links are good; 0 is DefaultRetention.
	Retention time.Duration
	// Seal, where not nil, makes of FS the file system for the files of a data
	// store, or of the records where id is "". Its errors are those of OpenStore
	// and OpenFolder.
	Seal func(ctx context.Context, id string, disk vfs.FS) (vfs.FS, error)
}

// disk is the file system for the files of a data store, or of the records
// where id is "".
func (o *FolderOptions) disk(ctx context.Context, id string) (vfs.FS, error) {
	if o.Seal == nil {
		return o.FS, nil
	}
	return o.Seal(ctx, id, o.FS)
}

// OpenFolder opens a data folder, making it where it is not there. The errors
// are ErrLocked, ErrNewer, ErrDamaged and those of the file system.
func OpenFolder(dir string, opt FolderOptions) (*Folder, error) {
	if opt.FS == nil {
		opt.FS = vfs.Default
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if err := engine.MakeDir(opt.FS, dir); err != nil {
		return nil, err
	}
	disk, err := opt.disk(context.Background(), "")
	if err != nil {
		return nil, err
	}
	records, err := record.Open(filepath.Join(dir, "system"), record.Options{FS: disk, Now: opt.Now})
	if err != nil {
		return nil, err
	}
	return &Folder{dir: dir, opt: opt, records: records, memory: newMemory(opt.CacheBytes)}, nil
}

// Records holds the server's own records.
func (f *Folder) Records() kv.DB { return f.records }

// OpenStore opens the storage of a data store, making it where it is not
// there. candidate reads a stored version back.
func (f *Folder) OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error) {
	if err := engine.MakeDir(f.opt.FS, filepath.Join(f.dir, "stores")); err != nil {
		return nil, err
	}
	disk, err := f.opt.disk(ctx, id)
	if err != nil {
		return nil, err
	}
	return Open(f.storeDir(id), Options{
		FS:        disk,
		Now:       f.opt.Now,
		Retention: f.opt.Retention,
		memory:    f.memory,

		EntriesVersion: search.EntriesVersion,
		Extract: func(v store.Version) ([]search.Entry, error) {
			c, err := candidate(v)
			if err != nil {
				return nil, err
			}
			return c.Entries, nil
		},
		Parse: func(json []byte) (*fhir.Tree, error) {
			return fhir.Parse(registry.Definitions.Schema, json, fhir.DefaultLimits)
		},
	})
}

// RemoveStore deletes the storage of a closed data store; a missing one is no
// error.
func (f *Folder) RemoveStore(_ context.Context, id string) error {
	dir := f.storeDir(id)
	if _, err := f.opt.FS.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := f.opt.FS.RemoveAll(dir); err != nil {
		return err
	}
	return engine.SyncDir(f.opt.FS, filepath.Dir(dir))
}

// Stores lists the ids of the data stores that have storage.
func (f *Folder) Stores(context.Context) ([]string, error) {
	ids, err := f.opt.FS.List(filepath.Join(f.dir, "stores"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return ids, err
}

// Close closes the records. The data stores are closed by their owner, before.
func (f *Folder) Close() error {
	f.memory.release()
	return f.records.Close()
}

func (f *Folder) storeDir(id string) string { return filepath.Join(f.dir, "stores", id) }
