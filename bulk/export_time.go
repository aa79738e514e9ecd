package bulk

import (
	"context"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// newest is the time of the data, the transactionTime of the manifest: when the
// newest version of it was written. What is written later is not older, so an
// export since then misses nothing. For a caller who does not see everything it
// is the newest that the caller sees: otherwise it would tell when somebody wrote
// about somebody else. Where there is none, it is when the data store was made.
func (x *exporter) newest(ctx context.Context) (newest time.Time, err error) {
	bound, err := x.store.Bind(ctx, x.by)
	switch {
	case err != nil:
	case bound.All(authz.SearchType):
		newest, err = newestOfAll(ctx, x.store, x.view.T())
	default:
		newest, err = newestSeen(ctx, x.view, x.typesOf(x.store, x.by, &x.spec))
	}
	if newest.IsZero() {
		newest = x.store.Record().Created
	}
	return newest.UTC().Truncate(time.Millisecond), err
}

func newestOfAll(ctx context.Context, s *datastore.Store, t store.T) (time.Time, error) {
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

// newestSeen is when the newest resource of some types was written that the view's
// caller finds.
func newestSeen(ctx context.Context, view *datastore.View, types []string) (newest time.Time, err error) {
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
