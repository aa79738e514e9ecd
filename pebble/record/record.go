// Package record owns the embedded backend of kv: records in a folder of their
// own, one instance of the Pebble key-value engine.
//
// It leaves to others: what the records mean (their owners), and resources
// (pebble).
package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble/internal/engine"
)

// The key space of a DB. Every key begins with one of these bytes.
//
//	f                    the format's version, decimal
//	r key                expiry (8 bytes, Unix nanoseconds, 0: never), value
//	x expiry key         empty: the record may be removed at expiry
const (
	tagFormat = 'f'
	tagRecord = 'r'
	tagExpiry = 'x'
)

// formatVersion is the newest layout that this code reads.
const formatVersion = 1

// sweepRecords is how many expired records one Update removes beside its own work.
// It is more than one, so that the queue shrinks while records are added.
const sweepRecords = 32

// Options for Open. The zero value is right outside tests.
type Options struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Now is the clock that records expire by; nil is time.Now.
	Now func() time.Time
}

// A DB is a kv.DB in a folder of its own. Updates run one at a time, their
// fsyncs are shared. An Update inside an Update waits for itself: don't.
//
// Expired records are invisible at once; each Update removes some of them, and
// opening removes all.
type DB struct {
	db  *lsm.DB
	now func() time.Time
	// writer is held by the Update that is running.
	writer chan struct{}
	// changes counts the batches that can be seen.
	changes atomic.Uint64

	mu     sync.Mutex
	closed bool
	failed error
	// open counts running views and updates.
	open sync.WaitGroup
}

var _ kv.Counter = (*DB)(nil)

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
	db, err := openEngine(dir, opt.FS)
	if err != nil {
		return nil, err
	}
	d := &DB{db: db, now: opt.Now, writer: make(chan struct{}, 1)}
	if err := d.prepare(dir); err != nil {
		return nil, errors.Join(engine.Damaged(err), db.Close())
	}
	return d, nil
}

// memTable is small: the records are few, and every data folder has one.
const memTable = 4 << 20

func openEngine(dir string, disk vfs.FS) (*lsm.DB, error) {
	db, err := lsm.Open(dir, &lsm.Options{
		FS:                 disk,
		Logger:             engine.Log{},
		EventListener:      engine.Events(),
		MemTableSize:       memTable,
		FormatMajorVersion: lsm.FormatValueSeparation,
	})
	if err != nil {
		return nil, engine.OpenError(dir, disk, err)
	}
	return db, nil
}

// prepare checks the format and removes what expired while the folder was
// closed, so that secrets do not outlive their time on disk.
func (d *DB) prepare(dir string) error {
	if err := d.checkFormat(dir); err != nil {
		return err
	}
	for {
		removed := 0
		err := d.Update(context.Background(), func(tx kv.Tx) error {
			var err error
			removed, err = tx.(*transaction).sweep(1000)
			return err
		})
		if err != nil || removed == 0 {
			return err
		}
	}
}

func (d *DB) checkFormat(dir string) error {
	value, closer, err := d.db.Get([]byte{tagFormat})
	if errors.Is(err, lsm.ErrNotFound) {
		return d.db.Set([]byte{tagFormat}, fmt.Appendf(nil, "%d", formatVersion), lsm.Sync)
	}
	if err != nil {
		return engine.OpenError(dir, vfs.Default, err)
	}
	defer closer.Close()
	version := 0
	if _, err := fmt.Sscanf(string(value), "%d", &version); err != nil || version < 1 {
		return fmt.Errorf("%w: %s: the format's version is %q", engine.ErrDamaged, dir, value)
	}
	if version > formatVersion {
		return fmt.Errorf("%w: %s has record format %d, this program reads up to %d", engine.ErrNewer, dir, version, formatVersion)
	}
	return nil
}

// Changes implements kv.Counter.
func (d *DB) Changes() uint64 { return d.changes.Load() }

// View implements kv.DB on a snapshot.
func (d *DB) View(ctx context.Context, fn func(kv.Tx) error) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.open.Done()
	snapshot := d.db.NewSnapshot()
	defer snapshot.Close()
	tx := &transaction{read: snapshot, now: d.now()}
	defer tx.end()
	return fn(tx)
}

// Update implements kv.DB. The lock is free again before the fsync, so that
// waiting updates share one: later writes follow in the same log, and none is
// durable without those before it.
func (d *DB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.open.Done()
	batch, err := d.apply(ctx, fn)
	if batch == nil || err != nil {
		return err
	}
	if err := batch.SyncWait(); err != nil {
		return d.fail(err)
	}
	return batch.Close()
}

// apply runs fn alone and writes what it wrote, without waiting for the disk.
// It returns nil where there was nothing to write.
func (d *DB) apply(ctx context.Context, fn func(kv.Tx) error) (*lsm.Batch, error) {
	select {
	case d.writer <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-d.writer }()
	if err := d.failure(); err != nil {
		return nil, err
	}
	batch := d.db.NewIndexedBatch()
	tx := &transaction{read: batch, batch: batch, now: d.now()}
	defer tx.end()
	if err := fn(tx); err != nil {
		return nil, errors.Join(err, batch.Close())
	}
	if batch.Empty() {
		return nil, batch.Close()
	}
	if _, err := tx.sweep(sweepRecords); err != nil {
		return nil, errors.Join(err, batch.Close())
	}
	return batch, d.write(batch)
}

