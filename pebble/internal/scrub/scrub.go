// Package scrub owns the rewriting of files that hold bytes of what was erased,
// in the background. What is still to do is a record of the engine, so that it
// goes on when a folder is opened again.
//
// It leaves to others: what was erased, and which ranges of keys that is in
// (pebble).
package scrub

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/pebble/internal/keyrange"
)

// A Scrubber is that of one engine.
type Scrubber struct {
	DB      *lsm.DB
	Failure *engine.Failure
	// Key is that of the record.
	Key []byte
	// Start is called when there is something to do; Open sets it.
	Start func()
	// Done has the goroutine that Start begins.
	Done sync.WaitGroup

	mu sync.Mutex
	// pending are in the record; those of an erasure are behind those before.
	pending keyrange.List
	running bool
	stop    context.CancelFunc
}

// maxRanges is how many ranges an erasure may leave. Of more, those of records
// of one kind are made one.
const maxRanges = 256

// Open reads the record and goes on with it.
func (q *Scrubber) Open() error {
	ctx, cancel := context.WithCancel(context.Background())
	q.stop = cancel
	q.Start = func() { q.Done.Go(func() { q.scrub(ctx) }) }
	value, closer, err := q.DB.Get(q.Key)
	if errors.Is(err, lsm.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	q.pending, err = keyrange.Read(value)
	if len(q.pending) > 0 {
		q.running = true
		q.Start()
	}
	return errors.Join(err, closer.Close())
}

// Plan calls commit, which writes the record for old and new ranges together
// with what makes the new ones necessary.
func (q *Scrubber) Plan(commit func(record func(keyrange.List) []byte) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	pending := q.pending
	err := commit(func(more keyrange.List) []byte {
		pending = slices.Concat(q.pending, more.Reduce(maxRanges))
		return pending.Append(nil)
	})
	if err != nil {
		return err
	}
	if q.pending = pending; !q.running && len(pending) > 0 {
		q.running = true
		q.Start()
	}
	return nil
}

// Close ends the goroutine, at a place where it can go on later.
func (q *Scrubber) Close() {
	q.stop()
	q.Done.Wait()
}

// Left is how many ranges are to be scrubbed.
func (q *Scrubber) Left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.pending)
}

// scrub works until nothing is pending.
func (q *Scrubber) scrub(ctx context.Context) {
	for {
		ranges := q.next()
		if len(ranges) == 0 {
			return
		}
		err := q.Failure.Guard(func() error { return q.compact(ctx, ranges) })
		if err == nil {
			err = q.scrubbed(len(ranges))
		}
		if err != nil {
			if ctx.Err() == nil {
				slog.Error("what was erased is still in the data folder's files", "error", err)
			}
			q.mu.Lock()
			q.running = false
			q.mu.Unlock()
			return
		}
	}
}

// next are the ranges to scrub now; none end the goroutine.
func (q *Scrubber) next() keyrange.List {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) == 0 {
		q.running = false
	}
	return slices.Clone(q.pending)
}

// compact rewrites ranges from the engine's memory down to its last level. The
// flush goes first: the engine compacts as deep as there were files, and the
// marks of deletion, which hold keys, are to go too.
func (q *Scrubber) compact(ctx context.Context, ranges keyrange.List) error {
	if err := engine.FlushAll(ctx, q.DB, q.Failure); err != nil {
		return err
	}
	for _, r := range ranges.Reduce(maxRanges) {
		if err := q.DB.Compact(ctx, r.From, r.To, false); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// scrubbed takes the first n ranges off the record.
func (q *Scrubber) scrubbed(n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.pending[n:]
	err := q.Failure.Guard(func() error {
		if len(rest) == 0 {
			return q.DB.Delete(q.Key, lsm.Sync)
		}
		return q.DB.Set(q.Key, rest.Append(nil), lsm.Sync)
	})
	if err == nil {
		q.pending = rest
	}
	return err
}
