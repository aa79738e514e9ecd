package pebble

import (
	"context"
	"errors"
	"iter"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/pebble/internal/rank"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// Search implements store.View.
func (v *view) Search(ctx context.Context, plan search.Plan, page store.Page) (store.Result, error) {
	if err := v.store.users.Enter(); err != nil {
		return store.Result{}, err
	}
	defer v.store.users.Leave()
	for {
		// Of a page all of which was erased meanwhile there is nothing left.
		if r, err := v.search(ctx, plan, page); !errors.Is(err, errErased) {
			return r, err
		}
	}
}

func (v *view) search(ctx context.Context, plan search.Plan, page store.Page) (_ store.Result, err error) {
	e := v.evaluation(ctx)
	defer func() { err = errors.Join(err, e.close()) }()
	e.types = typesOf(plan)
	e.trace = store.NewTrace(page, &e.terms.Keys)
	var r store.Result
	var docs []doc
	if queries, ok := e.listed(plan); ok && byT(plan.Sort) && (e.trace == nil || len(plan.Parts) == 1) {
		docs, r, err = e.listedPage(queries, plan, page)
	} else {
		docs, r, err = e.page(plan, page)
	}
	if err != nil {
		return store.Result{}, err
	}
	r.Matches, r.Len, r.Explanation = v.versions(ctx, docs), len(docs), e.trace.Steps()
	return r, nil
}

func typesOf(plan search.Plan) (types []string) {
	for _, part := range plan.Parts {
		types = append(types, part.Type)
	}
	return types
}

// Count implements store.View.
func (v *view) Count(ctx context.Context, plan search.Plan) (n int, err error) {
	if err := v.store.users.Enter(); err != nil {
		return 0, err
	}
	defer v.store.users.Leave()
	if len(plan.Parts) == 1 && plan.Parts[0].Where == nil {
		if n, ok := v.store.live.count(plan.Parts[0].Type, v.at); ok {
			return n, nil
		}
	}
	e := v.evaluation(ctx)
	defer func() { err = errors.Join(err, e.close()) }()
	if queries, ok := e.listed(plan); ok {
		tally := posting.Tally{Lives: &e.store.lives, At: e.at}
		err := e.terms.Tally(queries, &tally)
		return tally.N, err
	}
	set, err := e.plan(plan)
	if err != nil {
		return 0, err
	}
	return int(set.GetCardinality()), nil
}

// listed are the queries whose lists are the matches of a plan, but for what is
// not visible; ok is false where there is more to it than lists.
func (e *evaluation) listed(plan search.Plan) (queries []lists.Query, ok bool) {
	for _, part := range plan.Parts {
		var q lists.Query
		known := false
		switch n := part.Where.(type) {
		case nil:
			q, known = e.everything(part.Type)
		case search.Terms:
			if n.Recheck != nil {
				return nil, false
			}
			q, known = e.query(n)
		default:
			return nil, false
		}
		if known {
			queries = append(queries, q)
		}
	}
	return queries, len(queries) > 0
}

// listedPage is a page in the order of time, counted and taken while the lists
// are read: there is no set of all matches.
func (e *evaluation) listedPage(queries []lists.Query, plan search.Plan, page store.Page) (docs []doc, r store.Result, err error) {
	after, err := rank.ReadDoc(page.After)
	if err != nil {
		return nil, r, err
	}
	tally := &posting.Tally{Lives: &e.store.lives, At: e.at, After: after, Desc: len(plan.Sort) > 0 && plan.Sort[0].Desc, Rest: page.Total}
	if page.Limit > 0 {
		tally.Want = page.Limit + 1
	}
	step := e.trace.BeginNode(plan.Parts[0].Type, plan.Parts[0].Where)
	e.trace.Note("counted as the lists are read")
	if err := e.terms.Tally(queries, tally); err != nil {
		return nil, r, err
	}
	step.End(tally)
	sorting := e.trace.BeginSort(tally)
	e.trace.Note("by time")
	docs, r.Total = tally.Docs(), -1
	if page.Total {
		r.Total = tally.N
	}
	if page.Limit > 0 && len(docs) > page.Limit {
		docs = docs[:page.Limit]
		r.Next = rank.AppendDoc(nil, docs[page.Limit-1])
	}
	sorting.EndSort(page, r.Next, len(docs))
	return docs, r, nil
}

// sortedAll is a page of everything there is of one type, by a parameter: the
// number is known, and the walk of the parameter's keys needs no set.
func (e *evaluation) sortedAll(plan search.Plan, page store.Page) (docs []doc, r store.Result, ok bool, err error) {
	if len(plan.Parts) != 1 || plan.Parts[0].Where != nil || byT(plan.Sort) || plan.Sort[0].ID {
		return nil, r, false, nil
	}
	size, ok := e.store.live.count(plan.Parts[0].Type, e.at)
	if !ok || size <= fewRows {
		return nil, r, false, nil
	}
	if r.Total = -1; page.Total {
		r.Total = size
	}
	e.trace.Begin(plan.Parts[0].Type, "everything that there is").End(sized(size))
	sort := e.trace.BeginSort(sized(size))
	e.trace.Note("walk of the index")
	docs, r.Next, err = e.sortedPage(plan.Sort, page, func(by sorting) ([]doc, error) {
		return e.walkAll(by, size, func() (*roaring.Bitmap, error) { return e.part(plan.Parts[0]) })
	})
	if err == nil {
		sort.EndSort(page, r.Next, len(docs))
	}
	return docs, r, true, err
}

// sortedMembers is a page, without a total, of what has one of a few keys, by a
// parameter. Where that is much, there is no set of it either: the walk of the
// parameter's keys asks whether what it meets is among it.
func (e *evaluation) sortedMembers(plan search.Plan, page store.Page) (docs []doc, r store.Result, ok bool, err error) {
	if page.Total || page.Limit <= 0 || len(plan.Parts) != 1 || byT(plan.Sort) || plan.Sort[0].ID {
		return nil, r, false, nil
	}
	terms, isTerms := plan.Parts[0].Where.(search.Terms)
	if !isTerms || !e.single(terms) {
		return nil, r, false, nil
	}
	size, err := e.costTerms(terms)
	if err != nil || size <= e.store.opt.windowCost {
		return nil, r, false, err
	}
	query, _ := e.query(terms)
	e.trace.BeginNode(plan.Parts[0].Type, terms).End(sized(size))
	sort := e.trace.BeginSort(sized(size))
	e.trace.Note("walk of the index, which looks each up")
	docs, r.Next, err = e.sortedPage(plan.Sort, page, func(by sorting) ([]doc, error) {
		return e.walkMembers(by, query, size, func() (*roaring.Bitmap, error) { return e.part(plan.Parts[0]) })
	})
	r.Total = -1
	if err == nil {
		sort.EndSort(page, r.Next, len(docs))
	}
	return docs, r, true, err
}

// sized is a set of which only the size is known.
type sized int

// GetCardinality implements store.Set.
func (s sized) GetCardinality() uint64 { return uint64(s) }

// page is a page of the matches of a plan.
func (e *evaluation) page(plan search.Plan, page store.Page) (docs []doc, r store.Result, err error) {
	if docs, r, ok, err := e.sortedAll(plan, page); ok {
		return docs, r, err
	}
	if docs, r, ok, err := e.sortedMembers(plan, page); ok || err != nil {
		return docs, r, err
	}
	l, windowed, err := e.leader(plan, page)
	if err != nil {
		return nil, r, err
	}
	if windowed {
		return e.windowPage(&l, plan, page)
	}
	return e.wholePage(plan, page)
}

// wholePage is a page of the set of all matches, made at once.
func (e *evaluation) wholePage(plan search.Plan, page store.Page) (docs []doc, r store.Result, err error) {
	set, err := e.plan(plan)
	if err != nil {
		return nil, r, err
	}
	r.Total = -1
	if page.Total {
		r.Total = int(set.GetCardinality())
	}
	sorting := e.trace.BeginSort(set)
	if docs, r.Next, err = e.pageOf(set, plan.Sort, page); err != nil {
		return nil, r, err
	}
	sorting.EndSort(page, r.Next, len(docs))
	return docs, r, nil
}

// versions reads docs as they are asked for.
func (v *view) versions(ctx context.Context, docs []doc) iter.Seq2[store.Version, error] {
	return v.store.sequence(ctx, func(yield func(store.Version, error) bool) error {
		return v.store.versions(docs, yield)
	})
}

// pageOf returns the docs of one page in order, and where the next one begins.
//
// A cursor is, in order of T, the last doc of the page; in another order, the
// doc with what it was sorted by (rank.AppendCursor).
func (e *evaluation) pageOf(set *roaring.Bitmap, sort []search.SortKey, page store.Page) (docs []doc, next []byte, err error) {
	if byT(sort) {
		e.trace.Note("by time")
		after, err := rank.ReadDoc(page.After)
		if err != nil || page.Limit <= 0 {
			return nil, nil, err
		}
		docs := pageByT(set, sort, after, page.Limit+1)
		if len(docs) <= page.Limit {
			return docs, nil, nil
		}
		return docs[:page.Limit], rank.AppendDoc(nil, docs[page.Limit-1]), nil
	}
	return e.sortedPage(sort, page, func(by sorting) ([]doc, error) { return e.ordered(set, by) })
}

// sortedPage is a page in another order than that of T.
func (e *evaluation) sortedPage(sort []search.SortKey, page store.Page, ordered func(by sorting) ([]doc, error)) (docs []doc, next []byte, err error) {
	after, err := rank.ReadCursor(page.After, len(sort))
	if err != nil || page.Limit <= 0 {
		return nil, nil, err
	}
	docs, err = ordered(sorting{sort, page.Limit + 1, after})
	if err != nil || len(docs) <= page.Limit {
		return docs, nil, err
	}
	return e.cursorAt(sort, docs[:page.Limit])
}

// cursorAt is where the page behind docs begins: at the last of them, without
// those that were erased meanwhile, which have nothing to be found by.
func (e *evaluation) cursorAt(sort []search.SortKey, docs []doc) (_ []doc, next []byte, err error) {
	var last rank.Row
	rows := rowReader{scan: &e.scan, sort: sort}
	err = errErased
	for errors.Is(err, errErased) && len(docs) > 0 {
		if err = rows.row(&last, docs[len(docs)-1]); errors.Is(err, errErased) {
			docs = docs[:len(docs)-1]
		}
	}
	return docs, rank.AppendCursor(nil, &last), err
}

// byT reports whether an order is that of T, forward or backward.
func byT(sort []search.SortKey) bool {
	return len(sort) == 0 || sort[0].Params == nil && !sort[0].ID
}

// pageByT returns up to n docs behind a doc, 0 for the first.
func pageByT(set *roaring.Bitmap, sort []search.SortKey, after doc, n int) []doc {
	var it roaring.IntIterable
	if len(sort) > 0 && sort[0].Desc {
		if after != 0 {
			set.RemoveRange(uint64(after), 1<<32)
		}
		it = set.ReverseIterator()
	} else {
		set.RemoveRange(0, uint64(after)+1)
		it = set.Iterator()
	}
	var docs []doc
	for len(docs) < n && it.HasNext() {
		docs = append(docs, doc(it.Next()))
	}
	return docs
}
