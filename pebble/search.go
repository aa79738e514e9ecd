package pebble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// An evaluation turns the conditions of a plan into sets of docs, at one time.
// It reads the index as it was at its start, and is closed at its end.
type evaluation struct {
	ctx   context.Context
	store *Store
	terms *lists.Reader
	scan  scan
	at    doc
	// types are those of the plan's parts, where they matter.
	types []string
	// costs are those of conditions on entries that were asked for, by where
	// their spans are.
	costs map[*search.Span]int
	// joint is what paired found last.
	joint jointSet
	// trace is nil where nothing is to be explained.
	trace *store.Trace
}

func (v *view) evaluation(ctx context.Context) *evaluation {
	return &evaluation{ctx: ctx, store: v.store, terms: v.store.terms(), scan: scan{store: v.store}, at: v.at}
}

func (e *evaluation) close() error { return errors.Join(e.terms.Close(), e.scan.close()) }

// plan returns the docs that match a plan and are visible.
func (e *evaluation) plan(p search.Plan) (*roaring.Bitmap, error) {
	set := roaring.New()
	for i, part := range p.Parts {
		found, err := e.part(part)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			set = found
			continue
		}
		set.Or(found)
	}
	return set, nil
}

// part returns the docs that match a part and are visible.
func (e *evaluation) part(p search.Part) (*roaring.Bitmap, error) {
	part := e.trace.Begin(p.Type, "conditions, then visibility")
	set, err := e.node(p.Type, p.Where, nil)
	if err != nil {
		return nil, err
	}
	visible := e.trace.Begin("visible", "without deletions and what was superseded by then")
	e.store.lives.Visible(set, e.at)
	visible.End(set)
	part.End(set)
	return set, nil
}

// node returns the docs of a type for which n holds. Where within is not nil,
// they are within it. Docs that are not visible may be among them, in any
// number: part sorts them out. The result is the caller's to change.
func (e *evaluation) node(resourceType string, n search.Node, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	if err := e.ctx.Err(); err != nil {
		return nil, err
	}
	step := e.trace.BeginNode(resourceType, n)
	if within != nil && within.IsEmpty() {
		e.trace.Note("skipped: nothing was left to narrow down")
		step.End(within)
		return roaring.New(), nil
	}
	set, err := e.evaluate(resourceType, n, within)
	if err != nil {
		return nil, err
	}
	if within != nil && set != within {
		set.And(within)
	}
	step.End(set)
	return set, nil
}

func (e *evaluation) evaluate(resourceType string, n search.Node, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	switch n := n.(type) {
	case nil:
		return e.all(resourceType, within)
	case search.Terms:
		return e.match(n, within)
	case search.IDs:
		return e.ids(resourceType, n.IDs)
	case search.Updated:
		return e.updated(resourceType, n, within)
	case search.And:
		return e.and(resourceType, n, within)
	case search.Or:
		return e.or(resourceType, n, within)
	case search.Not:
		return e.not(resourceType, n, within)
	case search.Chain:
		return e.chain(n, within)
	case search.Has:
		return e.has(resourceType, n, within)
	}
	return nil, fmt.Errorf("pebble: unknown plan node %T", n)
}

// terms reads the index as it is now.
func (s *Store) terms() *lists.Reader {
	return &lists.Reader{DB: s.db, Heads: s.index.Load().heads}
}

// mark is the docs with a resource type's mark, as far as they are in the
// segments of within where that is not nil. It closes the reader for now.
func (s *Store) mark(t *lists.Reader, resourceType, code string, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	number, ok := s.params.mark(resourceType, code)
	if !ok {
		return roaring.New(), nil
	}
	var g posting.Gather
	q := lists.Query{Param: number, Spans: []search.Span{search.Exactly(nil)}}
	err := t.Gather(&g, &q, within)
	return g.Bitmap(), errors.Join(err, t.Close())
}

// query is what the index is asked for a condition on entries; ok is false
// where nothing was indexed under its parameter.
func (e *evaluation) query(n search.Terms) (q lists.Query, ok bool) {
	number, ok := e.store.params.number(n.Param)
	return lists.Query{Param: number, Spans: n.Spans, Test: n.Test, Sure: n.Sure, Grouping: groupingOf(n.Param)}, ok
}

// everything is the query for all docs of a type.
func (e *evaluation) everything(resourceType string) (q lists.Query, ok bool) {
	number, ok := e.store.params.mark(resourceType, search.MarkType)
	return lists.Query{Param: number, Spans: []search.Span{search.Exactly(nil)}}, ok
}

// all is every doc of a type.
func (e *evaluation) all(resourceType string, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	if within != nil {
		return within.Clone(), nil
	}
	q, ok := e.everything(resourceType)
	if !ok {
		return roaring.New(), nil
	}
	return e.terms.Union(&q)
}

func (e *evaluation) match(n search.Terms, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	q, ok := e.query(n)
	if !ok {
		e.trace.Note(store.NotIndexed)
		return roaring.New(), nil
	}
	if within == nil {
		set, err := e.terms.Union(&q)
		if err != nil || n.Recheck == nil {
			return set, err
		}
		return e.recheck(set, n.Recheck)
	}
	if n.Recheck == nil {
		if set, done, err := e.filter(n, &q, within); done {
			return set, err
		}
	}
	set, err := e.terms.Narrow(&q, within)
	if err != nil || n.Recheck == nil {
		return set, err
	}
	return e.recheck(set, n.Recheck)
}

