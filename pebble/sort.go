package pebble

import (
	"errors"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/pebble/internal/rank"
	"github.com/tarnhealth/tarn/search"
)

// fewRows is up to how many docs are read to be sorted, where a walk would cost
// more to begin.
const fewRows = 4

// A sorting asks for the first n docs of a set in the order of sort keys, or
// for those behind a row where after is not nil.
type sorting struct {
	sort  []search.SortKey
	n     int
	after *rank.Row
}

// ordered returns the docs of a set that a sorting asks for. It may change the
// set.
func (e *evaluation) ordered(set *roaring.Bitmap, by sorting) ([]doc, error) {
	size := int(set.GetCardinality())
	switch {
	case size == 0 || by.n <= 0:
		return nil, nil
	case size == 1 && by.after == nil:
		return []doc{doc(set.Minimum())}, nil
	case byT(by.sort):
		after := doc(0)
		if by.after != nil {
			after = by.after.Doc
		}
		return pageByT(set, by.sort, after, by.n), nil
	case by.sort[0].ID:
		return e.orderedByID(set, by)
	case size <= fewRows:
		e.trace.Note("read of the few")
		return e.sortRows(set, by)
	}
	if e.datesAreCheaper(set, by) {
		e.trace.Note("by the dates of the matches")
		return e.sortRows(set, by)
	}
	e.trace.Note("walk of the index")
	return e.walkInOrder(set, by)
}

// datesAreCheaper reports whether reading the facts of a set costs less than a
// walk until n of its docs are met, which passes a share of all resources.
func (e *evaluation) datesAreCheaper(set *roaring.Bitmap, by sorting) bool {
	all := 0
	for _, k := range by.sort {
		for _, p := range k.Params {
			if _, ok := e.store.facts(nil, p); !ok {
				return false
			}
			all += e.resources(p.Type)
		}
	}
	size := int(set.GetCardinality())
	steps := all / size * min(by.n, size)
	return size <= steps && e.factSteps(set) < steps
}

// sortRows reads every doc of a set and keeps the first rows.
func (e *evaluation) sortRows(set *roaring.Bitmap, by sorting) (_ []doc, err error) {
	top := rank.Top{Sort: by.sort, N: by.n, After: by.after}
	r := rowReader{scan: &e.scan, sort: by.sort}
	var row rank.Row
	n := 0
	for it := set.Iterator(); it.HasNext(); n++ {
		if n%256 == 0 && e.ctx.Err() != nil {
			return nil, e.ctx.Err()
		}
		err := r.row(&row, doc(it.Next()))
		if errors.Is(err, errErased) {
			continue
		}
		if err != nil {
			return nil, err
		}
		top.Add(&row)
	}
	return top.Docs(), nil
}

// A walking is a walk of the keys of the first sort key until n docs of a set
// are found. Docs with the same key go by the other sort keys, docs without one
// come last.
//
// A set that has a share of everything fills a page soon, however many keys
// there are. One that is small may lie behind all others; so when the walk has
// cost as much as reading the set would, what is left is read. It is what
// comes behind the keys that were walked.
//
// A later page begins at the key of the row that it follows. What is met there
// may have come before, by a lesser key: its row tells.
type walking struct {
	*evaluation
	by sorting
	// set is nil where it is everything that is visible: size docs, of which
	// all makes a set.
	set  *roaring.Bitmap
	size int
	all  func() (*roaring.Bitmap, error)
	// guessed is set where size is only about the number of docs.
	guessed bool
	walk    lists.Walk
	met     posting.Among
	taken   *roaring.Bitmap
	docs    []doc
	rows    rowReader
}

func (e *evaluation) walkInOrder(set *roaring.Bitmap, by sorting) (docs []doc, err error) {
	w := &walking{evaluation: e, by: by, set: set, size: int(set.GetCardinality())}
	marks := posting.NewMarks(set)
	defer marks.Free()
	w.met.Marks = marks
	return w.start()
}

// walkAll is walkInOrder of everything that is visible of the plan's types,
// size docs.
func (e *evaluation) walkAll(by sorting, size int, all func() (*roaring.Bitmap, error)) (docs []doc, err error) {
	w := &walking{evaluation: e, by: by, size: size, all: all}
	w.met.Marks = posting.Alive{Lives: &e.store.lives, At: e.at}
	return w.start()
}

// walkMembers is walkInOrder of the docs that a query for single keys has, about
// size ones. Their lists are read where the walk passes.
func (e *evaluation) walkMembers(by sorting, query lists.Query, size int, all func() (*roaring.Bitmap, error)) ([]doc, error) {
	w := &walking{evaluation: e, by: by, size: size, all: all, guessed: true}
	members := &lists.Members{Reader: e.terms, Query: query}
	defer members.Free()
	w.met.Marks = posting.Both{members, posting.Alive{Lives: &e.store.lives, At: e.at}}
	docs, err := w.start()
	return docs, errors.Join(err, members.Err)
}

