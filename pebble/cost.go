package pebble

import (
	"github.com/tarnhealth/tarn/search"
)

// Costs are about how many docs evaluating a node reads, in lists that are read
// in order; what is sought or read one by one counts for more. Only their order
// matters.
const (
	// costSeek is what looking up one resource or one key counts for, costBody
	// what reading one resource does.
	costSeek = 8
	costBody = 100

	costRecheck = 1 << 30
	costNot     = 1 << 31 // subtracting wants a small set to subtract from
	costUpdated = 1 << 23 // a range that is quick inside a set, slow without
)

// cost estimates a node from the lists that it would read. It looks at a few of
// them, and only where there is a choice.
func (e *evaluation) cost(resourceType string, n search.Node, choice bool) (int, error) {
	if !choice {
		return 0, nil
	}
	switch n := n.(type) {
	case nil:
		return e.resources(resourceType), nil
	case search.IDs:
		return len(n.IDs), nil
	case search.Updated:
		return costUpdated, nil
	case search.Terms:
		return e.costTerms(n)
	case search.And:
		if len(n) == 0 {
			return e.resources(resourceType), nil
		}
		return e.costAny(resourceType, n, func(a, b int) int { return min(a, b) }, costNot)
	case search.Or:
		return e.costAny(resourceType, n, func(a, b int) int { return a + b }, 0)
	case search.Chain:
		inner, err := e.cost(n.Target, n.Where, true)
		return min(inner*costSeek, costNot-1), err
	case search.Has:
		inner, err := e.cost(n.Param.Type, n.Where, true)
		return min(inner*costSeek, inner+e.resources(resourceType)*costSeek, costNot-1), err
	}
	return costNot, nil
}

// resources is about how many resources of a type there are.
func (e *evaluation) resources(resourceType string) int {
	n, _ := e.store.live.count(resourceType, e.at)
	return n
}

func (e *evaluation) costAny(resourceType string, nodes []search.Node, join func(a, b int) int, start int) (int, error) {
	total := start
	for _, n := range nodes {
		cost, err := e.cost(resourceType, n, true)
		if err != nil {
			return 0, err
		}
		total = min(join(total, cost), costNot)
	}
	return total, nil
}

func (e *evaluation) costTerms(n search.Terms) (int, error) {
	q, ok := e.query(n)
	if !ok {
		return 0, nil
	}
	cost, err := e.terms.Cost(&q)
	if n.Recheck != nil {
		// What is read last is read least.
		cost = min(costRecheck+cost, costNot-1)
	}
	return cost, err
}
