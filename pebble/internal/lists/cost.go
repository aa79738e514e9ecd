package lists

import (
	"bytes"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// Bounds of what a cost looks at before it guesses.
const (
	probeLists = 8
	probeKeys  = 32
)

// Cost is about how many docs a query finds. It looks at a few lists of each
// key and at a few keys of each range, and takes the rest to be alike.
func (t *Reader) Cost(q *Query) (int, error) {
	total := 0
	for i, span := range q.Spans {
		if i == probeKeys {
			return total / probeKeys * len(q.Spans), nil
		}
		cost, err := 0, error(nil)
		if span.Single() {
			cost, err = t.costKey(q.Param, span.From)
		} else {
			cost, err = t.costSpan(q, span)
		}
		if err != nil {
			return 0, err
		}
		total += cost
	}
	return total, nil
}

// segments is how many segments have lists in files.
func (t *Reader) segments() int {
	if len(t.Heads) == 0 {
		return 1
	}
	return int(t.Heads[0].First.Segment()) + 1
}

func (t *Reader) costKey(param uint16, key []byte) (int, error) {
	n, sealed, lists := 0, 0, 0
	t.Keys++
	for _, h := range t.Heads {
		if p := h.Param(param); p != nil {
			n += len(p.Get(key))
		}
	}
	err := t.each(param, key, func(_ uint16, container []byte) (more bool, err error) {
		if lists++; lists > probeLists {
			sealed = sealed / probeLists * max(t.segments(), probeLists)
			return false, nil
		}
		sealed += posting.Len(container)
		return true, nil
	})
	return n + sealed, err
}

// costSpan passes some keys of a range. One that has more is taken to reach a
// share of everything that is not sealed, and of the files as many docs as its
// bytes hold.
func (t *Reader) costSpan(q *Query, span search.Span) (int, error) {
	n := 0
	for _, h := range t.Heads {
		p := h.Param(q.Param)
		if p == nil {
			continue
		}
		docs := 0
		if p.Peek(span, probeKeys, func(found posting.Posting) { docs += len(found.Docs()) }) {
			docs = max(docs, h.Docs()/4)
		}
		n += docs
	}
	sealed, err := t.costSealed(q.Param, span)
	return n + sealed, err
}

func (t *Reader) costSealed(param uint16, span search.Span) (n int, err error) {
	it, err := t.iterator(Tag)
	if err != nil {
		return 0, err
	}
	lower, upper := Bounds(param)
	from := append(lower, span.From...)
	if span.To != nil {
		upper = append(lower[:head:head], span.To...)
	}
	if bytes.Compare(from, upper) >= 0 {
		return 0, nil
	}
	keys := 0
	for ok := it.SeekGE(from); ok && bytes.Compare(it.Key(), upper) < 0; ok = it.Next() {
		if keys++; keys > probeKeys {
			size, err := t.DB.EstimateDiskUsage(from, upper)
			return max(n, int(size/docBytes)), err
		}
		n += posting.Len(it.Value())
	}
	return n, it.Error()
}

// docBytes is about what a doc takes in the files of a param with many keys.
const docBytes = 6