func (w *walking) start() (docs []doc, err error) {
	w.taken, w.rows = roaring.New(), rowReader{scan: &w.scan, sort: w.by.sort}
	if w.by.after != nil && w.by.after.Keys[0] == nil {
		err := w.valueless()
		return w.docs, err
	}
	w.walk.Desc = w.by.sort[0].Desc
	defer func() { err = errors.Join(err, w.walk.Close()) }()
	for _, p := range w.by.sort[0].Params {
		if err := w.add(p); err != nil {
			return nil, err
		}
	}
	err = w.run()
	return w.docs, err
}

// left are the docs that were not taken.
func (w *walking) left() (set *roaring.Bitmap, err error) {
	if set = w.set; set == nil {
		if set, err = w.all(); err != nil {
			return nil, err
		}
	}
	set.AndNot(w.taken)
	return set, nil
}

// add adds the keys of a parameter, from where the page begins on.
func (w *walking) add(p *search.Param) error {
	number, ok := w.store.params.number(p)
	if !ok {
		return nil
	}
	span := search.SortSpan(p)
	if w.by.after != nil {
		at := search.Exactly(w.by.after.Keys[0])
		if w.by.sort[0].Desc {
			span.To = at.To
		} else {
			span.From = at.From
		}
	}
	return w.walk.Add(w.terms, number, span)
}

func (w *walking) run() error {
	var key []byte
	for steps := 0; len(w.docs) < w.by.n && (w.guessed || w.size > int(w.taken.GetCardinality())); steps++ {
		if steps%1024 == 0 && w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		next := w.walk.Key()
		if next == nil {
			return w.valueless()
		}
		if steps/w.store.opt.walkSteps >= w.size-int(w.taken.GetCardinality()) {
			return w.readRest()
		}
		key = append(key[:0], next...)
		w.terms.Keys++
		if err := w.walk.Take(key, &w.met); err != nil {
			return err
		}
		if err := w.tied(key); err != nil {
			return err
		}
	}
	return nil
}

// readRest reads and sorts what is left.
func (w *walking) readRest() error {
	w.trace.Note("read of the rest")
	left, err := w.left()
	if err != nil {
		return err
	}
	rest, err := w.sortRows(left, sorting{w.by.sort, w.by.n - len(w.docs), w.by.after})
	w.docs = append(w.docs, rest...)
	return err
}

// tied takes the docs that were met with one key.
func (w *walking) tied(key []byte) error {
	group := roaring.New()
	for _, d := range w.met.Sorted() {
		if !w.taken.Contains(uint32(d)) {
			group.Add(uint32(d))
		}
	}
	if group.IsEmpty() {
		return nil
	}
	w.taken.Or(group)
	rest := sorting{sort: w.by.sort[1:]}
	if w.by.after != nil && string(key) == string(w.by.after.Keys[0]) {
		rest.after = w.by.after.Behind()
	}
	for len(w.docs) < w.by.n && !group.IsEmpty() {
		rest.n = w.by.n - len(w.docs)
		set := group
		if w.by.after != nil { // there may be a next round
			set = group.Clone()
		}
		docs, err := w.ordered(set, rest)
		if err != nil || len(docs) == 0 {
			return err
		}
		if w.by.after == nil {
			w.docs = append(w.docs, docs...)
			return nil
		}
		if rest.after, err = w.first(key, docs); err != nil || len(docs) < rest.n {
			return err
		}
	}
	return nil
}

// first keeps those docs whose first key is the one at which they were met, and
// returns the row of the last doc, in the order of the other sort keys.
func (w *walking) first(key []byte, docs []doc) (last *rank.Row, err error) {
	for _, d := range docs {
		last = &rank.Row{}
		err := w.rows.row(last, d)
		if errors.Is(err, errErased) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if string(last.Keys[0]) == string(key) {
			w.docs = append(w.docs, d)
		}
	}
	return last.Behind(), nil
}

// valueless takes the docs without a value for the first sort key.
func (w *walking) valueless() error {
	left, err := w.left()
	if err != nil {
		return err
	}
	rest := sorting{sort: w.by.sort[1:], n: w.by.n - len(w.docs)}
	if w.by.after != nil {
		// What came on the pages before was not taken.
		for _, p := range w.by.sort[0].Params {
			number, ok := w.store.params.number(p)
			if !ok {
				continue
			}
			q := lists.Query{Param: number, Spans: []search.Span{search.SortSpan(p)}, Grouping: groupingOf(p)}
			valued, err := w.terms.Union(&q)
			if err != nil {
				return err
			}
			left.AndNot(valued)
		}
		if w.by.after.Keys[0] == nil {
			rest.after = w.by.after.Behind()
		}
	}
	docs, err := w.ordered(left, rest)
	w.docs = append(w.docs, docs...)
	return err
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

func (r *rowReader) row(made *rank.Row, d doc) error {
	made.Reset(d, len(r.sort))
	for i, k := range r.sort {
		if k.ID {
			h, _, id, err := r.scan.header(d)
			if err == nil && h.erased() {
				err = errErased
			}
			if err != nil {
				return err
			}
			made.Keys[i] = []byte(id)
		}
		for _, p := range k.Params {
			span := search.SortSpan(p)
			err := r.keys(d, p, func(key []byte) {
				if span.Contains(key) {
					made.Offer(i, key, k.Desc)
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
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
