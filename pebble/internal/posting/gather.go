package posting

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// Into is what lists are read into: Gather, Sieve or Tally.
type Into interface {
	// Add takes a container, whose bytes are valid until it returns.
	Add(segment uint16, container []byte) error
	// AddDocs takes docs in ascending order.
	AddDocs(docs []Doc)
}

// A Gather is a union of postings under way. Docs may come in any order.
type Gather struct {
	segments map[uint16]*gathered
	// last is the segment that was added to last: postings come in runs.
	last   *gathered
	lastAt uint16
	// spare is a list to use again.
	spare *gathered
}

// gathered is a gather's share of one segment: a list until it grows too long.
type gathered struct {
	lows  []uint16
	words *segmentWords
}

// segmentWords are the docs of a segment, a bit for each.
type segmentWords [bitmapWords]uint64

// maxLows is how many docs of a segment are gathered as a list: sorting them
// costs more than passing the words of a bitmap from here on.
const maxLows = 256

var wordsPool = sync.Pool{New: func() any { return new(segmentWords) }}

func newWords() *segmentWords {
	w := wordsPool.Get().(*segmentWords)
	clear(w[:])
	return w
}

func (w *segmentWords) add(low uint16)      { w[low/64] |= 1 << (low % 64) }
func (w *segmentWords) has(low uint16) bool { return w[low/64]&(1<<(low%64)) != 0 }
func (w *segmentWords) count() (n int) {
	for _, word := range w {
		n += bits.OnesCount64(word)
	}
	return n
}

// addContainer adds the docs of a container.
func (w *segmentWords) addContainer(b []byte) error {
	if len(b) == bitmapBytes {
		for i := range w {
			w[i] |= binary.LittleEndian.Uint64(b[8*i:])
		}
		return nil
	}
	if err := checkList(b); err != nil {
		return err
	}
	for ; len(b) > 0; b = b[2:] {
		w.add(binary.BigEndian.Uint16(b))
	}
	return nil
}

// checkList refuses what is no container in the form of a list.
func checkList(b []byte) error {
	if len(b)%2 != 0 || len(b) > bitmapBytes {
		return fmt.Errorf("%w: container of %d bytes", ErrDamaged, len(b))
	}
	return nil
}

func (g *Gather) segment(at uint16) *gathered {
	if g.last != nil && g.lastAt == at {
		return g.last
	}
	if g.segments == nil {
		g.segments = map[uint16]*gathered{}
	}
	s := g.segments[at]
	if s == nil {
		if s, g.spare = g.spare, nil; s == nil {
			s = &gathered{}
		}
		g.segments[at] = s
	}
	g.last, g.lastAt = s, at
	return s
}

// Reset empties a gather for the next union.
func (g *Gather) Reset() {
	if g.last != nil && g.last.words == nil {
		g.spare, g.last.lows = g.last, g.last.lows[:0]
	}
	g.last = nil
	for _, s := range g.segments {
		s.free()
	}
	clear(g.segments)
}

func (s *gathered) free() {
	if s.words != nil {
		wordsPool.Put(s.words)
		s.words = nil
	}
}

// Add implements Into.
func (g *Gather) Add(segment uint16, container []byte) (err error) {
	s := g.segment(segment)
	if s.words == nil && len(s.lows)+len(container)/2 > maxLows {
		s.spill()
	}
	if s.words != nil {
		return s.words.addContainer(container)
	}
	s.lows, err = Read(s.lows, container)
	return err
}

// AddDocs implements Into.
func (g *Gather) AddDocs(docs []Doc) {
	for len(docs) > 0 {
		at := docs[0].Segment()
		n := len(docs)
		if docs[n-1].Segment() != at {
			n, _ = slices.BinarySearch(docs, Doc(at+1)<<SegmentBits)
		}
		s := g.segment(at)
		if s.words == nil && len(s.lows)+n > maxLows {
			s.spill()
		}
		if s.words != nil {
			for _, d := range docs[:n] {
				s.words.add(uint16(d))
			}
		} else {
			for _, d := range docs[:n] {
				s.lows = append(s.lows, uint16(d))
			}
		}
		docs = docs[n:]
	}
}

// spill turns the list into a bitmap.
func (s *gathered) spill() {
	if s.words != nil {
		return
	}
	s.words = newWords()
	for _, low := range s.lows {
		s.words.add(low)
	}
	s.lows = s.lows[:0]
}

// Bitmap is the union. It empties the gather.
func (g *Gather) Bitmap() *roaring.Bitmap {
	result := roaring.New()
	var docs []uint32
	flush := func() {
		result.AddMany(docs)
		docs = docs[:0]
	}
	for _, at := range g.order() {
		s, base := g.segments[at], uint32(at)<<SegmentBits
		if s.words != nil {
			flush()
			dense := roaring.FromDense(s.words[:], false)
			result.Or(roaring.AddOffset64(dense, int64(base)))
			continue
		}
		s.each(func(low uint16) { docs = append(docs, base|uint32(low)) })
	}
	flush()
	g.Reset()
	return result
}

// each calls fn with the docs in order; one may come twice.
func (s *gathered) each(fn func(low uint16)) {
	if s.words == nil {
		slices.Sort(s.lows)
		for _, low := range s.lows {
			fn(low)
		}
		return
	}
	for i, w := range s.words {
		for ; w != 0; w &= w - 1 {
			fn(uint16(i*64 + bits.TrailingZeros64(w)))
		}
	}
}

// order is the segments, ascending.
func (g *Gather) order() []uint16 {
	order := make([]uint16, 0, len(g.segments))
	for at := range g.segments {
		order = append(order, at)
	}
	slices.Sort(order)
	return order
}
