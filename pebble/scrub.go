package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"log/slog"
	"slices"
	"sync"

	lsm "github.com/cockroachdb/pebble/v2"
)

// A scrubber makes the engine write anew the files that hold bytes of what was
// erased, in the background. What is still to do is a record of the store, so
// that it goes on when the folder is opened again.
type scrubber struct {
	mu sync.Mutex
	// pending are in the record; those of an erasure are behind those before.
	pending keyRanges
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
		q.pending, err = readRanges(value)
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
func (q *scrubber) plan(commit func(record func(keyRanges) []byte) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	pending := q.pending
	err := commit(func(more keyRanges) []byte {
		pending = slices.Concat(q.pending, more.reduce(maxScrubRanges))
		return appendRanges(nil, pending)
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
func (q *scrubber) next() keyRanges {
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
func (s *Store) compact(ctx context.Context, ranges keyRanges) error {
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, r := range ranges.reduce(maxScrubRanges) {
		if err := s.db.Compact(ctx, r.from, r.to, false); err != nil {
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
		return s.db.Set(scrubKey(), appendRanges(nil, rest), lsm.Sync)
	})
	if err == nil {
		q.pending = rest
	}
	return err
}

// keyRanges are ranges of keys with their bounds. They are stored, so bounds
// hold nothing of what was erased.
type keyRanges []keyRange

type keyRange struct{ from, to []byte }

// add adds the range around a key; keys in order make each range once.
func (r *keyRanges) add(key []byte) {
	next := around(key)
	if n := len(*r); n == 0 || !bytes.Equal((*r)[n-1].from, next.from) {
		*r = append(*r, next)
	}
}

// around is the terms of one param, the versions of a 16th of a segment, or the
// resources of a type.
func around(key []byte) keyRange {
	switch key[0] {
	case tagTerm:
		lower, upper := termBounds(binary.BigEndian.Uint16(key[1:]))
		return keyRange{lower, upper}
	case tagResource:
		n := bytes.IndexByte(key, 0)
		return keyRange{slices.Clone(key[:n+1]), append(slices.Clone(key[:n]), 1)}
	}
	first := docOf(key) >> posting.ChunkBits << posting.ChunkBits
	return keyRange{docKey(key[0], first), docKey(key[0], first+posting.ChunkDocs)}
}

// reduce returns the ranges in order, those that meet as one, and those of
// records of one kind as one where there are more than most.
func (r keyRanges) reduce(most int) keyRanges {
	ordered := slices.Clone(r)
	slices.SortFunc(ordered, func(a, b keyRange) int { return bytes.Compare(a.from, b.from) })
	joined := ordered.join(func(last, next keyRange) bool { return bytes.Compare(next.from, last.to) <= 0 })
	if len(joined) > most {
		joined = joined.join(func(last, next keyRange) bool { return last.from[0] == next.from[0] })
	}
	return joined
}

func (r keyRanges) join(one func(last, next keyRange) bool) (joined keyRanges) {
	for _, next := range r {
		if n := len(joined); n > 0 && one(joined[n-1], next) {
			if bytes.Compare(next.to, joined[n-1].to) > 0 {
				joined[n-1].to = next.to
			}
			continue
		}
		joined = append(joined, next)
	}
	return joined
}

func appendRanges(b []byte, ranges keyRanges) []byte {
	for _, r := range ranges {
		for _, bound := range [][]byte{r.from, r.to} {
			b = binary.AppendUvarint(b, uint64(len(bound)))
			b = append(b, bound...)
		}
	}
	return b
}

func readRanges(b []byte) (ranges keyRanges, err error) {
	d := decoder{b: slices.Clone(b)}
	for len(d.b) > 0 && !d.bad {
		ranges = append(ranges, keyRange{from: d.bytes(d.uvarint()), to: d.bytes(d.uvarint())})
	}
	if d.bad || slices.ContainsFunc(ranges, func(r keyRange) bool { return bytes.Compare(r.from, r.to) >= 0 }) {
		return nil, fmt.Errorf("%w: what is to be scrubbed", errRecord)
	}
	return ranges, nil
}
