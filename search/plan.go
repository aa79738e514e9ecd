package search

import (
	"time"

	"github.com/tarnhealth/tarn/search/literal"
)

// A Plan is what a query asks a backend for: in each part the resources of one
// type for which Where holds, all parts in one order.
type Plan struct {
	// Parts has one part for a search of one resource type.
	Parts []Part
	// Sort is the order, most significant key first. Ties, and a search
	// without Sort, are in order of T (the oldest version first).
	Sort []SortKey
}

// A Part is the share of one resource type in a plan.
type Part struct {
	Type string
	// Where is nil for every resource of the type.
	Where Node
}

// A SortKey orders by one parameter: ascending by a resource's least key,
// descending by its greatest. Resources without a value come last either way.
type SortKey struct {
	// Params holds the parameter for each of the plan's parts, in their
	// order. It is nil for _lastUpdated, which orders by T, and for _id.
	Params []*Param
	// ID is set for _id.
	ID   bool
	Desc bool
}

// SortSpan is the span of p's keys that sorting looks at: a parameter may
// index a value under several forms, of which one carries the order.
func SortSpan(p *Param) Span { return sortSpan(p) }

// A Node is a condition on one resource.
type Node interface{ isNode() }

// Terms holds if an entry of Param has a key that lies in one of Spans and
// passes Test.
type Terms struct {
	Param *Param
	// Spans are sorted and do not overlap.
	Spans []Span
	// Test is nil where every key in Spans counts.
	Test func(key []byte) bool
	// Sure are ranges in which Test holds for every key, sorted and apart from
	// each other. A backend need not ask there.
	Sure []Span
	// Recheck, where not nil, must hold for the resource's tree as well: the
	// keys alone give a superset.
	Recheck func(c *Candidate) bool
}

// IDs holds for the resources with one of these logical ids. Sorted.
type IDs struct{ IDs []string }

// Updated holds if From ≤ lastUpdated < To; a zero time has no end on that side.
type Updated struct{ From, To time.Time }

// And holds if every node does. An empty And always holds.
type And []Node

// Or holds if some node does. An empty Or never holds.
type Or []Node

// Not holds if its node does not.
type Not struct{ Node Node }

// Chain holds if Param refers to a current resource of type Target for which
// Where holds.
type Chain struct {
	Param  *Param
	Target string
	Where  Node
}

// Has holds if a current resource of type Param.Type, for which Where holds,
// refers to this one by Param.
type Has struct {
	Param *Param
	Where Node
}

func (Terms) isNode()   {}
func (IDs) isNode()     {}
func (Updated) isNode() {}
func (And) isNode()     {}
func (Or) isNode()      {}
func (Not) isNode()     {}
func (Chain) isNode()   {}
func (Has) isNode()     {}

// ReferenceKey is the key under which a reference to the resource type/id is
// indexed by every reference parameter: Chain and Has join on it, and
// _revinclude looks it up.
func ReferenceKey(resourceType, id string) []byte {
	b := make([]byte, 0, len(resourceType)+len(id)+2)
	b = append(b, resourceType...)
	b = append(b, '/')
	b = append(b, id...)
	return append(b, 0)
}

// ParseReferenceKey takes apart a key that ReferenceKey made; ok is false for
// the keys of other references (absolute URLs, canonicals).
func ParseReferenceKey(key []byte) (resourceType, id string, ok bool) { return literal.ParseKey(key) }
