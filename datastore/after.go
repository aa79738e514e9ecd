package datastore

import (
	"context"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// after is what a transaction makes of resources, as far as it is allowed to: nil
// for those that it deletes.
type after map[search.Reference]*search.Candidate

// changed is what a transaction does beside the steps that are left to decide.
func (x *expansion) changed(left []int) after {
	of := after{}
	for i := range x.steps {
		st := &x.steps[i]
		if !st.write {
			continue
		}
		name := search.Reference{Type: st.op.Type, ID: st.op.ID}
		if of[name] = nil; st.op.Kind != store.OpDelete {
			of[name] = x.candidate(i)
		}
	}
	for _, i := range left {
		delete(of, search.Reference{Type: x.steps[i].op.Type, ID: x.steps[i].op.ID})
	}
	return of
}

// existsAfter asks about resources as they will be. What the storage finds by the
// part of a condition that is about a resource alone is looked at one by one.
func (g *guard) existsAfter(ctx context.Context) authz.Exists {
	var exists authz.Exists
	exists = func(resourceType string, where search.Node) (bool, error) {
		for name, c := range g.after {
			if c == nil || name.Type != resourceType {
				continue
			}
			if ok, err := authz.Holds(where, c, exists); ok || err != nil {
				return ok, err
			}
		}
		return g.stored(ctx, resourceType, where, exists)
	}
	return exists
}

// stored reports whether a condition holds for a stored resource that the
// transaction leaves as it is.
func (g *guard) stored(ctx context.Context, resourceType string, where search.Node, exists authz.Exists) (bool, error) {
	plan := search.Plan{Parts: []search.Part{{Type: resourceType, Where: authz.Alone(where)}}}
	for v, err := range store.All(ctx, g.view, plan, search.MaxCount) {
		if err != nil {
			return false, err
		}
		if _, changed := g.after[search.Reference{Type: v.Type, ID: v.ID}]; changed {
			continue
		}
		c, err := candidate(g.store.params.now.Load(), g.store.base, v)
		if err != nil {
			return false, err
		}
		if ok, err := authz.Holds(where, c, exists); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// allowsWritten decides a Binary by a resource that the transaction writes, or
// deletes.
func (g *guard) allowsWritten(ctx context.Context, i authz.Interaction, c *search.Candidate, free bool) (bool, error) {
	switch {
	case c == nil:
		return false, nil
	case free:
		hidden, err := g.access.Hides(i, c, g.exists(ctx))
		return !hidden && err == nil, err
	}
	return g.allows(ctx, i, c)
}
