package pebble

import (
	"github.com/tarnhealth/tarn/search"
)

// Costs are rough numbers of docs that evaluating a node reads. Only their
// order matters.
const (
	costRange   = 1 << 24
	costJoin    = 1 << 25
	costRecheck = 1 << 26
	costNot     = 1 << 27 // subtracting wants a small set to subtract from
	costUpdated = 1 << 23 // a range that is quick inside a set, slow without
)

// cost estimates a node. It reads a few posting lists only where there is a
// choice.
func (e *evaluation) cost(n search.Node, choice bool) (int, error) {
	switch n := n.(type) {
	case search.IDs:
		return len(n.IDs), nil
	case search.Updated:
		return costUpdated, nil
	case search.Terms:
		return e.costTerms(n, choice)
	case search.And:
		return e.costAny(n, choice, func(a, b int) int { return min(a, b) }, costRange)
	case search.Or:
		return e.costAny(n, choice, func(a, b int) int { return a + b }, 0)
	case search.Not:
		return costNot, nil
	case search.Chain, search.Has:
		return costJoin, nil
	}
	return costRange, nil
}

func (e *evaluation) costAny(nodes []search.Node, choice bool, join func(a, b int) int, start int) (int, error) {
	total := start
	for _, n := range nodes {
		cost, err := e.cost(n, choice)
		if err != nil {
			return 0, err
		}
		total = min(join(total, cost), costNot)
	}
	return total, nil
}

func (e *evaluation) costTerms(n search.Terms, choice bool) (int, error) {
	if n.Recheck != nil {
		return costRecheck, nil
	}
	number, ok := e.store.params.number(n.Param)
	if !ok || !choice {
		return 0, nil
	}
	total := 0
	for _, span := range n.Spans {
		if !span.Single() {
			return costRange, nil
		}
		cost, err := e.terms.Probe(number, span.From)
		if err != nil {
			return 0, err
		}
		total += cost
	}
	return min(total, costRange), nil
}
