package pebble

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// fewRows is up to how many docs are read to be sorted, where a walk would cost
// more to begin.
const fewRows = 4

// ordered returns the first n docs of a set in order. It may change the set.
func (e *evaluation) ordered(set *roaring.Bitmap, sort []search.SortKey, n int) ([]doc, error) {
	size := int(set.GetCardinality())
	switch {
	case size == 0 || n <= 0:
		return nil, nil
	case size == 1 || byT(sort):
		return pageByT(set, sort, 0, n), nil
	case sort[0].ID:
		e.trace.Note("read of the ids")
		return e.sortRows(set, sort, n)
	case size <= fewRows:
		e.trace.Note("read of the few")
		return e.sortRows(set, sort, n)
	}
	switch cheaper, err := e.datesAreCheaper(set, sort, n); {
	case err != nil:
		return nil, err
	case cheaper:
		e.trace.Note("by the dates of the matches")
		return e.sortRows(set, sort, n)
	}
	e.trace.Note("walk of the index")
	return e.walkInOrder(set, sort, n)
}

// datesAreCheaper reports whether reading the facts of a set costs less than a
// walk until n of its docs are met, which passes a share of all resources.
func (e *evaluation) datesAreCheaper(set *roaring.Bitmap, sort []search.SortKey, n int) (bool, error) {
	all := 0
	for _, k := range sort {
		for _, p := range k.Params {
			if _, ok := e.store.facts(nil, p); !ok {
				return false, nil
			}
			count, _ := e.store.live.count(p.Type, e.at)
			all += count
		}
	}
	size := int(set.GetCardinality())
	if size > all/size*min(n, size) {
		return false, nil
	}
	cost, err := e.factSteps(set)
	return cost < all/size*min(n, size), err
}

// walkInOrder walks the keys of the first sort key until n docs are found.
// Docs with the same key go by the other sort keys, docs without one come last.
//
// A set that has a share of everything fills a page soon, however many keys
// there are. One that is small may lie behind all others; so when the walk has
// cost as much as reading the set would, what is left is read. It is what
// comes behind the keys that were walked.
func (e *evaluation) walkInOrder(set *roaring.Bitmap, sort []search.SortKey, n int) (docs []doc, err error) {
	left := set.Clone()
	w := &lists.Walk{Desc: sort[0].Desc}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, p := range sort[0].Params {
		number, ok := e.store.params.number(p)
		if !ok {
			continue
		}
		if err := w.Add(e.terms, number, search.SortSpan(p)); err != nil {
			return nil, err
		}
	}
	var key []byte
	var g posting.Gather
	count := int(left.GetCardinality())
	for steps := 0; len(docs) < n && count > 0; steps++ {
		if steps%1024 == 0 && e.ctx.Err() != nil {
			return nil, e.ctx.Err()
		}
		next := w.Key()
		if next != nil && steps/e.store.opt.walkSteps >= count {
			e.trace.Note("read of the rest")
			rest, err := e.sortRows(left, sort, n-len(docs))
			return append(docs, rest...), err
		}
		if next == nil {
			rest, err := e.ordered(left, sort[1:], n-len(docs))
			return append(docs, rest...), err
		}
		key = append(key[:0], next...)
		g.Reset()
		e.terms.Keys++
		if err := w.Take(key, &g); err != nil {
			return nil, err
		}
		tied := g.Among(left, math.MaxInt)
		if len(tied) == 0 {
			continue
		}
		group := roaring.New()
		for _, d := range tied {
			group.Add(uint32(d))
		}
		left.AndNot(group)
		count -= len(tied)
		if tied, err = e.ordered(group, sort[1:], n-len(docs)); err != nil {
			return nil, err
		}
		docs = append(docs, tied...)
	}
	return docs, nil
}

// A row is a doc with what it is sorted by.
type row struct {
	doc  doc
	id   string
	keys [][]byte // one for each sort key, nil for no value
}

