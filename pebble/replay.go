package pebble

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

const (
	// replayDocs is how many versions are read back at a time.
	replayDocs = 4096
	// maxReplayLives bounds how many sealed versions Open looks at again to
	// make views of before possible.
	maxReplayLives = 200_000
)

// A replayed is a version that is not sealed, as its body tells.
type replayed struct {
	header       header
	resourceType string
	// prev is the version that this one took the place of.
	prev    doc
	entries []search.Entry
	err     error
}

// replay makes in memory what is not sealed, and the lifetimes that recent
// views need.
func (s *Store) replay(sealed doc) error {
	for first := sealed + 1; first <= s.last; first += replayDocs {
		chunk := make([]replayed, min(replayDocs, s.last-first+1))
		s.readBack(first, chunk)
		if err := s.replayChunk(first, chunk); err != nil {
			return err
		}
	}
	s.now.Store(uint32(s.last))
	s.live.at = s.last
	return s.replayLives(sealed)
}

// replayChunk shows versions. The numbers of their params are durable before:
// a head may be sealed as soon as it is shown.
func (s *Store) replayChunk(first doc, chunk []replayed) error {
	batch := s.db.NewBatch()
	numbers := numbering{params: s.params, batch: batch}
	terms := make([][]posting.Term, len(chunk))
	for i := range chunk {
		r, err := &chunk[i], error(nil)
		if err = r.err; err == nil && !r.header.erased() {
			terms[i], err = numbers.terms(r.resourceType, r.header.deleted(), r.entries)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("version %d: %w", first+doc(i), err), batch.Close())
		}
	}
	if err := batch.Commit(lsm.Sync); err != nil {
		return err
	}
	numbers.publish()
	for i := range chunk {
		s.replayDoc(first+doc(i), &chunk[i], terms[i])
	}
	return nil
}

// readBack extracts the versions from first on, on all processors.
func (s *Store) readBack(first doc, chunk []replayed) {
	s.eachOf(len(chunk), func(i int) { chunk[i] = s.readBackDoc(first + doc(i)) })
}

// eachOf calls fn for 0 to n-1, on all processors.
func (s *Store) eachOf(n int, fn func(i int)) {
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				fn(i)
			}
		})
	}
	wg.Wait()
}

func (s *Store) readBackDoc(d doc) (r replayed) {
	var id string
	if r.header, r.resourceType, id, r.err = s.header(d); r.err == nil {
		r.prev, r.err = s.superseded(&r.header)
	}
	if r.err != nil || r.header.deleted() || r.header.erased() {
		return r
	}
	v, err := s.withBody(d, &r.header, r.resourceType, id)
	if err == nil {
		r.entries, err = s.opt.Extract(v)
	}
	r.err = err
	return r
}

// superseded is the version that one with header h took the place of, 0 for
// none. One that was erased took no place.
func (s *Store) superseded(h *header) (doc, error) {
	if h.erased() {
		return 0, nil
	}
	c, err := s.before(current{header: *h})
	return c.doc, err
}

func (s *Store) replayDoc(d doc, r *replayed, terms []posting.Term) {
	s.lastMicros = r.header.micros
	w := written{doc: d, prev: r.prev, terms: terms, resourceType: r.resourceType, change: r.header.change()}
	s.show(&w)
	s.live.publish([]written{w}, d)
}

// replayLives reads, newest first, the sealed versions that a view within the
// retention may look behind.
func (s *Store) replayLives(sealed doc) error {
	oldest := s.opt.Now().Add(-s.opt.Retention).UnixMicro()
	it, err := s.db.NewIter(&lsm.IterOptions{LowerBound: docKey(tagVersion, 1), UpperBound: docKey(tagVersion, sealed+1)})
	if err != nil {
		return err
	}
	floor := sealed
	for ok := it.Last(); ok && sealed-floor < maxReplayLives; ok = it.Prev() {
		h, _, _, err := readVersion(it.Value())
		if err != nil {
			return errors.Join(err, it.Close())
		}
		s.lastMicros = max(s.lastMicros, h.micros)
		if h.micros < oldest {
			break
		}
		prev, err := s.superseded(&h)
		if err != nil {
			return errors.Join(err, it.Close())
		}
		if prev != 0 {
			s.lives.Supersede(prev, docOf(it.Key()))
		}
		floor = docOf(it.Key()) - 1
	}
	s.pins.Reset(floor)
	return errors.Join(it.Error(), it.Close())
}
