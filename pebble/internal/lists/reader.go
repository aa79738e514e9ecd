// Package lists owns the reading of lists of docs: by key, for spans of keys,
// and key by key in order, from files and from heads in memory as one.
//
// It leaves to others: when lists are written (pebble), and what a set of docs
// is (posting).
package lists

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// A Reader reads the index as it is when it is made: files and heads together.
// The heads must be taken before files are read: a head is let go of only when
// its file is there. It is for one goroutine.
type Reader struct {
	DB    *lsm.DB
	Heads []*posting.Head
	// Keys counts the keys that were looked up or passed.
	Keys int
	// limit is how many keys may be passed, 0 for any number.
	limit int
}

// ErrTooLong ends a range that passes more keys than the limit.
var ErrTooLong = errors.New("pebble: the range is too long")

// pass counts a key of a range.
func (t *Reader) pass() error {
	if t.Keys++; t.limit != 0 && t.Keys > t.limit {
		return ErrTooLong
	}
	return nil
}

// UnionWithin is union of a node. It ends with ErrTooLong when it has passed
// more than some keys.
func (t *Reader) UnionWithin(param uint16, n search.Terms, within *roaring.Bitmap, keys int) (*roaring.Bitmap, error) {
	if keys <= 0 {
		return nil, ErrTooLong
	}
	t.limit = t.Keys + keys
	defer func() { t.limit = 0 }()
	return t.Union(param, n.Spans, n.Test, within)
}

// pointSegments is up to how many segments are read one by one where only some
// of a key's segments are wanted.
const pointSegments = 8

// Union collects the docs of all keys in spans that pass test. Where within is
// not nil, docs outside its segments may be left out.
func (t *Reader) Union(param uint16, spans []search.Span, test func(key []byte) bool, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	var g posting.Gather
	only := SegmentsOf(within)
	for _, span := range spans {
		if err := t.gather(&g, param, span, test, only); err != nil {
			return nil, err
		}
	}
	return g.Bitmap(), nil
}

func (t *Reader) gather(g *posting.Gather, param uint16, span search.Span, test func([]byte) bool, only *Segments) error {
	if span.Single() {
		if test != nil && !test(span.From) {
			return nil
		}
		return t.gatherKey(g, param, span.From, only)
	}
	for _, h := range t.Heads {
		p := h.Param(param)
		if p == nil {
			continue
		}
		err := p.Scan(span, func(found posting.Posting) error {
			if test == nil || test(found.Key) {
				g.AddDocs(found.Docs())
			}
			return t.pass()
		})
		if err != nil {
			return err
		}
	}
	return t.gatherSpan(g, param, span, test, only)
}

