package pebble

import (
	"context"
	"encoding/binary"
	"iter"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// Search implements store.View.
func (v *view) Search(ctx context.Context, plan search.Plan, page store.Page) (store.Result, error) {
	if err := v.store.users.Enter(); err != nil {
		return store.Result{}, err
	}
	defer v.store.users.Leave()
	e := v.evaluation(ctx)
	e.trace = store.NewTrace(page, &e.terms.Keys)
	set, err := e.plan(plan)
	if err != nil {
		return store.Result{}, err
	}
	total := -1
	if page.Total {
		total = int(set.GetCardinality())
	}
	sorting := e.trace.BeginSort(set)
	docs, next, err := e.page(set, plan.Sort, page)
	if err != nil {
		return store.Result{}, err
	}
	sorting.EndSort(page, next, len(docs))
	return store.Result{Matches: v.versions(ctx, docs), Len: len(docs), Total: total, Next: next, Explanation: e.trace.Steps()}, nil
}

// Count implements store.View.
func (v *view) Count(ctx context.Context, plan search.Plan) (int, error) {
	if err := v.store.users.Enter(); err != nil {
		return 0, err
	}
	defer v.store.users.Leave()
	if len(plan.Parts) == 1 && plan.Parts[0].Where == nil {
		if n, ok := v.store.live.count(plan.Parts[0].Type, v.at); ok {
			return n, nil
		}
	}
	set, err := v.evaluation(ctx).plan(plan)
	if err != nil {
		return 0, err
	}
	return int(set.GetCardinality()), nil
}

// versions reads docs as they are asked for.
func (v *view) versions(ctx context.Context, docs []doc) iter.Seq2[store.Version, error] {
	return v.store.sequence(ctx, func(yield func(store.Version, error) bool) error {
		return v.store.versions(docs, yield)
	})
}

// page returns the docs of one page in order, and where the next one begins.
//
// A cursor is, in order of T, the last doc of the page; in another order, the
// number of docs on the pages before: at one time the order never changes.
func (e *evaluation) page(set *roaring.Bitmap, sort []search.SortKey, page store.Page) ([]doc, []byte, error) {
	after, err := readCursor(page.After)
	if err != nil || page.Limit <= 0 {
		return nil, nil, err
	}
	if byT(sort) {
		e.trace.Note("by time")
		docs := pageByT(set, sort, doc(after), page.Limit+1)
		if len(docs) <= page.Limit {
			return docs, nil, nil
		}
		return docs[:page.Limit], appendCursor(uint64(docs[page.Limit-1])), nil
	}
	docs, err := e.ordered(set, sort, int(after)+page.Limit+1)
	if err != nil || int(after) >= len(docs) {
		return nil, nil, err
	}
	docs = docs[after:]
	if len(docs) <= page.Limit {
		return docs, nil, nil
	}
	return docs[:page.Limit], appendCursor(after + uint64(page.Limit)), nil
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

func appendCursor(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func readCursor(b []byte) (uint64, error) {
	if b == nil {
		return 0, nil
	}
	n, size := binary.Uvarint(b)
	if size != len(b) || n > uint64(maxDoc) {
		return 0, fhir.Errorf(fhir.KindInvalid, "the page link is damaged: its place in the result cannot be read")
	}
	return n, nil
}
