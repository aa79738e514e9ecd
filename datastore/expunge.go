package datastore

import (
	"context"
	"errors"
	"slices"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A Selection is what Expunge erases of some resource types.
type Selection struct {
	Types []string
	// Criteria are a search for whole resources.
	Criteria []search.Pair
	// Deleted takes the resources whose current version is a deletion. It goes
	// without Criteria, for there is nothing to search.
	Deleted bool
	// OlderVersions takes, instead of whole resources, their versions before
	// the current one: of those that match the criteria, or of all.
	OlderVersions bool
}

// check refuses a selection that is none, or a contradiction.
func (sel *Selection) check() error {
	switch {
	case len(sel.Criteria) > 0 && sel.Deleted:
		return fhir.Errorf(fhir.KindInvalid, "deleted=true goes without search criteria: a deleted resource has no values to search")
	case sel.Deleted && sel.OlderVersions:
		return fhir.Errorf(fhir.KindInvalid, "deleted=true erases all versions; leave olderVersions out")
	case len(sel.Criteria) == 0 && !sel.Deleted && !sel.OlderVersions:
		return fhir.Errorf(fhir.KindPrecondition, "name what is to be erased: search criteria, deleted=true, or olderVersions=true; all of a type is never erased at once")
	}
	return nil
}

// Expunge erases by criteria, in batches each of which is recorded before. It
// can be repeated after it was cut off.
func (s *Store) Expunge(ctx context.Context, access authz.Access, e Erasing, sel Selection) (Erased, error) {
	ctx = apart(ctx)
	if err := sel.check(); err != nil {
		return Erased{}, err
	}
	x, err := s.newEraser(ctx, access, e)
	if err != nil {
		return Erased{}, err
	}
	defer x.view.Close()
	if len(sel.Types) == 1 {
		err = x.check(sel.Types[0])
	}
	for _, t := range sel.Types {
		if err != nil || x.result.More {
			break
		}
		if t != auditEvent {
			err = x.expungeType(ctx, t, &sel)
		}
	}
	return x.finish(ctx, err)
}

func (x *eraser) expungeType(ctx context.Context, resourceType string, sel *Selection) error {
	if err := x.check(resourceType); err != nil {
		return err
	}
	batch := x.batch()
	switch {
	case sel.Deleted:
		return batch.deleted(ctx, resourceType)
	case len(sel.Criteria) == 0:
		return batch.older(ctx, store.History{Type: resourceType})
	}
	q, err := x.store.Query(ctx, x.access, []string{resourceType}, sel.Criteria, search.Options{Criteria: true})
	if err != nil {
		return err
	}
	if q.Plan.Parts[0].Where == nil {
		return fhir.Errorf(fhir.KindPrecondition, "an erasure needs search criteria")
	}
	return x.matches(ctx, q.Plan, func(v *store.Version) error {
		if sel.OlderVersions {
			return batch.older(ctx, store.History{Type: v.Type, ID: v.ID})
		}
		return batch.add(ctx, store.Erasure{Type: v.Type, ID: v.ID})
	}, batch.flush)
}

// matches calls take for every match of a plan, and then, once for each page,
// done.
func (x *eraser) matches(ctx context.Context, plan search.Plan, take func(*store.Version) error, done func(context.Context) error) error {
	page := store.Page{Limit: erasedAtOnce}
	for {
		r, err := x.view.Search(ctx, &search.Query{Plan: plan}, page)
		if err != nil {
			return err
		}
		// The page is read to its end before anything of it is erased.
		var found []store.Version
		for v, err := range r.Matches {
			if err != nil {
				return storeError(err)
			}
			found = append(found, v)
		}
		for i := range found {
			if err := take(&found[i]); err != nil {
				return err
			}
		}
		if err := done(ctx); err != nil {
			return err
		}
		if page.After = r.Next; page.After == nil || x.result.More {
			return nil
		}
	}
}

// A batcher gathers what is to be erased.
type batcher struct {
	*eraser
	list []store.Erasure
}

func (x *eraser) batch() *batcher { return &batcher{eraser: x} }

// add takes one more, up to the limit, unless the caller may not erase it.
func (b *batcher) add(ctx context.Context, e store.Erasure) error {
	if allowed, err := b.mayErase(ctx, e); !allowed || err != nil {
		return err
	}
	if b.Limit > 0 && b.result.count()+len(b.list) >= b.Limit {
		b.result.More = true
		return nil
	}
	b.list = append(b.list, e)
	return nil
}

// flush erases what is gathered.
func (b *batcher) flush(ctx context.Context) error {
	list := b.list
	b.list = nil
	for batch := range slices.Chunk(list, erasedAtOnce) {
		if err := b.erase(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// deleted takes every resource of a type whose current version is a deletion.
// It walks the history of the type.
func (b *batcher) deleted(ctx context.Context, resourceType string) error {
	return b.walk(ctx, store.History{Type: resourceType}, (*store.Version).Deleted, func(v *store.Version, current bool) error {
		if current {
			return b.add(ctx, store.Erasure{Type: v.Type, ID: v.ID})
		}
		return nil
	})
}

// older takes every version that is not the current one.
func (b *batcher) older(ctx context.Context, q store.History) error {
	any := func(*store.Version) bool { return true }
	return b.walk(ctx, q, any, func(v *store.Version, current bool) error {
		if !current {
			return b.add(ctx, store.Erasure{Type: v.Type, ID: v.ID, Number: v.Number})
		}
		return nil
	})
}

// walk calls take for each version of a history that may be wanted, newest
// first, and erases what it gathers. The history is read in portions, with what
// was taken of each erased before the next.
func (b *batcher) walk(ctx context.Context, q store.History, wanted func(*store.Version) bool, take func(v *store.Version, current bool) error) error {
	for {
		n := 0
		history, err := b.view.History(ctx, q)
		if err != nil {
			return err
		}
		for v, err := range history {
			if err != nil {
				return storeError(err)
			}
			q.Before = v.T
			if wanted(&v) {
				if err := b.consider(ctx, &v, take); err != nil {
					return err
				}
			}
			if n++; n == historyPortion || b.result.More {
				break
			}
		}
		if err := b.flush(ctx); err != nil || n < historyPortion || b.result.More {
			return err
		}
	}
}

// historyPortion is how many versions are read before what was found among
// them is erased.
const historyPortion = 5000

// consider calls take for a version, unless another erasure was faster.
func (b *batcher) consider(ctx context.Context, v *store.Version, take func(v *store.Version, current bool) error) error {
	newest, err := b.view.view.Read(ctx, v.Type, v.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return storeError(err)
	}
	return take(v, newest.Number == v.Number)
}