// recheck keeps the docs whose trees pass.
func (e *evaluation) recheck(set *roaring.Bitmap, passes func(*search.Candidate) bool) (*roaring.Bitmap, error) {
	e.store.lives.Visible(set, e.at)
	kept := roaring.New()
	for it := set.Iterator(); it.HasNext(); {
		d := doc(it.Next())
		if err := e.ctx.Err(); err != nil {
			return nil, err
		}
		c, err := e.candidate(d)
		if errors.Is(err, errErased) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if passes(c) {
			kept.Add(uint32(d))
		}
	}
	return kept, nil
}

// candidate reads a version as search looks at it.
func (e *evaluation) candidate(d doc) (*search.Candidate, error) {
	s := e.store
	v, err := e.scan.version(d)
	if err != nil {
		return nil, err
	}
	c := &search.Candidate{Type: v.Type, ID: v.ID, LastUpdated: v.LastUpdated}
	if c.Entries, err = s.opt.Extract(v); err != nil {
		return nil, err
	}
	// The body alone may hold an empty meta, which is no valid resource.
	c.Tree, err = s.parse(v.Body.Append(nil, strconv.FormatUint(v.Number, 10), v.LastUpdated))
	return c, err
}

func (s *Store) parse(json []byte) (*fhir.Tree, error) {
	if s.opt.Parse == nil {
		return nil, errors.New("pebble: a search that looks at resources needs Options.Parse")
	}
	return s.opt.Parse(json)
}

// fewIDs is up to how many ids are looked up one by one rather than with one
// iterator.
const fewIDs = 4

// ids looks resources up by id.
func (e *evaluation) ids(resourceType string, ids []string) (*roaring.Bitmap, error) {
	set := roaring.New()
	find := e.scan.currentAt
	if len(ids) <= fewIDs { // they may be in memory
		find = e.store.currentAt
	}
	for _, id := range ids {
		e.terms.Keys++
		c, err := find(resourceType, id, e.at)
		if err != nil {
			return nil, err
		}
		if c.doc != 0 && !c.deleted() {
			set.Add(uint32(c.doc))
		}
	}
	return set, nil
}

// updated finds the docs written in a stretch of time, which are a range.
func (e *evaluation) updated(resourceType string, n search.Updated, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	first, last := doc(1), e.at
	if !n.From.IsZero() {
		before, err := e.store.docsBefore(ceilMicros(n.From), e.at)
		if err != nil {
			return nil, err
		}
		first = before + 1
	}
	if !n.To.IsZero() {
		var err error
		if last, err = e.store.docsBefore(ceilMicros(n.To), e.at); err != nil {
			return nil, err
		}
	}
	if first > last {
		return roaring.New(), nil
	}
	stretch := roaring.New()
	stretch.AddRange(uint64(first), uint64(last)+1)
	set, err := e.all(resourceType, within)
	if err == nil {
		set.And(stretch)
	}
	return set, err
}

// ceilMicros is the first microsecond that is not before t.
func ceilMicros(t time.Time) int64 {
	micros := t.UnixMicro()
	if time.UnixMicro(micros).Before(t) {
		micros++
	}
	return micros
}

// and narrows down, the cheapest condition first. What follows reads only the
// segments that still have docs.
func (e *evaluation) and(resourceType string, nodes search.And, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	if len(nodes) == 0 {
		return e.all(resourceType, within)
	}
	set, nodes, err := e.paired(nodes, within)
	if err != nil {
		return nil, err
	}
	ordered, err := e.order(resourceType, nodes)
	if err != nil {
		return nil, err
	}
	for _, n := range ordered {
		if set, err = e.node(resourceType, n, set); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func (e *evaluation) or(resourceType string, nodes search.Or, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	set := roaring.New()
	for _, n := range nodes {
		more, err := e.node(resourceType, n, within)
		if err != nil {
			return nil, err
		}
		set.Or(more)
	}
	return set, nil
}

// not subtracts. What it subtracts holds for each doc by itself, so that
// invisible docs on either side do not matter.
func (e *evaluation) not(resourceType string, n search.Not, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	set, err := e.all(resourceType, within)
	if err != nil {
		return nil, err
	}
	without, err := e.node(resourceType, n.Node, set)
	if err == nil {
		set.AndNot(without)
	}
	return set, err
}

// order sorts the nodes of an And by what they are likely to cost. Where one is
// known to be cheap, ranges and joins are not asked, and follow.
func (e *evaluation) order(resourceType string, nodes search.And) ([]search.Node, error) {
	if len(nodes) < 2 {
		return nodes, nil
	}
	type ranked struct {
		node search.Node
		cost int
		ok   bool
	}
	list := make([]ranked, len(nodes))
	least := costNot
	for i, n := range nodes {
		cost, ok, err := e.costFirst(n)
		if err != nil {
			return nil, err
		}
		if list[i] = (ranked{n, cost, ok}); ok {
			least = min(least, cost)
		}
	}
	for i := range list {
		if list[i].ok {
			continue
		}
		if least <= costLead {
			list[i].cost = costAfter(list[i].node)
			continue
		}
		var err error
		if list[i].cost, err = e.cost(resourceType, list[i].node); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(a.cost, b.cost) })
	ordered := make([]search.Node, len(list))
	for i := range list {
		ordered[i] = list[i].node
	}
	return ordered, nil
}
