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

// A DB is a kv.DB in a folder of its own. Updates run one at a time, their
// fsyncs are shared. An Update inside an Update waits for itself: don't.
//
// Expired records are invisible at once; each Update removes some of them, and
// opening removes all.
//
// Where the disk fails, records can be read and not written. Where it was full,
// the engine is opened again when there is space: all updates that were
// acknowledged are there, and one that failed then may be.
type DB struct {
	dir string
	opt Options
	// writer is held by the Update that is running.
	writer chan struct{}
	// changes counts the batches that can be seen.
	changes atomic.Uint64

	mu     sync.Mutex
	closed bool
	now    *opened
	// users counts running views and updates; idle, where not nil, is closed
	// when there are none.
	users int
	idle  chan struct{}
	// tried is when it was last tried to open the engine again.
	tried time.Time
}

var _ kv.Counter = (*DB)(nil)

// Changes implements kv.Counter.
func (d *DB) Changes() uint64 { return d.changes.Load() }

// View implements kv.DB on a snapshot.
func (d *DB) View(ctx context.Context, fn func(kv.Tx) error) error {
	at, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer d.leave()
	snapshot := at.db.NewSnapshot()
	defer snapshot.Close()
	tx := &transaction{read: snapshot, now: d.opt.Now()}
	defer tx.end()
	return fn(tx)
}

// Update implements kv.DB. The lock is free again before the fsync, so that
// waiting updates share one: later writes follow in the same log, and none is
// durable without those before it.
func (d *DB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	at, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer d.leave()
	return d.update(ctx, at, fn)
}

func (d *DB) update(ctx context.Context, at *opened, fn func(kv.Tx) error) error {
	batch, err := d.apply(ctx, at, fn)
	if batch == nil || err != nil {
		return err
	}
	if err := at.failure.Guard(batch.SyncWait); err != nil {
		return at.failure.Set(err)
	}
	return batch.Close()
}

// apply runs fn alone and writes what it wrote, without waiting for the disk.
// It returns nil where there was nothing to write.
func (d *DB) apply(ctx context.Context, at *opened, fn func(kv.Tx) error) (*lsm.Batch, error) {
	select {
	case d.writer <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-d.writer }()
	if err := at.failure.Get(); err != nil {
		return nil, err
	}
	batch := at.db.NewIndexedBatch()
	tx := &transaction{read: batch, batch: batch, now: d.opt.Now()}
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
	defer d.changes.Add(1) // whatever came of it
	if err := at.failure.Guard(func() error { return at.db.ApplyNoSyncWait(batch, lsm.Sync) }); err != nil {
		return nil, at.failure.Set(err)
	}
	return batch, nil
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
