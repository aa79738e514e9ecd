// Package posting owns sets of docs in the three forms that package pebble has
// them in: lists by key in memory (Head), lists in files (containers, and Gather
// for unions of them), and which of them are superseded (Lifetimes).
//
// It leaves to others: the keys of files, and when which list is written
// (pebble).
package posting

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// ErrDamaged is the error for a list that cannot be one.
var ErrDamaged = errors.New("pebble: a record is damaged")

// SegmentBits is the size of a segment: the docs that share their upper bits.
const SegmentBits = 16

// A Doc is the dense number of a version: its store.T.
type Doc uint32

// MaxDoc is the last doc that can be given out.
const MaxDoc = Doc(1<<32 - 2)

// Segment is the segment that a doc is in.
func (d Doc) Segment() uint16 { return uint16(d >> SegmentBits) }

// A container is the stored form of the docs of one segment, by their low 16
// bits: up to 4,095 of them as a sorted list of 2 bytes each, more as a bitmap
// of 8,192 bytes. Its length tells which.
const (
	bitmapWords = 1 << SegmentBits / 64
	bitmapBytes = bitmapWords * 8
	maxList     = bitmapBytes/2 - 1
)

// Append writes sorted, distinct lows as a container.
func Append(b []byte, lows []uint16) []byte {
	if len(lows) <= maxList {
		for _, low := range lows {
			b = binary.BigEndian.AppendUint16(b, low)
		}
		return b
	}
	var words [bitmapWords]uint64
	for _, low := range lows {
		words[low/64] |= 1 << (low % 64)
	}
	return appendWords(b, &words)
}

func appendWords(b []byte, words *[bitmapWords]uint64) []byte {
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// Read appends the lows of a container.
func Read(lows []uint16, b []byte) ([]uint16, error) {
	if len(b) != bitmapBytes {
		if len(b)%2 != 0 || len(b) > bitmapBytes {
			return nil, fmt.Errorf("%w: container of %d bytes", ErrDamaged, len(b))
		}
		for ; len(b) > 0; b = b[2:] {
			lows = append(lows, binary.BigEndian.Uint16(b))
		}
		return lows, nil
	}
	for i := range bitmapWords {
		for w := binary.LittleEndian.Uint64(b[8*i:]); w != 0; w &= w - 1 {
			lows = append(lows, uint16(i*64+bits.TrailingZeros64(w)))
		}
	}
	return lows, nil
}

// Len is the number of docs in a container.
func Len(b []byte) int {
	if len(b) != bitmapBytes {
		return len(b) / 2
	}
	n := 0
	for ; len(b) > 0; b = b[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b))
	}
	return n
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
	words *[bitmapWords]uint64
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
	clear(g.segments)
}

// Add adds the docs of a container.
func (g *Gather) Add(segment uint16, container []byte) (err error) {
	s := g.segment(segment)
	if len(container) == bitmapBytes {
		s.spill()
		for i := range s.words {
			s.words[i] |= binary.LittleEndian.Uint64(container[8*i:])
		}
		return nil
	}
	if s.words == nil {
		if s.lows, err = Read(s.lows, container); len(s.lows) > maxList {
			s.spill()
		}
		return err
	}
	if len(container)%2 != 0 || len(container) > bitmapBytes {
		return fmt.Errorf("%w: container of %d bytes", ErrDamaged, len(container))
	}
	for ; len(container) > 0; container = container[2:] {
		low := binary.BigEndian.Uint16(container)
		s.words[low/64] |= 1 << (low % 64)
	}
	return nil
}

// AddDocs adds single docs.
func (g *Gather) AddDocs(docs []Doc) {
	for _, d := range docs {
		s := g.segment(d.Segment())
		if s.words == nil {
			if s.lows = append(s.lows, uint16(d)); len(s.lows) > maxList {
				s.spill()
			}
			continue
		}
		s.words[uint16(d)/64] |= 1 << (d % 64)
	}
}

// spill turns the list into a bitmap.
func (s *gathered) spill() {
	if s.words != nil {
		return
	}
	s.words = new([bitmapWords]uint64)
	for _, low := range s.lows {
		s.words[low/64] |= 1 << (low % 64)
	}
	s.lows = nil
}

// Bitmap is the union.
func (g *Gather) Bitmap() *roaring.Bitmap {
	result := roaring.New()
	var docs []uint32
	for _, at := range g.order() {
		s, base := g.segments[at], uint32(at)<<SegmentBits
		if s.words != nil {
			dense := roaring.FromDense(s.words[:], false)
			result.Or(roaring.AddOffset64(dense, int64(base)))
			continue
		}
		slices.Sort(s.lows)
		docs = docs[:0]
		for _, low := range s.lows {
			docs = append(docs, base|uint32(low))
		}
		result.AddMany(docs)
	}
	return result
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

// Among returns, in order, up to n of the docs that are in set.
func (g *Gather) Among(set *roaring.Bitmap, n int) []Doc {
	for _, s := range g.segments {
		if s.words != nil {
			found := g.Bitmap()
			found.And(set)
			return firstDocs(found, n)
		}
	}
	if len(g.segments) == 1 {
		return g.last.among(nil, g.lastAt, set, n)
	}
	var docs []Doc
	for _, at := range g.order() {
		docs = g.segments[at].among(docs, at, set, n)
	}
	return docs
}

// among appends the docs of a list that are in set, as long as there are fewer
// than n.
func (s *gathered) among(docs []Doc, segment uint16, set *roaring.Bitmap, n int) []Doc {
	slices.Sort(s.lows)
	last := -1
	for _, low := range s.lows {
		d := Doc(segment)<<SegmentBits | Doc(low)
		if int(low) != last && len(docs) < n && set.Contains(uint32(d)) {
			docs = append(docs, d)
		}
		last = int(low)
	}
	return docs
}

// firstDocs are the first n docs of a set.
func firstDocs(set *roaring.Bitmap, n int) []Doc {
	docs := make([]Doc, 0, min(n, int(set.GetCardinality())))
	for it := set.Iterator(); len(docs) < n && it.HasNext(); {
		docs = append(docs, Doc(it.Next()))
	}
	return docs
}

// Without appends the lows that are not among gone. Both ascend.
func Without(kept, lows, gone []uint16) []uint16 {
	for _, low := range lows {
		for len(gone) > 0 && gone[0] < low {
			gone = gone[1:]
		}
		if len(gone) == 0 || gone[0] != low {
			kept = append(kept, low)
		}
	}
	return kept
}