// sortRows reads every doc of a set and sorts.
func (e *evaluation) sortRows(set *roaring.Bitmap, sort []search.SortKey, n int) (_ []doc, err error) {
	rows := make([]row, 0, set.GetCardinality())
	r := rowReader{scan: &scan{store: e.store}, sort: sort}
	defer func() { err = errors.Join(err, r.scan.close()) }()
	for it := set.Iterator(); it.HasNext(); {
		if err := e.ctx.Err(); err != nil {
			return nil, err
		}
		made, err := r.row(doc(it.Next()))
		if errors.Is(err, errErased) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, made)
	}
	slices.SortFunc(rows, func(a, b row) int { return compareRows(&a, &b, sort) })
	docs := make([]doc, min(n, len(rows)))
	for i := range docs {
		docs[i] = rows[i].doc
	}
	return docs, nil
}

// A rowReader reads what docs are sorted by: from their facts where those
// tell, otherwise from their bodies.
type rowReader struct {
	scan    *scan
	sort    []search.SortKey
	readers map[*search.Param]*factReader
	// doc is the one whose entries are there, 0 for none.
	doc     doc
	entries []search.Entry
}

func (r *rowReader) row(d doc) (row, error) {
	made := row{doc: d, keys: make([][]byte, len(r.sort))}
	for i, k := range r.sort {
		if k.ID {
			h, _, id, err := r.scan.header(d)
			if err == nil && h.erased() {
				err = errErased
			}
			if err != nil {
				return row{}, err
			}
			made.id = id
		}
		for _, p := range k.Params {
			span := search.SortSpan(p)
			err := r.keys(d, p, func(key []byte) {
				best := made.keys[i]
				order := bytes.Compare(key, best)
				if span.Contains(key) && (best == nil || order < 0 && !k.Desc || order > 0 && k.Desc) {
					made.keys[i] = append(best[:0], key...)
				}
			})
			if err != nil {
				return row{}, err
			}
		}
	}
	return made, nil
}

// reader is the reader of a parameter's facts, nil where it has none.
func (r *rowReader) reader(p *search.Param) *factReader {
	if reader, ok := r.readers[p]; ok {
		return reader
	}
	if r.readers == nil {
		r.readers = map[*search.Param]*factReader{}
	}
	if reader, ok := r.scan.store.facts(r.scan, p); ok {
		r.readers[p] = &reader
	} else {
		r.readers[p] = nil
	}
	return r.readers[p]
}

// keys calls fn with a doc's keys of a parameter.
func (r *rowReader) keys(d doc, p *search.Param, fn func(key []byte)) error {
	if reader := r.reader(p); reader != nil {
		found, err := reader.each(d, fn)
		if err == nil && !found {
			err = errErased
		}
		return err
	}
	if r.doc != d {
		v, err := r.scan.version(d)
		if err != nil {
			return err
		}
		if r.entries, err = r.scan.store.opt.Extract(v); err != nil {
			return err
		}
		r.doc = d
	}
	for _, entry := range r.entries {
		if entry.Param.Code == p.Code && entry.Param.Type == p.Type {
			fn(entry.Key)
		}
	}
	return nil
}

func compareRows(a, b *row, sort []search.SortKey) int {
	for i, k := range sort {
		order := 0
		switch {
		case k.ID:
			order = strings.Compare(a.id, b.id)
		case k.Params == nil:
			order = cmp.Compare(a.doc, b.doc)
		case a.keys[i] == nil || b.keys[i] == nil:
			// No value comes last, whatever the direction.
			if order = compareMissing(a.keys[i], b.keys[i]); order != 0 {
				return order
			}
			continue
		default:
			order = bytes.Compare(a.keys[i], b.keys[i])
		}
		if k.Desc {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(a.doc, b.doc)
}

func compareMissing(a, b []byte) int {
	switch {
	case a == nil && b != nil:
		return 1
	case a != nil && b == nil:
		return -1
	}
	return 0
}
