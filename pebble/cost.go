package pebble

import (
	"github.com/tarnhealth/tarn/pebble/internal/lists"
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

	costRecheck = 1 << 40
	costNot     = 1 << 50 // subtracting wants a small set to subtract from
	costUpdated = 1 << 23 // a range that is quick inside a set, slow without
)

// cost estimates a node from the lists that it would read, of which it looks at
// a few.
func (e *evaluation) cost(resourceType string, n search.Node) (int, error) {
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
		inner, err := e.cost(n.Target, n.Where)
		// As many docs refer to each resource as there are on average.
		each := costSeek + e.resources(n.Param.Type)/max(1, e.resources(n.Target))
		return min(inner, costRecheck) * each, err
	case search.Has:
		inner, err := e.cost(n.Param.Type, n.Where)
		return min(inner*costSeek, inner+e.resources(resourceType)*costSeek), err
	}
	return costNot, nil
}

// costFirst estimates what is quick to ask. ok is false where a few lists do
// not tell.
func (e *evaluation) costFirst(n search.Node) (cost int, ok bool, err error) {
	switch n := n.(type) {
	case search.IDs:
		return len(n.IDs), true, nil
	case search.Terms:
		q, known := e.query(n)
		wide := q.Grouping == lists.Dates || q.Grouping == lists.Numbers || q.Grouping == lists.Quantities
		if n.Recheck != nil || known && (wide && q.Ranges() || len(q.Spans) > manySpans) {
			return 0, false, nil
		}
		cost, err := e.costTerms(n)
		return cost, true, err
	}
	return 0, false, nil
}

const (
	// manySpans is how many keys are too many to look at each.
	manySpans = 16
	// costLead is what a condition may cost that leads without a look at what
	// the others would: asking a range or a join takes some 50 µs.
	costLead = 1 << 13
)

// resources is about how many resources of a type there are.
func (e *evaluation) resources(resourceType string) int {
	n, _ := e.store.live.count(resourceType, e.at)
	return n
}

func (e *evaluation) costAny(resourceType string, nodes []search.Node, join func(a, b int) int, start int) (int, error) {
	total := start
	for _, n := range nodes {
		cost, err := e.cost(resourceType, n)
		if err != nil {
			return 0, err
		}
		total = join(total, min(cost, costNot))
	}
	return total, nil
}

func (e *evaluation) costTerms(n search.Terms) (int, error) {
	q, ok := e.query(n)
	if !ok || len(q.Spans) == 0 {
		return 0, nil
	}
	cost, known := e.costs[&q.Spans[0]]
	if !known {
		var err error
		if cost, err = e.terms.Cost(&q); err != nil {
			return 0, err
		}
		if e.costs == nil {
			e.costs = map[*search.Span]int{}
		}
		e.costs[&q.Spans[0]] = cost
	}
	if n.Recheck != nil {
		// What is read last is read least.
		cost = min(costRecheck+cost, costNot-1)
	}
	return cost, nil
}

// costAfter orders what is evaluated within a small set, unasked: dates of the
// set, then other ranges, then joins, then what reads resources.
func costAfter(n search.Node) int {
	switch n := n.(type) {
	case search.Terms:
		switch {
		case n.Recheck != nil:
			return costRecheck
		case factual(n.Param):
			return costUpdated
		}
		return costUpdated + 1
	case search.Updated:
		return costUpdated
	case search.Chain, search.Has:
		return costUpdated + 3
	case search.Not:
		return costNot
	}
	return costUpdated + 2
}
