package engine

import (
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
	disk := halt.New(o.FS, dir, func(err error) {
		slog.Error("the disk of a data folder failed: it is not written any more", "folder", dir, "error", err)
		f.Set(err)
	}, f.stuck)
	o.FS, o.Logger = disk, log{disk}
	o.EventListener = &lsm.EventListener{
		// The call that read the block fails, which is enough.
		DataCorruption: func(info lsm.DataCorruptionInfo) {
			slog.Error("the data folder is damaged", "file", info.Path, "error", info.Details.Error())
		},
		BackgroundError: func(err error) {
			if !errors.Is(err, halt.ErrHalted) {
				o.Logger.Errorf("background error: %s", err)
			}
		},
		FlushEnd: func(info lsm.FlushInfo) { f.flushed(info.Err) },
	}
	return disk
}

// Open opens the engine in dir, watched. Its errors are those of OpenError.
func (f *Failure) Open(dir string, o *lsm.Options) (db *lsm.DB, disk *halt.FS, err error) {
	plain := o.FS
	disk = f.Watch(o, dir)
	err = f.Guard(func() (err error) {
		db, err = lsm.Open(dir, o)
		return err
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

// flushed is told how the engine wrote out its memory.
func (f *Failure) flushed(err error) {
	if err != nil && err.Error() != emptyTable {
		f.stuck(err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flush = nil
}

// emptyTable is what the engine says, without a type, where nothing was left to
// write: that is no failure.
const emptyTable = "pebble: empty table"

// stuck is told that the engine cannot write out its memory. It tries again.
func (f *Failure) stuck(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flush = err
	f.tell()
}

// Await waits until the engine's memory is written out, which done tells of, or
// cannot be.
func (f *Failure) Await(ctx context.Context, done <-chan struct{}) error {
	for {
		changed, err := f.change()
		if err != nil {
			return err
		}
		select {
		case <-done:
			return f.Get()
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// change is closed when the next error comes.
func (f *Failure) change() (<-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.changed, f.writable()
}

// tell wakes those that wait for a change. f.mu is held.
func (f *Failure) tell() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
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
