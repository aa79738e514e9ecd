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

// replayDocs is how many versions are read back at a time.
const replayDocs = 4096

// A replayed is a version that is not sealed, as its body tells.
type replayed struct {
	header       header
	resourceType string
	// prev is the version that this one took the place of.
	prev    doc
	entries []search.Entry
	err     error
}

// replay makes in memory what is not sealed. What views of times before need
// is read when there is one (reachLives).
func (s *Store) replay(sealed doc) error {
	for first := sealed + 1; first <= s.last; first += replayDocs {
		chunk := make([]replayed, min(replayDocs, s.last-first+1))
		s.readBack(first, chunk)
		if err := s.replayChunk(first, chunk); err != nil {
			return err
		}
	}
	if s.last == sealed && sealed > 0 {
		h, _, _, err := s.header(sealed)
		if err != nil {
			return err
		}
		s.lastMicros = h.micros
	}
	s.now.Store(uint32(s.last))
	s.live.at = s.last
	s.pins.Reset(sealed)
	return nil
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
			terms[i], err = numbers.appendTerms(make([]posting.Term, 0, len(r.entries)+1), r.resourceType, r.header.deleted(), r.entries)
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

// reachLives reads the sealed versions behind to, up to floor, for views at a
// time before the store was opened: when each took the place of another.
func (s *Store) reachLives(to, floor doc) error {
	it, err := s.db.NewIter(&lsm.IterOptions{LowerBound: docKey(tagVersion, to+1), UpperBound: docKey(tagVersion, floor+1)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = s.reachLife(docOf(it.Key()), it.Value())
	}
	return errors.Join(err, it.Error(), it.Close())
}

func (s *Store) reachLife(d doc, record []byte) error {
	h, _, _, err := readVersion(record)
	if err != nil || h.prev == 0 {
		return err
	}
	prev, err := s.superseded(&h)
	if err == nil && prev != 0 {
		s.lives.Recall(prev, d)
	}
	return err
}
