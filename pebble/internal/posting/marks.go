package posting

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// A Member tells single docs of a set.
type Member interface{ Has(d Doc) bool }

// Alive are the docs that are visible at a time.
type Alive struct {
	Lives *Lifetimes
	At    Doc
}

// Has implements Member.
func (a Alive) Has(d Doc) bool { return d <= a.At && a.Lives.Alive(d, a.At) }

// Both are the docs that two have.
type Both [2]Member

// Has implements Member.
func (b Both) Has(d Doc) bool { return b[0].Has(d) && b[1].Has(d) }

// Marks are a set of docs that may be asked for single docs very often: after
// some questions it is kept as words, and each takes about 1 ns.
type Marks struct {
	set   *roaring.Bitmap
	asked int
	// words are by segment. Where a segment is nil the set is asked.
	words []*segmentWords
}

// denseMarks is how many docs of a segment make it worth having its words,
// askedMarks how many questions make it worth having any.
const (
	denseMarks = 32
	askedMarks = 2048
)

// NewMarks returns the marks of a set, which must not change.
func NewMarks(set *roaring.Bitmap) *Marks { return &Marks{set: set} }

// Has implements Member.
func (m *Marks) Has(d Doc) bool {
	if segment := int(d.Segment()); segment < len(m.words) {
		if w := m.words[segment]; w != nil {
			return w.has(uint16(d))
		}
		return m.set.Contains(uint32(d))
	}
	if m.asked++; m.asked == askedMarks && !m.set.IsEmpty() {
		m.fill()
	}
	return m.set.Contains(uint32(d))
}

func (m *Marks) fill() {
	m.words = make([]*segmentWords, int(Doc(m.set.Maximum()).Segment())+1)
	for segment := range m.words {
		start := uint64(segment) << SegmentBits
		if m.set.CardinalityInRange(start, start+1<<SegmentBits) >= denseMarks {
			m.words[segment] = newWords()
		}
	}
	var buf [512]uint32
	for it := m.set.ManyIterator(); ; {
		n := it.NextMany(buf[:])
		if n == 0 {
			return
		}
		for _, d := range buf[:n] {
			if w := m.words[d>>SegmentBits]; w != nil {
				w.add(uint16(d))
			}
		}
	}
}

// Free gives memory back. The marks are not used any more.
func (m *Marks) Free() {
	for _, w := range m.words {
		if w != nil {
			wordsPool.Put(w)
		}
	}
	m.words = nil
}

// Among are the docs that lists and marks share.
type Among struct {
	Marks Member
	// Limit ends the search for more docs; 0 is none.
	Limit int
	// Docs are in the order in which they were met; one may come twice.
	Docs []Doc
}

func (a *Among) full() bool { return a.Limit != 0 && len(a.Docs) >= a.Limit }

// AddDocs implements Into.
func (a *Among) AddDocs(docs []Doc) {
	for _, d := range docs {
		if a.full() {
			return
		}
		if a.Marks.Has(d) {
			a.Docs = append(a.Docs, d)
		}
	}
}

// Add implements Into.
func (a *Among) Add(segment uint16, container []byte) error {
	base := Doc(segment) << SegmentBits
	if len(container) == bitmapBytes {
		for i := range bitmapWords {
			for w := binary.LittleEndian.Uint64(container[8*i:]); w != 0 && !a.full(); w &= w - 1 {
				if d := base | Doc(i*64+bits.TrailingZeros64(w)); a.Marks.Has(d) {
					a.Docs = append(a.Docs, d)
				}
			}
		}
		return nil
	}
	if err := checkList(container); err != nil {
		return err
	}
	for ; len(container) > 0 && !a.full(); container = container[2:] {
		if d := base | Doc(binary.BigEndian.Uint16(container)); a.Marks.Has(d) {
			a.Docs = append(a.Docs, d)
		}
	}
	return nil
}

// Sorted are the docs that were met, ascending and each once. It empties a.
func (a *Among) Sorted() []Doc {
	docs := a.Docs
	a.Docs = a.Docs[len(a.Docs):]
	slices.Sort(docs)
	return slices.Compact(docs)
}
