package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/keyrange"
	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// A scrubber makes the engine write anew the files that hold bytes of what was
// erased, in the background. What is still to do is a record of the store, so
// that it goes on when the folder is opened again.
type scrubber struct {
	mu sync.Mutex
	// pending are in the record; those of an erasure are behind those before.
	pending keyrange.List
	running bool
	// start is called, holding mu, when there is something to do.
	start func()
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// scrubKey holds the ranges.
func scrubKey() []byte { return []byte{tagMeta, 's', 'c', 'r', 'u', 'b'} }

// maxScrubRanges is how many ranges an erasure may leave. Of more, those of
// records of one kind are made one.
const maxScrubRanges = 256

// scrubbing reads the record and goes on with it.
func (s *Store) scrubbing() error {
	ctx, cancel := context.WithCancel(context.Background())
	q := &s.scrubs
	q.stop = cancel
	q.start = func() { q.done.Go(func() { s.scrub(ctx) }) }
	_, err := s.get(scrubKey(), func(value []byte) (err error) {
		q.pending, err = keyrange.Read(value)
		return err
	})
	if len(q.pending) > 0 {
		q.running = true
		q.start()
	}
	return err
}

// plan calls commit, which writes the record for old and new ranges together
// with what makes the new ones necessary.
func (q *scrubber) plan(commit func(record func(keyrange.List) []byte) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	pending := q.pending
	err := commit(func(more keyrange.List) []byte {
		pending = slices.Concat(q.pending, more.Reduce(maxScrubRanges))
		return pending.Append(nil)
	})
	if err != nil {
		return err
	}
	if q.pending = pending; !q.running && len(pending) > 0 {
		q.running = true
		q.start()
	}
	return nil
}

// wait ends the goroutine, at a place where it can go on later.
func (q *scrubber) wait() {
	q.stop()
	q.done.Wait()
}

// left is how many ranges are to be scrubbed.
func (q *scrubber) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.pending)
}

// scrub works until nothing is pending.
func (s *Store) scrub(ctx context.Context) {
	for {
		ranges := s.scrubs.next()
		if len(ranges) == 0 {
			return
		}
		err := s.failure.Guard(func() error { return s.compact(ctx, ranges) })
		if err == nil {
			err = s.scrubbed(len(ranges))
		}
		if err != nil {
			if ctx.Err() == nil {
				slog.Error("what was erased is still in the data folder's files", "error", err)
			}
			s.scrubs.mu.Lock()
			s.scrubs.running = false
			s.scrubs.mu.Unlock()
			return
		}
	}
}

// next are the ranges to scrub now; none end the goroutine.
func (q *scrubber) next() keyrange.List {
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
func (s *Store) compact(ctx context.Context, ranges keyrange.List) error {
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, r := range ranges.Reduce(maxScrubRanges) {
		if err := s.db.Compact(ctx, r.From, r.To, false); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// scrubbed takes the first n ranges off the record.
func (s *Store) scrubbed(n int) error {
	q := &s.scrubs
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.pending[n:]
	err := s.failure.Guard(func() error {
		if len(rest) == 0 {
			return s.db.Delete(scrubKey(), lsm.Sync)
		}
		return s.db.Set(scrubKey(), rest.Append(nil), lsm.Sync)
	})
	if err == nil {
		q.pending = rest
	}
	return err
}

// around is the terms of one param, the versions of a 16th of a segment, or the
// resources of a type.
func around(key []byte) keyrange.Range {
	switch key[0] {
	case tagTerm:
		lower, upper := lists.Bounds(binary.BigEndian.Uint16(key[1:]))
		return keyrange.Range{From: lower, To: upper}
	case tagResource:
		n := bytes.IndexByte(key, 0)
		return keyrange.Range{From: slices.Clone(key[:n+1]), To: append(slices.Clone(key[:n]), 1)}
	}
	first := docOf(key) >> posting.ChunkBits << posting.ChunkBits
	return keyrange.Range{From: docKey(key[0], first), To: docKey(key[0], first+posting.ChunkDocs)}
}
