package datastore

import (
	"context"
	"iter"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A BulkQuery asks for many resources at once, in the order in which they were
// stored.
type BulkQuery struct {
	// Parts are the resource types, and of each the condition that its
	// resources must meet, nil for all of them: search.Query.Plan.Parts of a
	// query that Store.Query made. Several parts may be of one type: a resource
	// that meets one of their conditions is in, once. Nil is for every type
	// that the caller may search.
	Parts []search.Part
	// Since and Until, where not zero, leave out what was written before Since,
	// and what was written at Until or later.
	Since, Until time.Time
	// Deleted yields, in the place of resources, those that are deleted: their
	// deletions, without bodies. Parts have no conditions then.
	Deleted bool
	// After leaves out what was stored up to a time, UpTo, where not 0, what was
	// stored behind one. With After, a read that was cut off behind a version
	// with that T goes on. With both, one read is divided among goroutines, each
	// of which reads a stretch of the times up to View.T.
	After, UpTo store.T
}

// Bulk yields the resources of a BulkQuery, as of the view's time and as far as
// the caller may search for them, in the order of T. It reads the storage from
// one end to the other, and takes memory for what is being looked at alone.
//
// A version is valid until the next one is asked for: its body is in memory
// that is used again. The resource's text is
//
//	line = v.Body.Append(line[:0], strconv.FormatUint(v.Number, 10), v.LastUpdated)
//
// A view for a caller who sees everything may be read by several goroutines,
// and so may any other. The view must stay open until the sequence ends; while
// it is open, what was superseded since is kept.
//
// It fails with KindForbidden where the caller may search nothing of what is
// asked for.
func (v *View) Bulk(ctx context.Context, q BulkQuery) (iter.Seq2[store.Version, error], error) {
	if q.Parts == nil {
		q.Parts = v.searchable()
	}
	if len(q.Parts) == 0 {
		return nil, fhir.Errorf(fhir.KindForbidden, "this caller may not search for resources of any type").
			With("WWW-Authenticate", `Bearer error="insufficient_scope"`)
	}
	scan := store.Scan{Deleted: q.Deleted, Since: q.Since, Until: q.Until, After: q.After, UpTo: q.UpTo}
	if q.Deleted {
		scan.Parts = q.Parts
		return v.deletions(ctx, scan), nil
	}
	plan, err := v.plan(ctx, search.Plan{Parts: q.Parts})
	if err != nil {
		return nil, err
	}
	scan.Parts = plan.plan.Parts
	return func(yield func(store.Version, error) bool) {
		for version, err := range v.store.whole(ctx, v.view.Scan(ctx, scan)) {
			if !yield(version, storeError(err)) {
				return
			}
		}
	}, nil
}

// MayBulk is the error of KindForbidden with which Bulk refuses parts, whatever
// is stored; nil where it does not.
func (v *View) MayBulk(parts []search.Part) error {
	_, err := v.confine(search.Plan{Parts: parts})
	return err
}

// searchable is every type that the caller may search.
func (v *View) searchable() (parts []search.Part) {
	g := confiner{guard: &v.guard}
	for _, t := range v.store.Definitions().Schema.Types {
		if t.Kind == fhir.KindResource && g.see(authz.SearchSystem, t.Name) == nil {
			parts = append(parts, search.Part{Type: t.Name})
		}
	}
	return parts
}

// deletions yields those of resources that the caller could have found.
func (v *View) deletions(ctx context.Context, scan store.Scan) iter.Seq2[store.Version, error] {
	return func(yield func(store.Version, error) bool) {
		for version, err := range v.view.Scan(ctx, scan) {
			shown := false
			if err == nil {
				shown, err = v.shows(ctx, authz.SearchType, &version)
			}
			if err != nil {
				yield(store.Version{}, storeError(err))
				return
			}
			if shown && !yield(version, nil) {
				return
			}
		}
	}
}
