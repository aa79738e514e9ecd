package posting

import (
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
)

// Lifetimes knows which docs are superseded, and of the recent ones since when.
// One goroutine marks, any number read.
//
// Per segment there is a bitmap of superseded docs, made when the first is
// marked. Beside it stand, in chunks, the docs that superseded them; a chunk is
// dropped when no view can be old enough to need it.
type Lifetimes struct {
	segments [1 << SegmentBits]atomic.Pointer[segmentLife]
	// dirty are the segments that changed since they were saved.
	mu    sync.Mutex
	dirty map[uint16]bool
}

// A chunk is the docs that share their bits from ChunkBits on: ChunkDocs.
const (
	ChunkBits = 12
	ChunkDocs = 1 << ChunkBits
)

type segmentLife struct {
	dead   [bitmapWords]atomic.Uint64
	chunks [1 << SegmentBits / ChunkDocs]atomic.Pointer[lifeChunk]
}

// A lifeChunk holds for each of its docs the doc that superseded it, 0 where
// that is longer ago than any view, or has not happened.
type lifeChunk struct {
	ends [ChunkDocs]atomic.Uint32
	// newest is the highest of ends.
	newest atomic.Uint32
}

func (l *Lifetimes) grow(segment uint16) *segmentLife {
	s := l.segments[segment].Load()
	if s == nil {
		s = &segmentLife{}
		if !l.segments[segment].CompareAndSwap(nil, s) {
			s = l.segments[segment].Load()
		}
	}
	return s
}

// Supersede marks that by took the place of d.
func (l *Lifetimes) Supersede(d, by Doc) {
	s := l.grow(d.Segment())
	low := uint16(d)
	s.end(low, by)
	// The bit comes last: who sees it finds the end.
	s.dead[low/64].Or(1 << (low % 64))
	l.Soil([]uint16{d.Segment()})
}

// Recall says again what Supersede said before the store was opened: d was
// loaded as superseded. Another goroutine may mark meanwhile.
func (l *Lifetimes) Recall(d, by Doc) { l.grow(d.Segment()).end(uint16(d), by) }

// end notes when a doc was superseded.
func (s *segmentLife) end(low uint16, by Doc) {
	slot := &s.chunks[low>>ChunkBits]
	chunk := slot.Load()
	if chunk == nil {
		chunk = &lifeChunk{}
		if !slot.CompareAndSwap(nil, chunk) {
			chunk = slot.Load()
		}
	}
	chunk.ends[low%ChunkDocs].Store(uint32(by))
	for {
		newest := chunk.newest.Load()
		if newest >= uint32(by) || chunk.newest.CompareAndSwap(newest, uint32(by)) {
			return
		}
	}
}

// Erase takes docs out of every view for good. The caller is the goroutine that
// marks.
func (l *Lifetimes) Erase(d Doc) {
	s, low := l.grow(d.Segment()), uint16(d)
	if chunk := s.chunks[low>>ChunkBits].Load(); chunk != nil {
		chunk.ends[low%ChunkDocs].Store(0)
	}
	s.dead[low/64].Or(1 << (low % 64))
}

// Soil notes segments that must be saved.
func (l *Lifetimes) Soil(segments []uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dirty == nil {
		l.dirty = map[uint16]bool{}
	}
	for _, segment := range segments {
		l.dirty[segment] = true
	}
}

// Alive reports whether a doc was not superseded yet at the time at.
func (l *Lifetimes) Alive(d, at Doc) bool {
	s := l.segments[d.Segment()].Load()
	return s == nil || s.alive(uint16(d), at)
}

func (s *segmentLife) alive(low uint16, at Doc) bool {
	if s.dead[low/64].Load()&(1<<(low%64)) == 0 {
		return true
	}
	chunk := s.chunks[low>>ChunkBits].Load()
	return chunk != nil && Doc(chunk.ends[low%ChunkDocs].Load()) > at
}

// fewDocs is up to how many docs of a segment are looked at one by one.
const fewDocs = 128

// Visible narrows a set to what a view at the time at shows.
func (l *Lifetimes) Visible(set *roaring.Bitmap, at Doc) {
	set.RemoveRange(uint64(at)+1, 1<<32)
	var gone []uint32
	dense := roaring.New()
	for it := set.Iterator(); it.HasNext(); {
		segment := Doc(it.PeekNext()).Segment()
		start := uint64(segment) << SegmentBits
		end := start + 1<<SegmentBits
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
func (s *segmentLife) gone(segment uint16, at Doc) *roaring.Bitmap {
	var words segmentWords
	s.goneWords(&words, at)
	return roaring.AddOffset64(roaring.FromDense(words[:], false), int64(segment)<<SegmentBits)
}

// goneWords sets words to the docs that were superseded at the time at.
func (s *segmentLife) goneWords(words *segmentWords, at Doc) {
	for i := range words {
		words[i] = s.dead[i].Load()
	}
	const chunkWords = ChunkDocs / 64
	for i := range s.chunks {
		// Chunks come behind the words: who sees a bit finds its end.
		chunk := s.chunks[i].Load()
		if chunk == nil || Doc(chunk.newest.Load()) <= at {
			continue
		}
		for j := i * chunkWords; j < (i+1)*chunkWords; j++ {
			for w := words[j]; w != 0; w &= w - 1 {
				bit := bits.TrailingZeros64(w)
				if Doc(chunk.ends[(j*64+bit)%ChunkDocs].Load()) > at {
					words[j] &^= 1 << bit
				}
			}
		}
	}
}

// Forget drops the chunks that only views before oldest need.
func (l *Lifetimes) Forget(oldest Doc) {
	for i := range l.segments {
		s := l.segments[i].Load()
		if s == nil {
			continue
		}
		for j := range s.chunks {
			if c := s.chunks[j].Load(); c != nil && Doc(c.newest.Load()) <= oldest {
				s.chunks[j].Store(nil)
			}
		}
	}
}

// Save passes the bitmaps that changed to set, in order, and returns their
// segments. What is superseded by a doc that is not sealed yet may be among
// them: that doc is durable, and opening finds it again.
func (l *Lifetimes) Save(set func(segment uint16, container []byte) error) ([]uint16, error) {
	l.mu.Lock()
	dirty := slices.Sorted(maps.Keys(l.dirty))
	l.dirty = nil
	l.mu.Unlock()
	for _, segment := range dirty {
		if err := set(segment, l.Container(segment, nil)); err != nil {
			return dirty, err
		}
	}
	return dirty, nil
}

// Container is the docs of a segment that are superseded, and some more.
func (l *Lifetimes) Container(segment uint16, more []Doc) []byte {
	var words [bitmapWords]uint64
	if s := l.segments[segment].Load(); s != nil {
		for i := range words {
			words[i] = s.dead[i].Load()
		}
	}
	for _, d := range more {
		words[uint16(d)/64] |= 1 << (d % 64)
	}
	lows, _ := Read(nil, appendWords(nil, &words))
	return Append(nil, lows)
}

// Load takes what save passed on.
func (l *Lifetimes) Load(segment uint16, container []byte) error {
	s := l.grow(segment)
	lows, err := Read(nil, container)
	for _, low := range lows {
		s.dead[low/64].Or(1 << (low % 64))
	}
	return err
}
