package datastore

import (
	"context"
	"errors"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A guard enforces what a caller may do, over the storage as of one time. All
// that leaves the data store, and all that is written into it, goes past one:
// resources by shows and allows, searches by confine (guard_plan.go).
type guard struct {
	store  *Store
	access authz.Access
	view   store.View
	// after, where not nil, is what of the storage a transaction will have
	// changed; see after.go.
	after after
}

// open reports whether the interaction is allowed on every resource of a type,
// so that there is nothing to look at.
func (g *guard) open(i authz.Interaction, resourceType string) bool {
	where, ok := g.access.Filter(i, resourceType)
	return ok && where == nil && !g.access.BySecurityContext(i, resourceType)
}

// allows reports whether the interaction is allowed on a resource as the
// candidate has it, stored or not.
func (g *guard) allows(ctx context.Context, i authz.Interaction, c *search.Candidate) (bool, error) {
	if g.access.BySecurityContext(i, c.Type) {
		return g.allowsContext(ctx, i, c)
	}
	return g.access.Allows(i, c, g.exists(ctx))
}

// exists asks the storage about resources that a condition is about.
func (g *guard) exists(ctx context.Context) authz.Exists {
	if len(g.after) > 0 {
		return g.existsAfter(ctx)
	}
	return func(resourceType string, where search.Node) (bool, error) {
		n, err := g.view.Count(ctx, search.Plan{Parts: []search.Part{{Type: resourceType, Where: where}}})
		return n > 0, err
	}
}

// shows reports whether the interaction is allowed on a stored version. A
// deletion is decided by the version before it, for it has no content.
func (g *guard) shows(ctx context.Context, i authz.Interaction, v *store.Version) (bool, error) {
	if g.open(i, v.Type) {
		return true, nil
	}
	if _, ok := g.access.Filter(i, v.Type); !ok && !g.access.BySecurityContext(i, v.Type) {
		return false, nil
	}
	c, err := g.candidate(ctx, v)
	if c == nil || err != nil {
		return false, err
	}
	return g.allows(ctx, i, c)
}

// candidate is what a stored version is decided by, nil where nothing is left
// of it.
func (g *guard) candidate(ctx context.Context, v *store.Version) (*search.Candidate, error) {
	content, err := g.content(ctx, *v)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return candidate(g.store.params.now.Load(), g.store.base, content)
}

// content is the version itself or, of a deletion, the last one before it that
// has content; store.ErrNotFound where there is none.
func (g *guard) content(ctx context.Context, v store.Version) (store.Version, error) {
	for v.Deleted() {
		if v.Number < 2 {
			return v, store.ErrNotFound
		}
		before, err := g.view.ReadVersion(ctx, v.Type, v.ID, v.Number-1)
		if err != nil {
			return v, err
		}
		v = before
	}
	return v, nil
}

// allowsContext decides a Binary by its own labels and by the resource that its
// securityContext refers to. http://hl7.org/fhir/R4/binary.html#security
func (g *guard) allowsContext(ctx context.Context, i authz.Interaction, binary *search.Candidate) (bool, error) {
	free, ok := g.access.ByItself(i, binary)
	if !ok {
		return false, nil
	}
	ref := fhir.ParseReference(binary.Tree.Root().Child("securityContext").TextOf("reference"), g.store.base)
	if ref.Kind != fhir.RefRelative || ref.Type == "Binary" {
		return free, nil
	}
	if c, written := g.after[search.Reference{Type: ref.Type, ID: ref.ID}]; written {
		return g.allowsWritten(ctx, i, c, free)
	}
	v, err := g.view.Read(ctx, ref.Type, ref.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return free && g.seesAbsent(i, ref), nil
	case err != nil:
		return false, err
	case free:
		hidden, err := g.hides(ctx, i, &v)
		return !hidden && err == nil, err
	case v.Deleted():
		return false, nil
	}
	return g.shows(ctx, i, &v)
}

// seesAbsent reports whether no Consent hides what is about a resource that is not
// there: of a Patient that can be told by its id.
func (g *guard) seesAbsent(i authz.Interaction, ref fhir.Ref) bool {
	hidden, err := g.access.Hides(i, &search.Candidate{Type: ref.Type, ID: ref.ID}, nil)
	return ref.Type == "Patient" && !hidden && err == nil
}

// hides reports whether a Consent hides a stored version, or may have.
func (g *guard) hides(ctx context.Context, i authz.Interaction, v *store.Version) (bool, error) {
	c, err := g.candidate(ctx, v)
	if c == nil || err != nil {
		return true, err
	}
	return g.access.Hides(i, c, g.exists(ctx))
}

// notThere is the error for a resource that does not exist, and for one that
// the caller may not see: they look the same.
func notThere(name string) error {
	return fhir.Errorf(fhir.KindNotFound, "%s does not exist", name)
}

// refusal is the error for a resource that the caller sees, and may not do this
// to.
func refusal(i authz.Interaction, name string) error {
	return fhir.Errorf(fhir.KindForbidden, "this caller may not %s %s", i, name).
		With("WWW-Authenticate", `Bearer error="insufficient_scope"`)
}
