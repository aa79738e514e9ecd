// Package ingest owns sorted files of records that the engine takes over as
// they are: all files of one call or none, durable when the call returns. What
// goes this way passes neither the engine's log nor its memory, and is not
// sorted again.
//
// It leaves to others: which records there are (pebble, lists), and that their
// order among other writes is right.
package ingest

import (
	"context"
	"errors"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
)

// A Dir is a folder of an engine, which files are written beside the engine's
// own in.
type Dir struct {
	DB   *lsm.DB
	FS   vfs.FS
	Path string
}

// Create begins a file. One of the same name, which a crash may have left, is
// written over.
func (d Dir) Create(name string) (w *sstable.Writer, path string, err error) {
	return d.create(name, func(*sstable.WriterOptions) {})
}

func (d Dir) create(name string, change func(*sstable.WriterOptions)) (w *sstable.Writer, path string, err error) {
	path = d.FS.PathJoin(d.Path, name)
	file, err := d.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, path, err
	}
	options := engine.Options(d.FS, nil) // a cache is of no use to a writer
	options.EnsureDefaults()
	own := options.MakeWriterOptions(len(options.Levels)-1, d.DB.TableFormat())
	change(&own)
	return sstable.NewWriter(objstorageprovider.NewFileWritable(file), own), path, nil
}

// A File is one of several that are taken over together. Their ranges of keys
// do not overlap.
type File struct {
	// Name is that of the file while it is written.
	Name string
	// Dense is set where only keys that are there are asked for, so that a
	// filter has nothing to tell.
	Dense bool
	// Write adds the records, in the order of their keys.
	Write func(w *sstable.Writer) error
}

// change is what is other in a file than in the engine's own.
func (f *File) change(o *sstable.WriterOptions) {
	if f.Dense {
		o.FilterPolicy = lsm.NoFilterPolicy
	}
}

// Take writes files side by side, and has the engine take them over.
func (d Dir) Take(files ...File) error {
	paths := make([]string, len(files))
	var group errgroup.Group
	for i := range files {
		group.Go(func() (err error) {
			var w *sstable.Writer
			if w, paths[i], err = d.create(files[i].Name, files[i].change); err != nil {
				return err
			}
			return errors.Join(files[i].Write(w), w.Close())
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return d.DB.Ingest(context.Background(), paths)
}
