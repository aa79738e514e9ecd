package datastore

import (
	"context"
	"errors"
	"strconv"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/lookup"
	"github.com/tarnhealth/tarn/store"
)

// A View is a data store at one logical time, as one caller may see it: what
// the caller may not see is not there. It must be closed.
type View struct {
	guard
	turn uint64 // of searchParams.views
	// registry is what could be searched by when the view was opened.
	registry *search.Registry
}

// View opens the data store as of t (0: now) for one caller.
func (s *Store) View(ctx context.Context, access authz.Access, t store.T) (*View, error) {
	access, err := s.bound(ctx, access)
	if err != nil {
		return nil, err
	}
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
	return &View{guard: guard{store: s, access: access, view: v}, turn: turn, registry: registry}, nil
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
	return v.present(ctx, authz.Read, version, err, resourceType+"/"+id)
}

// VRead returns one version: KindGone where that version is a deletion.
func (v *View) VRead(ctx context.Context, resourceType, id, number string) (store.Version, error) {
	if err := v.access.Check(authz.VRead, resourceType); err != nil {
		return store.Version{}, err
	}
	name := resourceType + "/" + id + "/_history/" + number
	n, ok := versionNumber(number)
	if !ok {
		return store.Version{}, fhir.Errorf(fhir.KindNotFound, "%s does not exist: version ids are numbers from 1", name)
	}
	version, err := v.view.ReadVersion(ctx, resourceType, id, n)
	return v.present(ctx, authz.VRead, version, err, name)
}

// versionNumber is the number that a version id stands for: "01" is another id
// than "1".
func versionNumber(id string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(id, 10, 64)
	return n, err == nil && id[0] != '0'
}

// present turns absence, what the caller may not see, and deletion into errors.
func (v *View) present(ctx context.Context, i authz.Interaction, version store.Version, err error, name string) (store.Version, error) {
	if errors.Is(err, store.ErrNotFound) {
		return store.Version{}, notThere(name)
	}
	if err != nil {
		return store.Version{}, storeError(err)
	}
	switch shown, err := v.shows(ctx, i, &version); {
	case err != nil:
		return store.Version{}, storeError(err)
	case !shown:
		return store.Version{}, notThere(name)
	case version.Deleted():
		return version, fhir.Errorf(fhir.KindGone, "%s was deleted", name)
	}
	return version, v.store.contents.Restore(ctx, &version)
}

// Search returns one page of the matches of a query.
func (v *View) Search(ctx context.Context, q *search.Query, page store.Page) (store.Result, error) {
	plan, err := v.plan(ctx, q.Plan)
	if err != nil {
		return store.Result{}, err
	}
	if page.Explain && plan.narrowed {
		return store.Result{}, fhir.Errorf(fhir.KindForbidden, "how a search is answered is explained to callers who may see everything that it looks at: the numbers count what others may see")
	}
	r, err := v.view.Search(ctx, plan.plan, page)
	if err != nil {
		return r, storeError(err)
	}
	r.Matches = v.store.whole(ctx, r.Matches)
	return r, nil
}

// Count returns the exact number of matches of a query.
func (v *View) Count(ctx context.Context, q *search.Query) (int, error) {
	plan, err := v.plan(ctx, q.Plan)
	if err != nil {
		return 0, err
	}
	n, err := v.view.Count(ctx, plan.plan)
	if err != nil {
		return 0, storeError(err)
	}
	return n, nil
}

// plan is what the storage is to answer in the place of a query's plan.
func (v *View) plan(ctx context.Context, asked search.Plan) (confined, error) {
	plan, err := v.confine(asked)
	if err != nil {
		return plan, err
	}
	if plan.plan, err = lookup.Expand(plan.plan, v.Finder(ctx)); err != nil {
		return plan, err
	}
	return plan, v.offers(&plan.plan)
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
