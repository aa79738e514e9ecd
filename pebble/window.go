package pebble

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/pebble/internal/rank"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A page in the order of time that nobody wants the total of needs no set of
// all matches. Where conditions have many, they are evaluated for one window of
// versions after the other, each larger than the one before, until the page is
// full: what a page costs then does not grow with the store. A page that never
// gets full costs a third more than it would at once.

// windowGrowth is how much larger each window is than the one before.
const windowGrowth = 4

// windowed reports whether a page is looked for in windows.
func (e *evaluation) windowed(plan search.Plan, page store.Page) (bool, error) {
	if page.Total || page.Limit <= 0 || !byT(plan.Sort) || len(plan.Parts) != 1 || !inWindows(plan.Parts[0].Where) {
		return false, nil
	}
	cost, err := e.cost(plan.Parts[0].Type, plan.Parts[0].Where)
	return cost > e.store.opt.windowCost, err
}

// inWindows reports whether a node costs less for fewer docs. A join does not:
// its inner search is for all.
func inWindows(n search.Node) bool {
	switch n := n.(type) {
	case search.Terms, search.Updated:
		return true
	case search.And:
		return allInWindows(n)
	case search.Or:
		return allInWindows(n)
	case search.Not:
		return inWindows(n.Node)
	}
	return false
}

func allInWindows(nodes []search.Node) bool {
	for _, n := range nodes {
		if !inWindows(n) {
			return false
		}
	}
	return true
}

// A window is the docs from first to last, which is n stretches of a size.
type window struct {
	first, last uint64
	n, size     uint64
	desc        bool
	end         uint64 // the last doc that there is
}

// firstWindow is behind a doc, 0 for none, and ends where a multiple of size
// docs does: with a segment.
func firstWindow(sort []search.SortKey, after, end doc, size int) window {
	w := window{n: 1, size: uint64(size), desc: len(sort) > 0 && sort[0].Desc, end: uint64(end)}
	switch {
	case !w.desc:
		w.first = uint64(after) + 1
	case after != 0:
		w.last = uint64(after) - 1
	default:
		w.last = w.end
	}
	w.fit()
	return w
}

// fit sets the end of a window whose beginning and size are known.
func (w *window) fit() {
	if w.desc {
		w.first = max(1, (w.last/w.size-min(w.last/w.size, w.n-1))*w.size)
		return
	}
	w.last = min(w.end, (w.first/w.size+w.n)*w.size-1)
}

// next is the window behind, larger where growing is asked for; ok is false
// where there is none.
func (w *window) next(growing bool) (ok bool) {
	if growing {
		w.n *= windowGrowth
	}
	if w.desc {
		w.last = w.first - 1
		w.fit()
		return w.last > 0
	}
	w.first = w.last + 1
	w.fit()
	return w.first <= w.end
}

// inWindow is the docs of a type that are in a window.
func (e *evaluation) inWindow(resourceType string, w window) (*roaring.Bitmap, error) {
	docs := roaring.New()
	docs.AddRange(w.first, w.last+1)
	q, ok := e.everything(resourceType)
	if !ok {
		return roaring.New(), nil
	}
	return e.terms.Narrow(&q, docs)
}

// windowPage is a page of a plan, looked for in windows.
func (e *evaluation) windowPage(plan search.Plan, page store.Page) (docs []doc, r store.Result, err error) {
	after, err := rank.ReadDoc(page.After)
	if err != nil {
		return nil, r, err
	}
	part := plan.Parts[0]
	step := e.trace.Begin(part.Type, "one stretch of time after the other, until the page is full")
	found := roaring.New()
	want := page.Limit + 1
	w := firstWindow(plan.Sort, after, e.at, e.store.opt.windowDocs)
	growing := false
	for more := w.first <= w.last; more && len(docs) < want; more = w.next(growing) {
		set, err := e.inWindow(part.Type, w)
		if err != nil {
			return nil, r, err
		}
		if growing = !set.IsEmpty(); !growing {
			continue
		}
		if set, err = e.node(part.Type, part.Where, set); err != nil {
			return nil, r, err
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
