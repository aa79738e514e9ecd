package pebble

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"
)

// lifetimes knows which docs are superseded, and of the recent ones since when.
// One goroutine marks, any number read.
//
// Per segment there is a bitmap of superseded docs, made when the first is
// marked. Beside it stand, in chunks, the docs that superseded them; a chunk is
// dropped when no view can be old enough to need it.
type lifetimes struct {
	segments [1 << segmentBits]atomic.Pointer[segmentLife]
	// dirty are the segments that changed since they were saved.
	mu    sync.Mutex
	dirty map[uint16]bool
}

const (
	chunkBits = 12
	chunkDocs = 1 << chunkBits
)

type segmentLife struct {
	dead   [bitmapWords]atomic.Uint64
	chunks [1 << segmentBits / chunkDocs]atomic.Pointer[lifeChunk]
}

// A lifeChunk holds for each of its docs the doc that superseded it, 0 where
// that is longer ago than any view, or has not happened.
type lifeChunk struct {
	ends [chunkDocs]atomic.Uint32
	// newest is the highest of ends.
	newest atomic.Uint32
}

func (l *lifetimes) grow(segment uint16) *segmentLife {
	s := l.segments[segment].Load()
	if s == nil {
		s = &segmentLife{}
		l.segments[segment].Store(s)
	}
	return s
}

// supersede marks that by took the place of d.
func (l *lifetimes) supersede(d, by doc) {
	s := l.grow(d.segment())
	low := uint16(d)
	slot := &s.chunks[low>>chunkBits]
	chunk := slot.Load()
	if chunk == nil {
		chunk = &lifeChunk{}
		slot.Store(chunk)
	}
	chunk.ends[low%chunkDocs].Store(uint32(by))
	chunk.newest.Store(max(chunk.newest.Load(), uint32(by)))
	// The bit comes last: who sees it finds the end.
	s.dead[low/64].Or(1 << (low % 64))
	l.soil([]uint16{d.segment()})
}

// erase takes docs out of every view for good. The caller is the goroutine that
// marks.
func (l *lifetimes) erase(d doc) {
	s, low := l.grow(d.segment()), uint16(d)
	if chunk := s.chunks[low>>chunkBits].Load(); chunk != nil {
		chunk.ends[low%chunkDocs].Store(0)
	}
	s.dead[low/64].Or(1 << (low % 64))
}

// soil notes segments that must be saved.
func (l *lifetimes) soil(segments []uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dirty == nil {
		l.dirty = map[uint16]bool{}
	}
	for _, segment := range segments {
		l.dirty[segment] = true
	}
}

// alive reports whether a doc was not superseded yet at the time at.
func (s *segmentLife) alive(low uint16, at doc) bool {
	if s.dead[low/64].Load()&(1<<(low%64)) == 0 {
		return true
	}
	chunk := s.chunks[low>>chunkBits].Load()
	return chunk != nil && doc(chunk.ends[low%chunkDocs].Load()) > at
}

// fewDocs is up to how many docs of a segment are looked at one by one.
const fewDocs = 128

// visible narrows a set to what a view at the time at shows.
func (l *lifetimes) visible(set *roaring.Bitmap, at doc) {
	set.RemoveRange(uint64(at)+1, 1<<32)
	var gone []uint32
	dense := roaring.New()
	for it := set.Iterator(); it.HasNext(); {
		segment := doc(it.PeekNext()).segment()
		start := uint64(segment) << segmentBits
		end := start + 1<<segmentBits
		if s := l.segments[segment].Load(); s != nil {
			if set.CardinalityInRange(start, end) > fewDocs {
				dense.Or(s.gone(segment, at))
			} else {
				for it.HasNext() && uint64(it.PeekNext()) < end {
					if d := it.Next(); !s.alive(uint16(d), at) {
						gone = append(gone, d)
					}
				}
			}
		}
		if end > 1<<32-1 {
			break
		}
		it.AdvanceIfNeeded(uint32(end))
	}
	if len(gone) > 0 {
		dense.AddMany(gone)
	}
	if !dense.IsEmpty() {
		set.AndNot(dense)
	}
}

// gone is the docs of a segment that were superseded at the time at.
func (s *segmentLife) gone(segment uint16, at doc) *roaring.Bitmap {
	var words [bitmapWords]uint64
	for i := range words {
		words[i] = s.dead[i].Load()
	}
	const chunkWords = chunkDocs / 64
	for i := range s.chunks {
		// Chunks come behind the words: who sees a bit finds its end.
		chunk := s.chunks[i].Load()
		if chunk == nil || doc(chunk.newest.Load()) <= at {
			continue
		}
		for j := i * chunkWords; j < (i+1)*chunkWords; j++ {
			for w := words[j]; w != 0; w &= w - 1 {
				bit := bits.TrailingZeros64(w)
				if doc(chunk.ends[(j*64+bit)%chunkDocs].Load()) > at {
					words[j] &^= 1 << bit
				}
			}
		}
	}
	return roaring.AddOffset64(roaring.FromDense(words[:], false), int64(segment)<<segmentBits)
}

// forget drops the chunks that only views before oldest need.
func (l *lifetimes) forget(oldest doc) {
	for i := range l.segments {
		s := l.segments[i].Load()
		if s == nil {
			continue
		}
		for j := range s.chunks {
			if c := s.chunks[j].Load(); c != nil && doc(c.newest.Load()) <= oldest {
				s.chunks[j].Store(nil)
			}
		}
	}
}

// save writes the bitmaps that changed through set, in key order, and returns
// the segments. What is superseded by a doc that is not sealed yet may be among
// them: that doc is durable, and opening finds it again.
func (l *lifetimes) save(set func(key, value []byte) error) ([]uint16, error) {
	l.mu.Lock()
	dirty := sortedKeys(l.dirty)
	l.dirty = nil
	l.mu.Unlock()
	for _, segment := range dirty {
		if err := set(deadKey(segment), l.container(segment, nil)); err != nil {
			return dirty, err
		}
	}
	return dirty, nil
}

// container is the docs of a segment that are superseded, and some more.
func (l *lifetimes) container(segment uint16, more []doc) []byte {
	var words [bitmapWords]uint64
	if s := l.segments[segment].Load(); s != nil {
		for i := range words {
			words[i] = s.dead[i].Load()
		}
	}
	for _, d := range more {
		words[uint16(d)/64] |= 1 << (d % 64)
	}
	lows, _ := readContainer(nil, appendWords(nil, &words))
	return appendContainer(nil, lows)
}

// load reads the bitmaps.
func (l *lifetimes) load(db *lsm.DB) error {
	it, err := db.NewIter(&lsm.IterOptions{LowerBound: []byte{tagDead}, UpperBound: []byte{tagDead + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		s := l.grow(uint16(binary.BigEndian.Uint32(it.Key()[1:])))
		lows, err := readContainer(nil, it.Value())
		if err != nil {
			return err
		}
		for _, low := range lows {
			s.dead[low/64].Or(1 << (low % 64))
		}
	}
	return it.Error()
}
