package datastore

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// subscriptionType is the type of the resources that ask for notifications.
const subscriptionType = "Subscription"

// Subscriptions are told of what is written, and have a say in which
// Subscriptions are. Package subscription has them.
type Subscriptions interface {
	// Admit looks at a Subscription that is to be stored, and may refuse it. The
	// calls of one data store come one after the other, each with what becomes of
	// it, until the version is stored or given up.
	Admit(ctx context.Context, a Admission) (Admitted, error)
	// Written is called after each resource that was written or erased, whatever
	// came of that, and before it is answered. It must be quick.
	Written(store, resourceType, id string)
}

// An Admission is a Subscription that is to be stored. The caller may write what
// is stored under the id so far; that it may store this one is not known yet.
type Admission struct {
	Store  *Store
	Access authz.Access
	ID     string
	// Resource is what is to be stored, before it was validated.
	Resource *fhir.Tree
	// Before is the version that is current; of no Type where there is none or a
	// deleted one.
	Before store.Version
	// Number is that of the version that is to be stored.
	Number uint64
	// Again is set where a create comes again by its idempotency key, and is asked
	// what it was stored as: Before is its first version, and nothing is stored.
	Again bool
}

// Admitted is what becomes of a Subscription.
type Admitted struct {
	// Body, where not nil, is stored in its place.
	Body []byte
	// Keep, where not nil, is called before the version is stored, and when it is
	// known that the caller may store it.
	Keep func(context.Context) error
}

// Changes yields the versions after t that the caller may see, oldest first, up to
// now. Contents that are kept apart are not in them.
func (s *Store) Changes(ctx context.Context, access authz.Access, after store.T) iter.Seq2[store.Version, error] {
	return func(yield func(store.Version, error) bool) {
		view, err := s.View(ctx, access, 0)
		if err != nil {
			yield(store.Version{}, err)
			return
		}
		defer view.Close()
		for v, err := range s.backend.Changes(ctx, after) {
			shown := err != nil
			if !shown {
				shown, err = view.shows(ctx, authz.HistoryOfAll, &v)
			}
			if err != nil {
				yield(store.Version{}, storeError(err))
				return
			}
			if shown && !yield(v, nil) {
				return
			}
		}
	}
}

// Candidate reads a version with content into what search looks at.
func (s *Store) Candidate(v store.Version) (*search.Candidate, error) {
	return candidate(s.params.now.Load(), s.base, v)
}

// watched is a storage whose writes others are told of.
func (c *Catalog) watched(id string, backend store.Store) store.Store {
	told := c.opt.Subscriptions
	if told == nil {
		return backend
	}
	return store.Watch(backend, func(resourceType, resource string) { told.Written(id, resourceType, resource) })
}

// subscribes reports whether an op of the commit has to be admitted.
func (c *commit) subscribes() bool {
	return c.store.subscriptions != nil && slices.ContainsFunc(c.ops, func(op Op) bool { return op.Type == subscriptionType })
}

// admit has the Subscriptions of an attempt admitted.
func (x *expansion) admit(ctx context.Context) error {
	if x.commit.store.subscriptions == nil {
		return nil
	}
	defer x.close()
	for i := range x.steps {
		if st := &x.steps[i]; st.op.Type == subscriptionType && st.write && st.op.Kind != store.OpDelete {
			if err := x.admitStep(ctx, st); err != nil {
				return x.commit.locate(i, err)
			}
		}
	}
	return nil
}

func (x *expansion) admitStep(ctx context.Context, st *step) error {
	s := x.commit.store
	view, err := x.at(ctx)
	if err != nil {
		return err
	}
	before, err := view.Read(ctx, st.op.Type, st.op.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return storeError(err)
	}
	a := Admission{Store: s, Access: x.commit.access, ID: st.op.ID, Resource: st.tree, Number: before.Number + 1}
	switch {
	case before.Type == "" || before.Deleted():
		st.op.IfAbsent = true
	case st.op.IfVersion != 0 && st.op.IfVersion != before.Number:
		return nil // another version than it asks for: the writer says so
	default:
		a.Before, st.op.IfVersion = before, before.Number
	}
	admitted, err := s.subscriptions.Admit(ctx, a)
	if err != nil {
		return err
	}
	st.keep = admitted.Keep
	if admitted.Body != nil {
		st.tree, err = s.Parse(admitted.Body)
		st.rewritten = true
	}
	return err
}

// admitAgain is a resource that is created again by its idempotency key as it was
// stored when it made the first version.
func (x *expansion) admitAgain(ctx context.Context, tree *fhir.Tree, first store.Version) (*fhir.Tree, error) {
	s := x.commit.store
	if s.subscriptions == nil || first.Type != subscriptionType {
		return tree, nil
	}
	admitted, err := s.subscriptions.Admit(ctx, Admission{
		Store: s, Access: x.commit.access, ID: first.ID, Resource: tree, Before: first, Number: first.Number, Again: true,
	})
	if err != nil || admitted.Body == nil {
		return tree, err
	}
	return s.Parse(admitted.Body)
}

// keepAdmitted notes what belongs to the Subscriptions of an attempt.
func (x *expansion) keepAdmitted(ctx context.Context) error {
	for i := range x.steps {
		if keep := x.steps[i].keep; keep != nil {
			if err := keep(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}
