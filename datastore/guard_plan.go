package datastore

import (
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// A confined plan finds what the caller may see, and asks about nothing else.
type confined struct {
	plan search.Plan
	// narrowed is set where the caller may see less than all of what the plan
	// asks about.
	narrowed bool
}

// confine makes a plan one that finds what the caller may see and that asks
// about nothing else: for the caller, what it may not see is not there. A type
// that it may see nothing of is left out of a plan of several types; a plan
// that can only be answered by such types is an error of KindForbidden, which
// depends on the access alone.
func (g *guard) confine(plan search.Plan) (confined, error) {
	x := confiner{guard: g}
	out := search.Plan{}
	var kept []int
	var refused error
	for n, part := range plan.Parts {
		where, err := x.part(part, len(plan.Parts) > 1)
		if err != nil {
			refused, x.narrowed = err, true
			continue
		}
		kept = append(kept, n)
		out.Parts = append(out.Parts, search.Part{Type: part.Type, Where: where})
	}
	if len(kept) == 0 && refused != nil {
		return confined{}, refused
	}
	for _, key := range plan.Sort {
		if key.Params != nil {
			params := make([]*search.Param, len(kept))
			for to, from := range kept {
				params[to] = key.Params[from]
			}
			key.Params = params
		}
		out.Sort = append(out.Sort, key)
	}
	return confined{out, x.narrowed}, nil
}

// LeftOut are the resource types of a query of several that a search leaves out,
// in the order of the query: for want of a scope, or because the caller may only
// read them by their ids, as Binaries are where it does not see all of them.
func (v *View) LeftOut(q *search.Query) (types []string) {
	for _, part := range q.Plan.Parts {
		if !v.access.Scoped(authz.SearchType, part.Type) || v.access.BySecurityContext(authz.SearchType, part.Type) {
			types = append(types, part.Type)
		}
	}
	return types
}

type confiner struct {
	*guard
	narrowed bool
}

// part is the condition of a part, with what the caller may see of its type.
func (x *confiner) part(part search.Part, several bool) (search.Node, error) {
	if several {
		if err := x.see(authz.SearchSystem, part.Type); err != nil {
			return nil, err
		}
	}
	where, err := x.node(part.Where)
	if err != nil {
		return nil, err
	}
	return x.within(part.Type, where)
}

// see refuses a type of which the caller may find nothing.
func (x *confiner) see(i authz.Interaction, resourceType string) error {
	if err := x.access.Check(i, resourceType); err != nil {
		return err
	}
	if x.access.BySecurityContext(i, resourceType) {
		return fhir.Errorf(fhir.KindForbidden, "this caller cannot search for %s resources; it may read one by its id, where it may read what the resource's securityContext refers to", resourceType).
			With("WWW-Authenticate", `Bearer error="insufficient_scope"`)
	}
	return nil
}

// within adds what the caller may see of a type to a condition. It comes last,
// so that nothing rewrites it.
func (x *confiner) within(resourceType string, where search.Node) (search.Node, error) {
	if err := x.see(authz.SearchType, resourceType); err != nil {
		return nil, err
	}
	filter, ok := x.access.Filter(authz.SearchType, resourceType)
	switch {
	case !ok:
		return nil, refusal(authz.SearchType, resourceType)
	case filter == nil:
		return where, nil
	}
	x.narrowed = true
	if where == nil {
		return filter, nil
	}
	return search.And{where, filter}, nil
}

// node confines what a condition asks about other resources. Conditions that
// package search will have one day are refused until they are thought about.
func (x *confiner) node(n search.Node) (search.Node, error) {
	switch n := n.(type) {
	case nil, search.Terms, search.IDs, search.Updated:
		return n, nil
	case search.And:
		out := make(search.And, len(n))
		for i := range n {
			var err error
			if out[i], err = x.node(n[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case search.Or:
		return x.any(n)
	case search.Not:
		inner, err := x.node(n.Node)
		return search.Not{Node: inner}, err
	case search.Chain:
		where, err := x.join(n.Target, n.Where)
		return search.Chain{Param: n.Param, Target: n.Target, Where: where}, err
	case search.Has:
		where, err := x.join(n.Param.Type, n.Where)
		return search.Has{Param: n.Param, Where: where}, err
	case search.Hierarchy:
		// The walk itself is made of searches that are confined; see Finder.
		return n, x.see(authz.SearchType, n.By.Type)
	}
	return nil, fhir.Errorf(fhir.KindInternal, "datastore: a condition %T that nobody may be confined by", n)
}

// join confines a condition on resources that a chain leads to.
func (x *confiner) join(resourceType string, where search.Node) (search.Node, error) {
	where, err := x.node(where)
	if err != nil {
		return nil, err
	}
	return x.within(resourceType, where)
}

// any leaves out what leads to types that the caller may see nothing of, unless
// everything does.
func (x *confiner) any(n search.Or) (search.Node, error) {
	out := make(search.Or, 0, len(n))
	var refused error
	for _, m := range n {
		m, err := x.node(m)
		switch {
		case err == nil:
			out = append(out, m)
		case fhir.KindOf(err) == fhir.KindForbidden:
			refused, x.narrowed = err, true
		default:
			return nil, err
		}
	}
	if len(out) == 0 && refused != nil {
		return nil, refused
	}
	return out, nil
}
