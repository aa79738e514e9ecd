package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/pebble/internal/halt"
)

// Options for Open. The zero value is right outside tests.
type Options struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Now is the clock that records expire by; nil is time.Now.
	Now func() time.Time
}

// opened is an engine that was opened, and what is known of its disk. The engine
// is nil where it could not be opened again.
type opened struct {
	db      *lsm.DB
	disk    *halt.FS
	failure engine.Failure
}

// Open opens the records in dir, making it where it is not there. It fails
// with pebble.ErrLocked, ErrNewer or ErrDamaged where the folder is not to be
// opened.
func Open(dir string, opt Options) (*DB, error) {
	if opt.FS == nil {
		opt.FS = vfs.Default
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	d := &DB{dir: dir, opt: opt, writer: make(chan struct{}, 1)}
	var err error
	if d.now, err = d.open(); err != nil {
		return nil, err
	}
	return d, nil
}

// memTable is small: the records are few, and every data folder has one.
const memTable = 4 << 20

func (d *DB) open() (*opened, error) {
	at := &opened{failure: engine.Failure{Of: "the server's own records"}}
	var err error
	at.db, at.disk, err = at.failure.Open(d.dir, &lsm.Options{
		FS:                 d.opt.FS,
		MemTableSize:       memTable,
		FormatMajorVersion: lsm.FormatValueSeparation,
	})
	if err != nil {
		return nil, err
	}
	err = d.prepare(at)
	if err == nil {
		err = at.failure.Get()
	}
	if err != nil {
		return nil, errors.Join(engine.Damaged(err), at.close())
	}
	return at, nil
}

func (at *opened) close() error {
	if at.failure.Fatal() {
		return at.failure.Get() // it stopped in the middle of something and holds its locks
	}
	at.disk.Release()
	return at.db.Close()
}

// prepare checks the format and removes what expired while the folder was
// closed, so that secrets do not outlive their time on disk.
func (d *DB) prepare(at *opened) error {
	if err := d.checkFormat(at.db); err != nil {
		return err
	}
	for {
		removed := 0
		err := d.update(context.Background(), at, func(tx kv.Tx) error {
			var err error
			removed, err = tx.(*transaction).sweep(1000)
			return err
		})
		if err != nil || removed == 0 {
			return err
		}
	}
}

func (d *DB) checkFormat(db *lsm.DB) error {
	value, closer, err := db.Get([]byte{tagFormat})
	if errors.Is(err, lsm.ErrNotFound) {
		return db.Set([]byte{tagFormat}, fmt.Appendf(nil, "%d", formatVersion), lsm.Sync)
	}
	if err != nil {
		return engine.OpenError(d.dir, vfs.Default, err)
	}
	defer closer.Close()
	version := 0
	if _, err := fmt.Sscanf(string(value), "%d", &version); err != nil || version < 1 {
		return fmt.Errorf("%w: %s: the format's version is %q", engine.ErrDamaged, d.dir, value)
	}
	if version > formatVersion {
		return fmt.Errorf("%w: %s has record format %d, this program reads up to %d", engine.ErrNewer, d.dir, version, formatVersion)
	}
	return nil
}

// Close waits for running views and updates.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return kv.ErrClosed
	}
	d.closed = true
	if d.users > 0 {
		d.idle = make(chan struct{})
		d.mu.Unlock()
		<-d.idle
		d.mu.Lock()
	}
	if d.now.db == nil {
		return nil
	}
	return d.now.close()
}

// Failed is why the records cannot be written, nil where they can be.
func (d *DB) Failed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now.failure.Get()
}

// enter returns the engine for a view or an update, which must leave.
func (d *DB) enter(ctx context.Context) (*opened, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, kv.ErrClosed
	}
	if d.users == 0 {
		d.reopen()
	}
	if d.now.db == nil {
		return nil, d.now.failure.Get()
	}
	d.users++
	return d.now, nil
}

func (d *DB) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users--; d.users == 0 && d.idle != nil {
		close(d.idle)
	}
}

// reopenTime is how long it is not tried to open the engine again after it was.
const reopenTime = time.Second

// reopen opens an engine again whose disk was full, where there is space now.
// Nobody uses it, and d.mu is held.
func (d *DB) reopen() {
	old := d.now
	if !old.failure.Passes() || time.Since(d.tried) < reopenTime {
		return
	}
	d.tried = time.Now()
	if engine.Room(d.opt.FS, d.dir) != nil {
		return
	}
	if old.db != nil {
		if err := old.close(); err != nil {
			slog.Error("the server's records could not be closed", "error", err)
		}
	}
	again, err := d.open()
	if err != nil {
		slog.Error("the server's records could not be opened again", "error", err)
		again = &opened{failure: engine.Failure{Of: old.failure.Of}}
		_ = again.failure.Set(err)
	} else {
		slog.Info("the disk has space again: the server's records can be written")
	}
	d.now = again
	d.changes.Add(1)
}
