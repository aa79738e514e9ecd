package datastore

import (
	"context"
	"errors"
	"iter"
	"strconv"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/lookup"
	"github.com/tarnhealth/tarn/store"
)

// A View is a data store at one logical time, as one caller may see it. It
// must be closed.
type View struct {
	store  *Store
	access authz.Access
	view   store.View
	turn   uint64 // of searchParams.views
	// registry is what could be searched by when the view was opened.
	registry *search.Registry
}

// View opens the data store as of t (0: now) for one caller.
func (s *Store) View(ctx context.Context, access authz.Access, t store.T) (*View, error) {
	turn := s.params.views.enter()
	registry := s.Registry()
	v, err := s.backend.View(ctx, t)
	if err != nil {
		s.params.views.leave(turn)
	}
	if errors.Is(err, store.ErrExpired) {
		return nil, fhir.Errorf(fhir.KindGone, "the page link has expired: the data as it was then is no longer kept; repeat the search from its first page")
	}
	if err != nil {
		return nil, storeError(err)
	}
	return &View{store: s, access: access, view: v, turn: turn, registry: registry}, nil
}

// At opens the data store as of another time for the same caller. v stays
// open.
func (v *View) At(ctx context.Context, t store.T) (*View, error) {
	return v.store.View(ctx, v.access, t)
}

// T is the view's logical time.
func (v *View) T() store.T { return v.view.T() }

// Close frees the view.
func (v *View) Close() {
	v.view.Close()
	v.store.params.views.leave(v.turn)
}

// Read returns the current version of a resource: KindNotFound where there is
// none, KindGone where it is deleted.
func (v *View) Read(ctx context.Context, resourceType, id string) (store.Version, error) {
	if err := v.access.Check(authz.Read, resourceType); err != nil {
		return store.Version{}, err
	}
	version, err := v.view.Read(ctx, resourceType, id)
	return v.present(version, err, resourceType+"/"+id)
}

// VRead returns one version: KindGone where that version is a deletion.
func (v *View) VRead(ctx context.Context, resourceType, id, number string) (store.Version, error) {
	if err := v.access.Check(authz.VRead, resourceType); err != nil {
		return store.Version{}, err
	}
	name := resourceType + "/" + id + "/_history/" + number
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return store.Version{}, fhir.Errorf(fhir.KindNotFound, "%s does not exist: version ids are numbers from 1", name)
	}
	version, err := v.view.ReadVersion(ctx, resourceType, id, n)
	return v.present(version, err, name)
}

// present turns absence and deletion into errors.
func (v *View) present(version store.Version, err error, name string) (store.Version, error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return version, fhir.Errorf(fhir.KindNotFound, "%s does not exist", name)
	case err != nil:
		return version, storeError(err)
	case version.Deleted():
		return version, fhir.Errorf(fhir.KindGone, "%s was deleted", name)
	}
	return version, nil
}

// History yields versions, newest first. KindNotFound for an instance that
// never existed.
func (v *View) History(ctx context.Context, q store.History) (iter.Seq2[store.Version, error], error) {
	interaction := authz.HistoryOfAll
	switch {
	case q.ID != "":
		interaction = authz.HistoryOfOne
	case q.Type != "":
		interaction = authz.HistoryOfType
	}
	if err := v.access.Check(interaction, q.Type); err != nil {
		return nil, err
	}
	if q.ID != "" {
		if _, err := v.view.Read(ctx, q.Type, q.ID); err != nil {
			_, err = v.present(store.Version{}, err, q.Type+"/"+q.ID)
			return nil, err
		}
	}
	return v.view.History(ctx, q), nil
}

// Search returns one page of the matches of a query.
func (v *View) Search(ctx context.Context, q *search.Query, page store.Page) (store.Result, error) {
	for _, part := range q.Plan.Parts {
		if err := v.access.Check(authz.SearchType, part.Type); err != nil {
			return store.Result{}, err
		}
	}
	if err := v.offers(&q.Plan); err != nil {
		return store.Result{}, err
	}
	plan, err := lookup.Expand(q.Plan, v.Finder(ctx))
	if err != nil {
		return store.Result{}, err
	}
	r, err := v.view.Search(ctx, plan, page)
	if err != nil {
		return r, storeError(err)
	}
	return r, nil
}

// Count returns the exact number of matches of a query.
func (v *View) Count(ctx context.Context, q *search.Query) (int, error) {
	for _, part := range q.Plan.Parts {
		if err := v.access.Check(authz.SearchType, part.Type); err != nil {
			return 0, err
		}
	}
	if err := v.offers(&q.Plan); err != nil {
		return 0, err
	}
	plan, err := lookup.Expand(q.Plan, v.Finder(ctx))
	if err != nil {
		return 0, err
	}
	n, err := v.view.Count(ctx, plan)
	if err != nil {
		return 0, storeError(err)
	}
	return n, nil
}

// storeError gives a backend's error its place in the error table.
func storeError(err error) error {
	var known *fhir.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrClosed):
		return fhir.Errorf(fhir.KindUnavailable, "the data store is closing; try again").Because(err)
	}
	return err
}
