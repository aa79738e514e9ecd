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
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// A Reader reads the index as it is when it is made: files and heads together.
// The heads must be taken before files are read: a head is let go of only when
// its file is there. It is for one goroutine, keeps an iterator open until
// Close, and sees files as they were at its first read.
type Reader struct {
	DB    *lsm.DB
	Heads []*posting.Head
	// Keys counts the keys that were looked up or passed.
	Keys int
	// limit is how many keys may be passed, 0 for any number.
	limit int
	// lists and groups are iterators over those; nil before they are used.
	lists, groups *lsm.Iterator
	// key is memory to make a key in.
	key []byte
}

// Close lets go of the files.
func (t *Reader) Close() (err error) {
	for _, it := range []**lsm.Iterator{&t.lists, &t.groups} {
		if *it != nil {
			err = errors.Join(err, (*it).Close())
			*it = nil
		}
	}
	return err
}

// iterator is the reader's own for the keys with a tag.
func (t *Reader) iterator(tag byte) (it *lsm.Iterator, err error) {
	at := &t.lists
	if tag == GroupTag {
		at = &t.groups
	}
	if *at == nil {
		if it, err = t.DB.NewIter(&lsm.IterOptions{LowerBound: []byte{tag}, UpperBound: []byte{tag + 1}}); err != nil {
			return nil, err
		}
		*at = it
	}
	return *at, nil
}

// A Query asks for the docs that have a key of a param in Spans which passes
// Test.
type Query struct {
	Param uint16
	Spans []search.Span
	// Test is nil where every key counts. Sure are ranges in which it holds.
	Test func(key []byte) bool
	Sure []search.Span
	// Grouping is how the keys of the param are grouped.
	Grouping Grouping
}

