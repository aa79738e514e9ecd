package datastore

import (
	"context"
	"iter"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/lookup"
	"github.com/tarnhealth/tarn/store"
)

// Finder answers the searches that a search makes beside its own plan, as of
// the view and for its caller.
func (v *View) Finder(ctx context.Context) lookup.Finder { return planFinder{apart(ctx), v} }

type planFinder struct {
	ctx  context.Context
	view *View
}

func (f planFinder) Count(plan search.Plan) (int, error) {
	return f.view.Count(f.ctx, &search.Query{Plan: plan})
}

func (f planFinder) Find(plan search.Plan) iter.Seq2[*search.Candidate, error] {
	return func(yield func(*search.Candidate, error) bool) {
		page := store.Page{Limit: search.MaxCount}
		for {
			r, err := f.view.Search(f.ctx, &search.Query{Plan: plan}, page)
			if err != nil {
				yield(nil, err)
				return
			}
			for v, err := range r.Matches {
				c, err := f.candidate(v, err)
				if !yield(c, err) || err != nil {
					return
				}
			}
			if page.After = r.Next; page.After == nil {
				return
			}
		}
	}
}

func (f planFinder) candidate(v store.Version, err error) (*search.Candidate, error) {
	if err != nil {
		return nil, storeError(err)
	}
	tree, err := f.view.store.Read(v)
	if err != nil {
		return nil, err
	}
	return &search.Candidate{Type: v.Type, ID: v.ID, LastUpdated: v.LastUpdated, Tree: tree}, nil
}
