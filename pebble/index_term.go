package pebble

import (
	"bytes"
	"context"
	"errors"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// A terms reads the index as it is when it is made: files and heads together.
type terms struct {
	store *Store
	heads []*posting.Head
	// keys counts the keys that were looked up or passed.
	keys int
}

// terms must take the heads before it reads files: a head is let go of only
// when its file is there.
func (s *Store) terms() *terms { return &terms{store: s, heads: s.index.Load().heads} }

// pointSegments is up to how many segments are read one by one where only some
// of a key's segments are wanted.
const pointSegments = 8

// union collects the docs of all keys in spans that pass test. Where within is
// not nil, docs outside its segments may be left out.
func (t *terms) union(param uint16, spans []search.Span, test func(key []byte) bool, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	var g posting.Gather
	only := segmentsOf(within)
	for _, span := range spans {
		if err := t.gather(&g, param, span, test, only); err != nil {
			return nil, err
		}
	}
	return g.Bitmap(), nil
}

func (t *terms) gather(g *posting.Gather, param uint16, span search.Span, test func([]byte) bool, only *segmentSet) error {
	if span.Single() {
		if test != nil && !test(span.From) {
			return nil
		}
		return t.gatherKey(g, param, span.From, only)
	}
	for _, h := range t.heads {
		p := h.Param(param)
		if p == nil {
			continue
		}
		err := p.Scan(span, func(found posting.Posting) error {
			t.keys++
			if test == nil || test(found.Key) {
				g.AddDocs(found.Docs())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return t.gatherSpan(g, param, span, test, only)
}

// gatherKey adds the docs of one key.
func (t *terms) gatherKey(g *posting.Gather, param uint16, key []byte, only *segmentSet) error {
	t.keys++
	for _, h := range t.heads {
		if p := h.Param(param); p != nil {
			g.AddDocs(p.Get(key))
		}
	}
	if only.known && len(only.list) <= pointSegments {
		for _, segment := range only.list {
			_, err := t.store.get(termKey(nil, param, key, segment), func(value []byte) error {
				return g.Add(segment, value)
			})
			if err != nil {
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

// gatherKeys adds the docs of keys that are in order, with one iterator.
func (t *terms) gatherKeys(ctx context.Context, g *posting.Gather, param uint16, keys [][]byte, only *segmentSet) error {
	for _, h := range t.heads {
		if p := h.Param(param); p != nil {
			for _, key := range keys {
				g.AddDocs(p.Get(key))
			}
		}
	}
	it, err := t.iterator(param)
	if err != nil {
		return err
	}
	var from []byte
	for _, key := range keys {
		if err = ctx.Err(); err != nil {
			break
		}
		t.keys++
		from = termKey(from[:0], param, key, 0)
		for ok := it.SeekGE(from); ok && err == nil; ok = it.Next() {
			found, segment := splitTerm(it.Key())
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
func (t *terms) lists(param uint16, key []byte, fn func(segment uint16, container []byte) (more bool, err error)) error {
	it, err := t.store.db.NewIter(&lsm.IterOptions{
		LowerBound: termKey(nil, param, key, 0),
		UpperBound: append(termKey(nil, param, key, 1<<segmentBits-1), 0),
	})
	if err != nil {
		return err
	}
	more := true
	for ok := it.First(); ok && more && err == nil; ok = it.Next() {
		// A longer key can lie between, where key is a prefix of it.
		if found, segment := splitTerm(it.Key()); len(found) == len(key) {
			more, err = fn(segment, it.Value())
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// gatherSpan adds the docs of the keys in a span, from files.
func (t *terms) gatherSpan(g *posting.Gather, param uint16, span search.Span, test func([]byte) bool, only *segmentSet) error {
	it, err := t.iterator(param)
	if err != nil {
		return err
	}
	var last []byte
	passed := false
	for ok := it.SeekGE(termKey(nil, param, span.From, 0)[:termHead+len(span.From)]); ok && err == nil; ok = it.Next() {
		key, segment := splitTerm(it.Key())
		if last == nil || !bytes.Equal(key, last) {
			if span.To != nil && bytes.Compare(key, span.To) >= 0 {
				break
			}
			t.keys++
			last = append(last[:0], key...)
			passed = bytes.Compare(key, span.From) >= 0 && (test == nil || test(key))
		}
		if passed && only.has(segment) {
			err = g.Add(segment, it.Value())
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// iterator walks all terms of a param.
func (t *terms) iterator(param uint16) (*lsm.Iterator, error) {
	lower, upper := termBounds(param)
	return t.store.db.NewIter(&lsm.IterOptions{LowerBound: lower, UpperBound: upper})
}

// mark is the set of a resource type's mark.
func (t *terms) mark(resourceType, code string, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	number, ok := t.store.params.mark(resourceType, code)
	if !ok {
		return roaring.New(), nil
	}
	return t.union(number, []search.Span{search.Exactly(nil)}, nil, within)
}

// A segmentSet is the segments that are wanted: all where it is not known.
type segmentSet struct {
	known bool
	list  []uint16
	bits  [1 << segmentBits / 64]uint64
}

func (s *segmentSet) has(segment uint16) bool {
	return !s.known || s.bits[segment/64]&(1<<(segment%64)) != 0
}

// segmentsOf are the segments that a set has docs in; all for nil.
func segmentsOf(set *roaring.Bitmap) *segmentSet {
	s := &segmentSet{}
	if set == nil {
		return s
	}
	s.known = true
	for it := set.Iterator(); it.HasNext(); {
		segment := doc(it.PeekNext()).Segment()
		s.list = append(s.list, segment)
		s.bits[segment/64] |= 1 << (segment % 64)
		if segment == 1<<segmentBits-1 {
			break
		}
		it.AdvanceIfNeeded((uint32(segment) + 1) << segmentBits)
	}
	return s
}
