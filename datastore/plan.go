package datastore

import (
	"iter"

	"github.com/tarnhealth/tarn/search"
)

// planParams yields the parameters that a plan looks at.
func planParams(plan *search.Plan) iter.Seq[*search.Param] {
	return func(yield func(*search.Param) bool) {
		for _, part := range plan.Parts {
			if !nodeParams(part.Where, yield) {
				return
			}
		}
		for _, key := range plan.Sort {
			for _, p := range key.Params {
				if p != nil && !yield(p) {
					return
				}
			}
		}
	}
}

func nodeParams(n search.Node, yield func(*search.Param) bool) bool {
	switch n := n.(type) {
	case search.Terms:
		return yield(n.Param)
	case search.And:
		return nodesParams(n, yield)
	case search.Or:
		return nodesParams(n, yield)
	case search.Not:
		return nodeParams(n.Node, yield)
	case search.Chain:
		return yield(n.Param) && nodeParams(n.Where, yield)
	case search.Hierarchy:
		return yield(n.Param) && yield(n.By)
	case search.Has:
		return yield(n.Param) && nodeParams(n.Where, yield)
	}
	return true
}

func nodesParams(nodes []search.Node, yield func(*search.Param) bool) bool {
	for _, n := range nodes {
		if !nodeParams(n, yield) {
			return false
		}
	}
	return true
}
