// Package lookup owns what a search asks a store beside its own plan:
// conditions that lead along hierarchies (Expand), and the order of matches by
// relevance (Rank). Both look at the store as of the moment of the search, so
// that the pages of one search agree.
//
// It leaves to others: what a query means (search), and searching itself
// (store and its backends).
package lookup

import (
	"iter"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// MaxHierarchy is how many resources a search.Hierarchy may lead to.
const MaxHierarchy = 10000

// A Finder answers plans as of one moment; the view of a store is one.
type Finder interface {
	// Count is the number of matches of a plan.
	Count(plan search.Plan) (int, error)
	// Find yields the matches of a plan in its order: Type, ID and Tree of
	// each.
	Find(plan search.Plan) iter.Seq2[*search.Candidate, error]
}

// Expand replaces the conditions of a plan that no backend evaluates by such
// as all do, with what f finds for them. The moment of f must be that of the
// search: then the pages of a search expand alike. A plan that has none of
// them is returned as it is.
func Expand(plan search.Plan, f Finder) (search.Plan, error) {
	parts := slices.Clone(plan.Parts)
	for i := range parts {
		n, err := expand(parts[i].Where, f)
		if err != nil {
			return plan, err
		}
		parts[i].Where = n
	}
	plan.Parts = parts
	return plan, nil
}

// Hierarchies are the types of the resources whose hierarchies a condition goes
// by: what Expand makes of it depends on all resources of these types.
func Hierarchies(n search.Node) (types []string) {
	_, _ = expand(n, noted{&types})
	slices.Sort(types)
	return slices.Compact(types)
}

// noted finds nothing, and notes what types it was asked for.
type noted struct{ types *[]string }

func (f noted) Count(search.Plan) (int, error) { return 0, nil }

func (f noted) Find(plan search.Plan) iter.Seq2[*search.Candidate, error] {
	*f.types = append(*f.types, plan.Parts[0].Type)
	return func(func(*search.Candidate, error) bool) {}
}

func expand(n search.Node, f Finder) (out search.Node, err error) {
	switch n := n.(type) {
	case search.And:
		nodes, err := expandAll(n, f)
		return search.And(nodes), err
	case search.Or:
		nodes, err := expandAll(n, f)
		return search.Or(nodes), err
	case search.Not:
		n.Node, err = expand(n.Node, f)
		return n, err
	case search.Chain:
		n.Where, err = expand(n.Where, f)
		return n, err
	case search.Has:
		n.Where, err = expand(n.Where, f)
		return n, err
	case search.Hierarchy:
		return hierarchy(n, f)
	}
	return n, nil
}

func expandAll(nodes []search.Node, f Finder) ([]search.Node, error) {
	out := make([]search.Node, len(nodes))
	for i, n := range nodes {
		var err error
		if out[i], err = expand(n, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// hierarchy walks a hierarchy, one level at a time.
func hierarchy(n search.Hierarchy, f Finder) (search.Node, error) {
	ids := slices.Clone(n.IDs)
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	for level := ids; len(level) > 0; {
		var next []string
		for c, err := range f.Find(search.Plan{Parts: []search.Part{neighbours(&n, level)}}) {
			if err != nil {
				return nil, err
			}
			for _, id := range reached(&n, c) {
				if !seen[id] {
					seen[id] = true
					next = append(next, id)
				}
			}
		}
		if ids = append(ids, next...); len(ids) > MaxHierarchy {
			return nil, fhir.Errorf(fhir.KindTooCostly, "more than %d resources of type %s are in this hierarchy", MaxHierarchy, n.By.Type)
		}
		level = next
	}
	return search.Terms{Param: n.Param, Spans: references(n.By.Type, ids)}, nil
}

// references are the spans of references to resources of a type.
func references(resourceType string, ids []string) []search.Span {
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		keys[i] = search.ReferenceKey(resourceType, id)
	}
	return search.Exact(keys)
}

// neighbours is the search for the resources that are, or that name, the level
// next to one.
func neighbours(n *search.Hierarchy, level []string) search.Part {
	if n.Above {
		ids := slices.Clone(level)
		slices.Sort(ids)
		return search.Part{Type: n.By.Type, Where: search.IDs{IDs: slices.Compact(ids)}}
	}
	return search.Part{Type: n.By.Type, Where: search.Terms{Param: n.By, Spans: references(n.By.Type, level)}}
}

func reached(n *search.Hierarchy, c *search.Candidate) []string {
	if n.Above {
		return n.Up(c.Tree)
	}
	return []string{c.ID}
}
