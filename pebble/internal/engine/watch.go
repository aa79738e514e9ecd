package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/halt"
)

// Watch lets an engine that is to be opened in dir tell f of the errors of its
// disk. They do not end the process, and the engine does not see those that it
// cannot live with: whoever waits for it to make something durable has to ask f
// before that counts. The file system is to be released before the engine is
// closed.
func (f *Failure) Watch(o *lsm.Options, dir string) *halt.FS {
	disk := halt.New(o.FS, dir, f.Pause, func(err error) {
		slog.Error("the disk of a data folder failed: it is not written any more", "folder", dir, "error", err)
		f.Set(err)
	})
	o.FS, o.Logger = disk, log{disk}
	flushes := 0 // that failed, one after the other
	var others lsm.EventListener
	if o.EventListener != nil {
		others = *o.EventListener
	}
	others.EnsureDefaults(o.Logger)
	o.EventListener = &lsm.EventListener{
		FlushBegin: others.FlushBegin,
		// The call that read the block fails, which is enough.
		DataCorruption: func(info lsm.DataCorruptionInfo) {
			slog.Error("the data folder is damaged", "file", info.Path, "error", info.Details.Error())
		},
		BackgroundError: func(err error) {
			if !errors.Is(err, halt.ErrHalted) {
				o.Logger.Errorf("background error: %s", err)
			}
		},
		// One flush runs at a time.
		FlushEnd: func(info lsm.FlushInfo) {
			others.FlushEnd(info)
			if info.Err == nil || info.Err.Error() == emptyTable {
				flushes = 0
			} else if flushes++; flushes >= maxFlushes {
				disk.Halt(info.Err)
			}
		},
	}
	return disk
}

// maxFlushes is how often the engine tries to write out its memory: writers and
// the ingestion of files would wait for it for ever.
const maxFlushes = 3

// emptyTable is what the engine says, without a type, where nothing was left to
// write: that is no failure.
const emptyTable = "pebble: empty table"

// Open opens the engine in dir, watched. Its errors are those of OpenError.
func (f *Failure) Open(dir string, o *lsm.Options) (db *lsm.DB, disk *halt.FS, err error) {
	plain := o.FS
	disk = f.Watch(o, dir)
	err = f.Guard(func() (err error) {
		db, err = lsm.Open(dir, o)
		return cmp.Or(err, disk.Elsewhere())
	})
	if err == nil {
		return db, disk, nil
	}
	if db != nil {
		disk.Release()
		err = errors.Join(err, db.Close())
	}
	return nil, nil, OpenError(dir, plain, err)
}

// Checkpoint has the engine copy its files to another folder, one at a time.
func (f *Failure) Checkpoint(db *lsm.DB, disk *halt.FS, to string) error {
	return f.Guard(func() error {
		_ = disk.Elsewhere() // of a copy before
		err := db.Checkpoint(to, lsm.WithFlushedWAL())
		return cmp.Or(err, disk.Elsewhere())
	})
}

// await waits until the engine's memory is written out, which done tells of, or
// cannot be.
func (f *Failure) await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
	case <-f.failed():
	case <-ctx.Done():
		return ctx.Err()
	}
	return f.Get()
}

// failed is closed at the first error.
func (f *Failure) failed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = make(chan struct{})
		if f.cause != nil {
			close(f.first)
		}
	}
	return f.first
}

// log passes on what an operator must see.
type log struct{ disk *halt.FS }

// Infof implements lsm.Logger: it drops what is of no use to an operator.
func (log) Infof(string, ...any) {}

// Errorf implements lsm.Logger.
func (log) Errorf(format string, args ...any) {
	slog.Error("storage engine", "error", fmt.Sprintf(format, args...))
}

// Fatalf implements lsm.Logger. The engine gives up here, which must not end the
// process with all its other data stores: this one's files stay as they are.
func (l log) Fatalf(format string, args ...any) {
	l.disk.Halt(fmt.Errorf("%w: %s", errGaveUp, fmt.Sprintf(format, args...)))
}

var errGaveUp = errors.New("pebble: the storage engine gave up")
