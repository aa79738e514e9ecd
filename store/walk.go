package store

import (
	"context"
	"iter"

	"github.com/tarnhealth/tarn/search"
)

// All yields every match of a plan in a view, in the plan's order, reading pages
// of some size. It ends after an error.
func All(ctx context.Context, view View, plan search.Plan, size int) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		for page := (Page{Limit: size}); ; {
			r, err := view.Search(ctx, plan, page)
			if err != nil {
				yield(Version{}, err)
				return
			}
			for v, err := range r.Matches {
				if !yield(v, err) || err != nil {
					return
				}
			}
			if page.After = r.Next; page.After == nil {
				return
			}
		}
	}
}