// Ranges reports whether the query asks for more than single keys.
func (q *Query) Ranges() bool {
	return slices.ContainsFunc(q.Spans, func(s search.Span) bool { return !s.Single() })
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

// Within is Narrow. It ends with ErrTooLong when it has passed more than some
// keys.
func (t *Reader) Within(q *Query, within *roaring.Bitmap, keys int) (*roaring.Bitmap, error) {
	if keys <= 0 {
		return nil, ErrTooLong
	}
	t.limit = t.Keys + keys
	defer func() { t.limit = 0 }()
	return t.Narrow(q, within)
}

// Union collects the docs of a query.
func (t *Reader) Union(q *Query) (*roaring.Bitmap, error) {
	var g posting.Gather
	if err := t.Gather(&g, q, nil); err != nil {
		return nil, err
	}
	return g.Bitmap(), nil
}

// Few collects the docs of a query, or returns nil where one of its ranges has
// more lists than most.
func (t *Reader) Few(q *Query, most int) (*roaring.Bitmap, error) {
	var g posting.Gather
	for _, span := range q.Spans {
		if all, err := t.gatherFew(&g, q, span, most); err != nil || !all {
			g.Reset()
			return nil, err
		}
	}
	return g.Bitmap(), nil
}

func (t *Reader) gatherFew(g *posting.Gather, q *Query, span search.Span, most int) (all bool, err error) {
	for _, h := range t.Heads {
		p := h.Param(q.Param)
		if p == nil {
			continue
		}
		err := p.Scan(span, func(found posting.Posting) error {
			if most--; most < 0 {
				return ErrTooLong
			}
			if t.Keys++; q.Test == nil || q.Test(found.Key) {
				g.AddDocs(found.Docs())
			}
			return nil
		})
		if errors.Is(err, ErrTooLong) {
			return false, nil
		}
	}
	next, err := t.gatherUpTo(g, q.Param, span, q.Test, &Segments{}, most)
	return next == nil, err
}

// Narrow returns the docs of within that a query finds.
func (t *Reader) Narrow(q *Query, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	if within.GetCardinality() <= posting.MaxSieve {
		s := posting.NewSieve(within)
		if err := t.Gather(s, q, within); err != nil {
			return nil, err
		}
		return s.Set(), nil
	}
	var g posting.Gather
	if err := t.Gather(&g, q, within); err != nil {
		return nil, err
	}
	set := g.Bitmap()
	set.And(within)
	return set, nil
}

// Gather passes the docs of a query on. Where within is not nil, docs outside
// its segments may be left out.
func (t *Reader) Gather(into posting.Into, q *Query, within *roaring.Bitmap) error {
	only := SegmentsOf(within)
	for _, span := range q.Spans {
		if err := t.gather(into, q, span, only); err != nil {
			return err
		}
	}
	return nil
}

func (t *Reader) gather(into posting.Into, q *Query, span search.Span, only *Segments) error {
	if span.Single() {
		if q.Test != nil && !q.Test(span.From) {
			return nil
		}
		return t.gatherKey(into, q.Param, span.From, only)
	}
	for _, h := range t.Heads {
		p := h.Param(q.Param)
		if p == nil || !only.has(h.First.Segment()) { // a head ends with its segment
			continue
		}
		err := p.Scan(span, func(found posting.Posting) error {
			if q.Test == nil || q.Test(found.Key) {
				into.AddDocs(found.Docs())
			}
			return t.pass()
		})
		if err != nil {
			return err
		}
	}
	return q.eachPart(span, func(part search.Span, test func([]byte) bool) error {
		if test != nil {
			return t.gatherSpan(into, q.Param, part, test, only)
		}
		if q.Grouping == Ungrouped {
			return t.gatherSpan(into, q.Param, part, nil, only)
		}
		rest, err := t.gatherSome(into, q.Param, part, only)
		if err != nil || rest.From == nil {
			return err
		}
		for _, p := range q.Grouping.pieces(rest) {
			if err := t.gatherPiece(into, q.Param, p, only); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Reader) gatherPiece(into posting.Into, param uint16, p piece, only *Segments) error {
	if p.level > 0 {
		return t.gatherGroups(into, param, p, only)
	}
	return t.gatherSpan(into, param, p.span, nil, only)
}

// eachPart takes a range apart where the test is known to hold and where not.
func (q *Query) eachPart(span search.Span, fn func(part search.Span, test func([]byte) bool) error) error {
	if q.Test == nil {
		return fn(span, nil)
	}
	for _, sure := range q.Sure {
		if bytes.Compare(sure.From, span.From) < 0 {
			sure.From = span.From
		}
		if span.To != nil && (sure.To == nil || bytes.Compare(sure.To, span.To) > 0) {
			sure.To = span.To
		}
		if sure.To != nil && bytes.Compare(sure.From, sure.To) >= 0 {
			continue
		}
		if bytes.Compare(span.From, sure.From) < 0 {
			if err := fn(search.Span{From: span.From, To: sure.From}, q.Test); err != nil {
				return err
			}
		}
		if err := fn(sure, nil); err != nil || sure.To == nil {
			return err
		}
		span.From = sure.To
	}
	if span.To != nil && bytes.Compare(span.From, span.To) >= 0 {
		return nil
	}
	return fn(span, q.Test)
}

// gatherKey adds the docs of one key.
func (t *Reader) gatherKey(into posting.Into, param uint16, key []byte, only *Segments) error {
	t.Keys++
	for _, h := range t.Heads {
		if p := h.Param(param); p != nil && only.has(h.First.Segment()) {
			into.AddDocs(p.Get(key))
		}
	}
	if only.known && len(only.list) <= pointSegments {
		return t.gatherPoints(into, param, key, only)
	}
	return t.each(param, key, func(segment uint16, container []byte) (more bool, err error) {
		if only.has(segment) {
			err = into.Add(segment, container)
		}
		return true, err
	})
}

// pointSegments is up to how many segments are sought one by one where only some
// of a key's segments are wanted.
const pointSegments = 8

func (t *Reader) gatherPoints(into posting.Into, param uint16, key []byte, only *Segments) error {
	it, err := t.iterator(Tag)
	if err != nil {
		return err
	}
	for _, segment := range only.list {
		t.key = Key(t.key[:0], param, key, segment)
		if it.SeekGE(t.key) && bytes.Equal(it.Key(), t.key) {
			if err := into.Add(segment, it.Value()); err != nil {
				return err
			}
		}
	}
	return it.Error()
}

// GatherKeys adds the docs of keys that are in order.
func (t *Reader) GatherKeys(ctx context.Context, into posting.Into, param uint16, keys [][]byte, only *Segments) error {
	for i, key := range keys {
		if i%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := t.gatherKey(into, param, key, only); err != nil {
			return err
		}
	}
	return nil
}

// each calls fn with the lists of one key in files, segment by segment.
func (t *Reader) each(param uint16, key []byte, fn func(segment uint16, container []byte) (more bool, err error)) error {
	it, err := t.iterator(Tag)
	if err != nil {
		return err
	}
	t.key = Key(t.key[:0], param, key, 0)
	want := t.key[:len(t.key)-4]
	for ok := it.SeekGE(t.key); ok; ok = it.Next() {
		found := it.Key()
		// A longer key does not lie between: keys are prefix-free.
		if len(found) != len(t.key) || !bytes.HasPrefix(found, want) {
			break
		}
		_, segment := Split(found)
		if more, err := fn(segment, it.Value()); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

// gatherSpan adds the docs of the keys in a span, from files.
func (t *Reader) gatherSpan(into posting.Into, param uint16, span search.Span, test func([]byte) bool, only *Segments) error {
	_, err := t.gatherUpTo(into, param, span, test, only, math.MaxInt)
	return err
}

// someLists is how many lists of a range are read before its groups are looked
// for: most ranges are shorter, and groups take some seeks.
const someLists = 256

// gatherSome is gatherSpan of the beginning of a span. It returns what is left,
// without From where that is nothing.
func (t *Reader) gatherSome(into posting.Into, param uint16, span search.Span, only *Segments) (rest search.Span, err error) {
	from, err := t.gatherUpTo(into, param, span, nil, only, someLists)
	return search.Span{From: from, To: span.To}, err
}

// gatherUpTo adds the docs of the first keys in a span, until it has read most
// lists. It returns the key that comes next, nil where there is none.
func (t *Reader) gatherUpTo(into posting.Into, param uint16, span search.Span, test func([]byte) bool, only *Segments, most int) (next []byte, err error) {
	it, err := t.iterator(Tag)
	if err != nil {
		return nil, err
	}
	lower, upper := Bounds(param)
	var last []byte
	passed, lists, skip := false, 0, skipper{only: only}
	for ok := it.SeekGE(append(lower, span.From...)); ok && bytes.Compare(it.Key(), upper) < 0; {
		key, segment := Split(it.Key())
		lists++
		if last == nil || !bytes.Equal(key, last) {
			if span.To != nil && bytes.Compare(key, span.To) >= 0 {
				break
			}
			if lists > most {
				return bytes.Clone(key), nil
			}
			if err := t.pass(); err != nil {
				return nil, err
			}
			last = append(last[:0], key...)
			passed = bytes.Compare(key, span.From) >= 0 && (test == nil || test(key))
		}
		wanted := only.has(segment)
		if passed && wanted {
			if err := into.Add(segment, it.Value()); err != nil {
				return nil, err
			}
		}
		ok = skip.next(it, wanted, segment)
	}
	return nil, it.Error()
}

// Iterator walks all terms of a param. The caller closes it.
func (t *Reader) Iterator(param uint16) (*lsm.Iterator, error) {
	lower, upper := Bounds(param)
	return t.DB.NewIter(&lsm.IterOptions{LowerBound: lower, UpperBound: upper})
}

// Tally counts the docs of queries, and takes a page of them, without a set of
// them where a single key is all that is asked for.
func (t *Reader) Tally(queries []Query, tally *posting.Tally) error {
	var g posting.Gather
	defer g.Reset()
	if q := &queries[0]; len(queries) == 1 && len(q.Spans) == 1 && q.Spans[0].Single() && q.Test == nil {
		t.Keys++
		for _, h := range t.Heads {
			if p := h.Param(q.Param); p != nil {
				g.AddDocs(p.Get(q.Spans[0].From))
			}
		}
		err := t.each(q.Param, q.Spans[0].From, func(segment uint16, container []byte) (bool, error) {
			g.Tally(tally, int(segment))
			if g.Has(segment) {
				return true, g.Add(segment, container)
			}
			err := tally.Add(segment, container)
			return !tally.Done(), err
		})
		if err != nil {
			return err
		}
	} else {
		for i := range queries {
			if err := t.Gather(&g, &queries[i], nil); err != nil {
				return err
			}
		}
	}
	g.Tally(tally, 1<<posting.SegmentBits)
	return nil
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
