package posting

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A Tally counts the docs of lists that are visible at a time, and keeps those
// of one page in the order of docs. It holds no set: of a list without a dead
// doc it adds the length.
//
// Segments come ascending, each once and whole.
type Tally struct {
	Lives *Lifetimes
	At    Doc
	// After is the doc behind which the page begins, 0 for the first page;
	// Desc goes backward. Want is how many docs the page takes.
	After Doc
	Desc  bool
	Want  int
	// Rest is set where all docs are counted, those behind the page as well.
	Rest bool

	// N is the number of visible docs so far.
	N    int
	docs []Doc
}

// GetCardinality is N.
func (t *Tally) GetCardinality() uint64 { return uint64(t.N) }

// Done reports whether what comes is neither counted nor taken.
func (t *Tally) Done() bool { return !t.Rest && !t.Desc && t.Want > 0 && len(t.docs) >= t.Want }

// Docs is the page.
func (t *Tally) Docs() []Doc {
	if !t.Desc {
		return t.docs
	}
	t.trim(0)
	slices.Reverse(t.docs)
	return t.docs
}

// trim leaves the last docs that a page backward takes, once there are more
// than slack beyond them.
func (t *Tally) trim(slack int) {
	if gone := len(t.docs) - t.Want; gone > slack {
		t.docs = slices.Delete(t.docs, 0, gone)
	}
}

// wants reports whether a page may take docs of a segment.
func (t *Tally) wants(segment uint16) bool {
	switch {
	case t.Want == 0:
		return false
	case t.Desc:
		return t.After == 0 || segment <= t.After.Segment()
	}
	return len(t.docs) < t.Want && segment >= t.After.Segment()
}

func (t *Tally) take(d Doc) {
	switch {
	case t.Desc:
		if t.After == 0 || d < t.After {
			t.docs = append(t.docs, d)
		}
	case d > t.After && len(t.docs) < t.Want:
		t.docs = append(t.docs, d)
	}
}

// Add takes the docs of a segment as a container.
func (t *Tally) Add(segment uint16, container []byte) error {
	if segment > t.At.Segment() {
		return nil
	}
	if len(container) == bitmapBytes {
		words := wordsPool.Get().(*segmentWords)
		defer wordsPool.Put(words)
		for i := range words {
			words[i] = binary.LittleEndian.Uint64(container[8*i:])
		}
		t.addWords(segment, words)
		return nil
	}
	if err := checkList(container); err != nil {
		return err
	}
	dead := t.Lives.segments[segment].Load()
	wants := t.wants(segment)
	if dead == nil && !wants && segment < t.At.Segment() {
		t.N += len(container) / 2
		return nil
	}
	base := Doc(segment) << SegmentBits
	for ; len(container) > 0; container = container[2:] {
		low := binary.BigEndian.Uint16(container)
		if d := base | Doc(low); d <= t.At && (dead == nil || dead.alive(low, t.At)) {
			t.N++
			if wants {
				t.take(d)
			}
		}
	}
	t.trim(4 * t.Want)
	return nil
}

// addWords takes the docs of a segment as a bitmap, which it changes.
func (t *Tally) addWords(segment uint16, words *segmentWords) {
	if s := t.Lives.segments[segment].Load(); s != nil {
		dead := wordsPool.Get().(*segmentWords)
		defer wordsPool.Put(dead)
		s.goneWords(dead, t.At)
		for i := range words {
			words[i] &^= dead[i]
		}
	}
	if segment == t.At.Segment() {
		words.cut(uint16(t.At))
	}
	t.N += words.count()
	if !t.wants(segment) {
		return
	}
	if t.Desc {
		t.takeLast(segment, words)
		return
	}
	base := Doc(segment) << SegmentBits
	for i, w := range words {
		for ; w != 0; w &= w - 1 {
			t.take(base | Doc(i*64+bits.TrailingZeros64(w)))
		}
		if len(t.docs) == t.Want {
			return
		}
	}
}

// takeLast takes no more of the last docs of a segment than the page has.
func (t *Tally) takeLast(segment uint16, words *segmentWords) {
	base := Doc(segment) << SegmentBits
	before := len(t.docs)
	for i := len(words) - 1; i >= 0; i-- {
		for w := words[i]; w != 0 && len(t.docs) < before+t.Want; {
			bit := bits.Len64(w) - 1
			w &^= 1 << bit
			t.take(base | Doc(i*64+bit))
		}
	}
	slices.Reverse(t.docs[before:])
	t.trim(4 * t.Want)
}

// cut takes out what is behind last.
func (w *segmentWords) cut(last uint16) {
	at := int(last / 64)
	w[at] &= ^uint64(0) >> (63 - last%64)
	clear(w[at+1:])
}

// Tally adds the gathered docs up to a segment, which it forgets, to a tally.
func (g *Gather) Tally(t *Tally, before int) {
	for _, at := range g.order() {
		if int(at) >= before {
			return
		}
		s := g.segments[at]
		delete(g.segments, at)
		if g.last == s {
			g.last = nil
		}
		if at > t.At.Segment() {
			s.free()
			continue
		}
		s.spill()
		t.addWords(at, s.words)
		s.free()
	}
}

// Has reports whether docs of a segment were gathered.
func (g *Gather) Has(segment uint16) bool { return g.segments[segment] != nil }
