package lists

import (
	"bytes"
	"encoding/binary"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// NextSegment is the first segment from one on, or the last up to it where desc
// is set, in which a query for single keys has lists; ok is false where there is
// none. It costs a seek for each key.
func (t *Reader) NextSegment(q *Query, from uint16, desc bool) (segment uint16, ok bool, err error) {
	closer := func(at uint16) {
		if behind := desc && at > from || !desc && at < from; !behind && (!ok || at > segment == desc) {
			segment, ok = at, true
		}
	}
	for _, span := range q.Spans {
		if q.Test != nil && !q.Test(span.From) {
			continue
		}
		t.Keys++
		for _, h := range t.Heads {
			if p := h.Param(q.Param); p != nil && len(p.Get(span.From)) > 0 {
				closer(h.First.Segment()) // a head ends with its segment
			}
		}
		if err := t.nextSealed(q.Param, span, from, desc, closer); err != nil {
			return 0, false, err
		}
	}
	return segment, ok, nil
}

// nextSealed calls found with the segment of the list in files that is nearest.
func (t *Reader) nextSealed(param uint16, span search.Span, from uint16, desc bool, found func(segment uint16)) error {
	it, err := t.iterator(Tag)
	if err != nil {
		return err
	}
	t.key = Key(t.key[:0], param, span.From, from)
	n := len(t.key)
	var valid bool
	if desc {
		binary.BigEndian.PutUint32(t.key[n-4:], uint32(from)+1)
		valid = it.SeekLT(t.key)
	} else {
		valid = it.SeekGE(t.key)
	}
	if !valid {
		return it.Error()
	}
	if key := it.Key(); len(key) == n && bytes.Equal(key[:n-4], t.key[:n-4]) {
		_, segment := Split(key)
		found(segment)
	}
	return nil
}

// GatherSegment passes on the docs of a query for single keys that are in a
// segment.
func (t *Reader) GatherSegment(into posting.Into, q *Query, segment uint16) error {
	only := &Segments{known: true, list: []uint16{segment}}
	for _, span := range q.Spans {
		if err := t.gather(into, q, span, only); err != nil {
			return err
		}
	}
	return nil
}

// nearLists is how many lists of unwanted segments are passed rather than sought
// across.
const nearLists = 6

// A skipper takes an iterator over lists or groups from one that is wanted to
// the next: of a key that has lists in all segments, those of a few cost as
// much as in a small index.
type skipper struct {
	only *Segments
	// passed are the unwanted lists since the last one that was wanted.
	passed int
	key    []byte
}

// next moves an iterator that stands on a list of a segment. Keys end in the
// segment, of four bytes.
func (s *skipper) next(it iterator, wanted bool, segment uint16) bool {
	if wanted || !s.only.known {
		s.passed = 0
		return it.Next()
	}
	if s.passed++; s.passed <= nearLists {
		return it.Next()
	}
	s.passed = 0
	key := it.Key()
	s.key = append(s.key[:0], key...)
	target := uint32(1) << posting.SegmentBits // behind all segments of the key
	if following, ok := s.only.from(segment); ok {
		target = uint32(following)
	}
	binary.BigEndian.PutUint32(s.key[len(s.key)-4:], target)
	return it.SeekGE(s.key)
}

// iterator is what a skipper moves.
type iterator interface {
	Next() bool
	SeekGE(key []byte) bool
	Key() []byte
}

// from is the first wanted segment from one on.
func (s *Segments) from(segment uint16) (uint16, bool) {
	for _, wanted := range s.list {
		if wanted >= segment {
			return wanted, true
		}
	}
	return 0, false
}
