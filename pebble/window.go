package pebble

import (
	"cmp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/pairs"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/pebble/internal/rank"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A page in the order of time that nobody wants the total of needs no set of
// all matches. Where conditions have many, one of them leads: its docs are read
// segment by segment, without those that have none, and what else must hold is
// looked for in one window of them after the other, each larger than the one
// before, until the page is full. What a page costs then grows neither with the
// store nor with how far behind each other matches lie. A page that never gets
// full costs a third more than it would at once.

// windowGrowth is how much larger each window is than the one before.
const windowGrowth = 4

// joinDocs is how many docs are asked for what refers to each of them, in
// windows, before all is found at once.
const joinDocs = 4

// A leader is the condition that windows follow, the cheapest that asks for
// single keys: all docs of the type where there is none.
type leader struct {
	query lists.Query
	// cost is about how many docs it has.
	cost int
	// rest are the other conditions, the cheapest for each doc first.
	rest []search.Node
	// joins is set where one of them is a join; size is how many docs the first
	// window has.
	joins bool
	size  int
	// all are the conditions where two of them may be looked up by their pairs.
	all search.And
}

// leader finds the condition that leads; ok is false where a page cannot be
// looked for in windows, or need not be.
func (e *evaluation) leader(plan search.Plan, page store.Page) (l leader, ok bool, err error) {
	if page.Total || page.Limit <= 0 || !byT(plan.Sort) || len(plan.Parts) != 1 {
		return l, false, nil
	}
	part := plan.Parts[0]
	if l.query, ok = e.everything(part.Type); !ok {
		return l, false, nil
	}
	l.cost = e.resources(part.Type)
	nodes, isAnd := part.Where.(search.And)
	if !isAnd {
		nodes = search.And{part.Where}
	}
	if few, err := e.pairs(nodes, pairs.AtFirst); few || err != nil {
		return l, false, err
	}
	best := -1
	for i, n := range nodes {
		terms, single := n.(search.Terms)
		if !single || !e.single(terms) {
			continue
		}
		cost, err := e.costTerms(terms)
		if err != nil {
			return l, false, err
		}
		if q, _ := e.query(terms); cost < l.cost || best < 0 {
			best, l.query, l.cost = i, q, cost
		}
	}
	if l.cost <= e.store.opt.windowCost {
		return l, false, nil
	}
	for i, n := range nodes {
		if i == best {
			continue
		}
		l.rest = append(l.rest, n)
		if rare, err := e.rare(part.Type, n); rare || err != nil {
			return l, false, err
		}
	}
	e.follow(&l)
	if _, ok := pairs.Join(nodes); ok {
		l.all = nodes
	}
	return l, true, nil
}

// rare reports whether a condition is rather evaluated for all: it cannot be
// looked for in windows, or windows of what leads would pass much that it does
// not hold for.
func (e *evaluation) rare(resourceType string, n search.Node) (bool, error) {
	if terms, isTerms := n.(search.Terms); isTerms && e.single(terms) {
		return false, nil // it does not lead, and so has more
	}
	if _, join := n.(search.Has); join {
		return false, nil
	}
	if !inWindows(n) {
		return true, nil
	}
	cost, err := e.cost(resourceType, n)
	return cost <= rareCost*e.store.opt.windowCost, err
}

// rareCost is how much more than windowCost another condition may cost that is
// rather evaluated for all.
const rareCost = 16

// single reports whether a condition asks for a few keys, and nothing else.
func (e *evaluation) single(n search.Terms) bool {
	q, known := e.query(n)
	return known && n.Recheck == nil && !q.Ranges() && len(q.Spans) <= manySpans
}

// follow puts the conditions behind a leader in order.
func (e *evaluation) follow(l *leader) {
	l.size = e.store.opt.windowDocs
	each := func(n search.Node) int {
		if terms, ok := n.(search.Terms); ok && e.single(terms) {
			return 0
		}
		return costAfter(n)
	}
	for _, n := range l.rest {
		switch n := n.(type) {
		case search.Has:
			l.joins = true
		case search.Terms:
			if n.Recheck == nil && !factual(n.Param) && !e.single(n) {
				// A range costs as much for a few docs as for a segment of them.
				l.size = e.store.opt.windowDocs * windowGrowth
			}
		}
	}
	slices.SortStableFunc(l.rest, func(a, b search.Node) int { return cmp.Compare(each(a), each(b)) })
}

// inWindows reports whether a node costs less for fewer docs.
func inWindows(n search.Node) bool {
	switch n := n.(type) {
	case nil, search.Terms, search.Updated:
		return true
	case search.And:
		return !slices.ContainsFunc(n, notInWindows)
	case search.Or:
		return !slices.ContainsFunc(n, notInWindows)
	case search.Not:
		return inWindows(n.Node)
	}
	return false
}

func notInWindows(n search.Node) bool { return !inWindows(n) }

// windows are the docs of a leader in the order of a page.
type windows struct {
	*evaluation
	query lists.Query
	desc  bool
	after doc // 0 for the first page
	// pending are docs that were read and not given out.
	pending *roaring.Bitmap
	// at is the segment to look from; end is set behind the last.
	at  uint16
	end bool
}

func (e *evaluation) windows(query lists.Query, sort []search.SortKey, after doc) *windows {
	w := &windows{evaluation: e, query: query, desc: len(sort) > 0 && sort[0].Desc, after: after, pending: roaring.New()}
	switch {
	case !w.desc:
		w.at = after.Segment()
	case after != 0:
		w.at = after.Segment()
	default:
		w.at = e.at.Segment()
	}
	return w
}

// next gives up to size docs out, none at the end. They are visible.
func (w *windows) next(size int) (*roaring.Bitmap, error) {
	for !w.end && int(w.pending.GetCardinality()) < size {
		if err := w.ctx.Err(); err != nil {
			return nil, err
		}
		if err := w.read(); err != nil {
			return nil, err
		}
	}
	window := w.pending
	if n := int(window.GetCardinality()); n <= size {
		w.pending = roaring.New()
		return window, nil
	} else if w.desc {
		size = n - size
	}
	first, err := window.Select(uint32(size)) // of what comes later, or of this window
	if err != nil {
		return nil, err
	}
	w.pending = window.Clone()
	if w.desc {
		w.pending.RemoveRange(uint64(first), 1<<32)
		window.RemoveRange(0, uint64(first))
	} else {
		w.pending.RemoveRange(0, uint64(first))
		window.RemoveRange(uint64(first), 1<<32)
	}
	return window, nil
}

// read reads the next segment that has docs.
func (w *windows) read() error {
	segment, ok, err := w.terms.NextSegment(&w.query, w.at, w.desc)
	if err != nil || !ok || segment > w.evaluation.at.Segment() {
		w.end = true
		return err
	}
	if w.end = w.desc && segment == 0 || !w.desc && segment == w.evaluation.at.Segment(); w.desc {
		w.at = segment - 1
	} else {
		w.at = segment + 1
	}
	var g posting.Gather
	if err := w.terms.GatherSegment(&g, &w.query, segment); err != nil {
		return err
	}
	docs := g.Bitmap()
	switch {
	case w.after == 0:
	case w.desc:
		docs.RemoveRange(uint64(w.after), 1<<32)
	default:
		docs.RemoveRange(0, uint64(w.after)+1)
	}
	w.store.lives.Visible(docs, w.evaluation.at)
	w.pending.Or(docs)
	return nil
}

// atOnce reports whether all matches are rather found at once than in one more
// window, before and behind which some docs are passed: a join costs much for
// each doc, and where the first window has not filled the page, pairs are likely
// to be few.
func (e *evaluation) atOnce(l *leader, before, behind int) (bool, error) {
	if l.joins && behind > joinDocs*l.size {
		return true, nil
	}
	if l.all == nil || before == 0 {
		return false, nil
	}
	nodes := l.all
	l.all = nil // once
	return e.pairs(nodes, pairs.AtLast)
}

// windowPage is a page of a plan, looked for in windows.
func (e *evaluation) windowPage(l *leader, plan search.Plan, page store.Page) (docs []doc, r store.Result, err error) {
	after, err := rank.ReadDoc(page.After)
	if err != nil {
		return nil, r, err
	}
	part := plan.Parts[0]
	step := e.trace.Begin(part.Type, "one stretch of time after the other, until the page is full")
	found := roaring.New()
	want := page.Limit + 1
	w := e.windows(l.query, plan.Sort, after)
	for size, passed := l.size, 0; len(docs) < want; size *= windowGrowth {
		set, err := w.next(size)
		if err != nil {
			return nil, r, err
		}
		if set.IsEmpty() {
			break
		}
		before := passed
		passed += int(set.GetCardinality())
		whole, err := e.atOnce(l, before, passed)
		if err != nil {
			return nil, r, err
		}
		if whole {
			step.End(found)
			return e.wholePage(plan, page)
		}
		for _, n := range l.rest {
			if set, err = e.node(part.Type, n, set); err != nil {
				return nil, r, err
			}
		}
		e.store.lives.Visible(set, e.at)
		docs = append(docs, pageByT(set, plan.Sort, 0, want-len(docs))...)
		found.Or(set)
	}
	step.End(found)
	sorting := e.trace.BeginSort(found)
	e.trace.Note("by time")
	r.Total = -1
	if len(docs) > page.Limit {
		docs = docs[:page.Limit]
		r.Next = rank.AppendDoc(nil, docs[page.Limit-1])
	}
	sorting.EndSort(page, r.Next, len(docs))
	return docs, r, nil
}