// gatherKey adds the docs of one key.
func (t *Reader) gatherKey(g *posting.Gather, param uint16, key []byte, only *Segments) error {
	t.Keys++
	for _, h := range t.Heads {
		if p := h.Param(param); p != nil {
			g.AddDocs(p.Get(key))
		}
	}
	if only.known && len(only.list) <= pointSegments {
		for _, segment := range only.list {
			value, closer, err := t.DB.Get(Key(nil, param, key, segment))
			if errors.Is(err, lsm.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if err := errors.Join(g.Add(segment, value), closer.Close()); err != nil {
				return err
			}
		}
		return nil
	}
	return t.lists(param, key, func(segment uint16, container []byte) (more bool, err error) {
		if only.has(segment) {
			err = g.Add(segment, container)
		}
		return true, err
	})
}

// GatherKeys adds the docs of keys that are in order, with one iterator.
func (t *Reader) GatherKeys(ctx context.Context, g *posting.Gather, param uint16, keys [][]byte, only *Segments) error {
	for _, h := range t.Heads {
		if p := h.Param(param); p != nil {
			for _, key := range keys {
				g.AddDocs(p.Get(key))
			}
		}
	}
	it, err := t.Iterator(param)
	if err != nil {
		return err
	}
	var from []byte
	for _, key := range keys {
		if err = ctx.Err(); err != nil {
			break
		}
		t.Keys++
		from = Key(from[:0], param, key, 0)
		for ok := it.SeekGE(from); ok && err == nil; ok = it.Next() {
			found, segment := Split(it.Key())
			if !bytes.HasPrefix(found, key) {
				break
			}
			if len(found) == len(key) && only.has(segment) {
				err = g.Add(segment, it.Value())
			}
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// lists calls fn with the lists of one key, segment by segment.
func (t *Reader) lists(param uint16, key []byte, fn func(segment uint16, container []byte) (more bool, err error)) error {
	it, err := t.DB.NewIter(&lsm.IterOptions{
		LowerBound: Key(nil, param, key, 0),
		UpperBound: append(Key(nil, param, key, 1<<posting.SegmentBits-1), 0),
	})
	if err != nil {
		return err
	}
	more := true
	for ok := it.First(); ok && more && err == nil; ok = it.Next() {
		// A longer key can lie between, where key is a prefix of it.
		if found, segment := Split(it.Key()); len(found) == len(key) {
			more, err = fn(segment, it.Value())
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// gatherSpan adds the docs of the keys in a span, from files.
func (t *Reader) gatherSpan(g *posting.Gather, param uint16, span search.Span, test func([]byte) bool, only *Segments) error {
	it, err := t.Iterator(param)
	if err != nil {
		return err
	}
	var last []byte
	passed := false
	for ok := it.SeekGE(Key(nil, param, span.From, 0)[:head+len(span.From)]); ok && err == nil; ok = it.Next() {
		key, segment := Split(it.Key())
		if last == nil || !bytes.Equal(key, last) {
			if span.To != nil && bytes.Compare(key, span.To) >= 0 {
				break
			}
			if err = t.pass(); err != nil {
				break
			}
			last = append(last[:0], key...)
			passed = bytes.Compare(key, span.From) >= 0 && (test == nil || test(key))
		}
		if passed && only.has(segment) {
			err = g.Add(segment, it.Value())
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// Iterator walks all terms of a param.
func (t *Reader) Iterator(param uint16) (*lsm.Iterator, error) {
	lower, upper := Bounds(param)
	return t.DB.NewIter(&lsm.IterOptions{LowerBound: lower, UpperBound: upper})
}

// Segments are the segments that are wanted.
type Segments struct {
	// known is false where all are.
	known bool
	list  []uint16
}

func (s *Segments) has(segment uint16) bool {
	if !s.known {
		return true
	}
	_, found := slices.BinarySearch(s.list, segment)
	return found
}

// SegmentsOf are the segments that a set has docs in; all for nil.
func SegmentsOf(set *roaring.Bitmap) *Segments {
	s := &Segments{}
	if set == nil {
		return s
	}
	s.known = true
	for it := set.Iterator(); it.HasNext(); {
		segment := posting.Doc(it.PeekNext()).Segment()
		s.list = append(s.list, segment)
		if segment == 1<<posting.SegmentBits-1 {
			break
		}
		it.AdvanceIfNeeded((uint32(segment) + 1) << posting.SegmentBits)
	}
	return s
}

// unprobed is what a list counts that Probe does not look at.
const unprobed = 1 << 20

// probeLists is how many posting lists a cost looks at.
const probeLists = 8

// Probe counts the docs of a key, giving up after a few lists.
func (t *Reader) Probe(param uint16, key []byte) (int, error) {
	n := 0
	t.Keys++
	for _, h := range t.Heads {
		if p := h.Param(param); p != nil {
			n += len(p.Get(key))
		}
	}
	lists := 0
	err := t.lists(param, key, func(_ uint16, container []byte) (more bool, err error) {
		if lists++; lists > probeLists {
			n += unprobed
			return false, nil
		}
		n += posting.Len(container)
		return true, nil
	})
	return n, err
}
