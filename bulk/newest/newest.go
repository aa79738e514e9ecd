// Package newest finds when the newest of what is exported was written.
package newest

import (
	"context"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// OfAll is when the newest version as of t was written; zero where there is none.
func OfAll(ctx context.Context, s *datastore.Store, t store.T) (time.Time, error) {
	view, err := s.View(ctx, authz.Unrestricted(), t)
	if err != nil {
		return time.Time{}, err
	}
	defer view.Close()
	versions, err := view.History(ctx, store.History{})
	if err != nil {
		return time.Time{}, err
	}
	for v, err := range versions {
		return v.LastUpdated, err
	}
	return time.Time{}, nil
}

// Seen is when the newest resource of some types was written that the view's
// caller finds; zero where there is none.
func Seen(ctx context.Context, view *datastore.View, types []string) (newest time.Time, err error) {
	for _, t := range types {
		q, err := view.Query(ctx, []string{t}, []search.Pair{{Name: "_sort", Value: "-_lastUpdated"}}, search.Options{})
		if err != nil {
			return newest, err
		}
		r, err := view.Search(ctx, q, store.Page{Limit: 1})
		if fhir.KindOf(err) == fhir.KindForbidden {
			continue // nothing of it is exported
		}
		if err != nil {
			return newest, err
		}
		for v, err := range r.Matches {
			if err != nil {
				return newest, err
			}
			if v.LastUpdated.After(newest) {
				newest = v.LastUpdated
			}
		}
	}
	return newest, nil
}