// write hands a batch to the engine, which panics where its log is broken.
func (d *DB) write(batch *lsm.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = d.fail(fmt.Errorf("%v", p))
		}
	}()
	defer d.changes.Add(1) // whatever came of it
	if err := d.db.ApplyNoSyncWait(batch, lsm.Sync); err != nil {
		return d.fail(err)
	}
	return nil
}

// Close waits for running views and updates.
func (d *DB) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return kv.ErrClosed
	}
	d.closed = true
	d.mu.Unlock()
	d.open.Wait()
	return d.db.Close()
}

func (d *DB) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return kv.ErrClosed
	}
	d.open.Add(1)
	return nil
}

// fail remembers that the log is broken: what was written after that may be
// lost, so nothing more is taken until the folder is opened again.
func (d *DB) fail(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		d.failed = fmt.Errorf("pebble: a write failed, the records must be opened again: %w", err)
	}
	return d.failed
}

func (d *DB) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// A transaction is a kv.Tx; batch is nil in a view.
type transaction struct {
	read  lsm.Reader
	batch *lsm.Batch
	now   time.Time
	ended bool
}

func (tx *transaction) end() { tx.ended = true }

func (tx *transaction) Get(key []byte) ([]byte, error) {
	if tx.ended {
		return nil, kv.ErrClosed
	}
	stored, closer, err := tx.read.Get(recordKey(key))
	if errors.Is(err, lsm.ErrNotFound) {
		return nil, kv.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	value, live, err := tx.open(stored)
	if err != nil {
		return nil, err
	}
	if !live {
		return nil, kv.ErrNotFound
	}
	return bytes.Clone(value), nil
}

func (tx *transaction) Set(key, value []byte, expires time.Time) error {
	if err := tx.writable(); err != nil {
		return err
	}
	header := make([]byte, 8, 8+len(value))
	if !expires.IsZero() {
		binary.BigEndian.PutUint64(header, uint64(max(expires.UnixNano(), 1)))
		if err := tx.batch.Set(expiryKey(header, key), nil, nil); err != nil {
			return err
		}
	}
	return tx.batch.Set(recordKey(key), append(header, value...), nil)
}

// Delete leaves the record's place in the expiry queue: the sweep finds it
// pointing nowhere.
func (tx *transaction) Delete(key []byte) error {
	if err := tx.writable(); err != nil {
		return err
	}
	return tx.batch.Delete(recordKey(key), nil)
}

func (tx *transaction) Scan(from, to []byte) iter.Seq2[kv.Record, error] {
	return func(yield func(kv.Record, error) bool) {
		if tx.ended {
			yield(kv.Record{}, kv.ErrClosed)
			return
		}
		if err := tx.scan(from, to, yield); err != nil {
			yield(kv.Record{}, err)
		}
	}
}

// scan returns an error only where yield wants more.
func (tx *transaction) scan(from, to []byte, yield func(kv.Record, error) bool) error {
	upper := []byte{tagRecord + 1}
	if to != nil {
		upper = recordKey(to)
	}
	it, err := tx.read.NewIter(&lsm.IterOptions{LowerBound: recordKey(from), UpperBound: upper})
	if err != nil {
		return err
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		stored, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		value, live, err := tx.open(stored)
		if err != nil {
			return err
		}
		record := kv.Record{Key: bytes.Clone(it.Key()[1:]), Value: bytes.Clone(value)}
		if live && !yield(record, nil) {
			return nil
		}
	}
	return it.Error()
}

// sweep removes up to limit records whose time is over, and says how many
// places of the queue it took.
func (tx *transaction) sweep(limit int) (int, error) {
	until := binary.BigEndian.AppendUint64([]byte{tagExpiry}, uint64(max(tx.now.UnixNano(), 0)+1))
	it, err := tx.batch.NewIter(&lsm.IterOptions{LowerBound: []byte{tagExpiry}, UpperBound: until})
	if err != nil {
		return 0, err
	}
	var due [][]byte
	for it.First(); it.Valid() && len(due) < limit; it.Next() {
		due = append(due, bytes.Clone(it.Key()))
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return 0, err
	}
	for _, place := range due {
		if err := tx.expire(place); err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

// expire takes one place of the queue, and the record with it unless the
// record was written again with another expiry.
func (tx *transaction) expire(place []byte) error {
	key := place[9:]
	stored, closer, err := tx.batch.Get(recordKey(key))
	if err != nil && !errors.Is(err, lsm.ErrNotFound) {
		return err
	}
	if err == nil {
		same := bytes.HasPrefix(stored, place[1:9])
		if err := closer.Close(); err != nil {
			return err
		}
		if same {
			if err := tx.batch.Delete(recordKey(key), nil); err != nil {
				return err
			}
		}
	}
	return tx.batch.Delete(place, nil)
}

func (tx *transaction) writable() error {
	if tx.ended {
		return kv.ErrClosed
	}
	if tx.batch == nil {
		return kv.ErrReadOnly
	}
	return nil
}

// open splits a stored value and says whether it has not expired. The whole
// transaction has one now, so that it never sees a record vanish.
func (tx *transaction) open(stored []byte) (value []byte, live bool, err error) {
	if len(stored) < 8 {
		return nil, false, fmt.Errorf("%w: a record of %d bytes has no header", engine.ErrDamaged, len(stored))
	}
	expires := int64(binary.BigEndian.Uint64(stored))
	return stored[8:], expires == 0 || tx.now.UnixNano() < expires, nil
}

func recordKey(key []byte) []byte {
	return append([]byte{tagRecord}, key...)
}

func expiryKey(header, key []byte) []byte {
	b := append([]byte{tagExpiry}, header...)
	return append(b, key...)
}
