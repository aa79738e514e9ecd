package authz

import (
	"github.com/tarnhealth/tarn/search"
)

// A condition is a search node that may also be "nothing": ok is false then.
// A nil where always holds.
type condition struct {
	where search.Node
	ok    bool
}

var (
	none   = condition{}
	always = condition{ok: true}
)

func when(where search.Node) condition { return condition{where, true} }

func (a condition) and(b condition) condition {
	switch {
	case !a.ok || !b.ok:
		return none
	case a.where == nil:
		return b
	case b.where == nil:
		return a
	}
	return when(search.And{a.where, b.where})
}

func (a condition) or(b condition) condition {
	switch {
	case !a.ok:
		return b
	case !b.ok:
		return a
	case a.where == nil || b.where == nil:
		return always
	}
	if list, ok := a.where.(search.Or); ok {
		return when(append(list[:len(list):len(list)], b.where))
	}
	return when(search.Or{a.where, b.where})
}

// Holds reports whether a condition, such as Access.Filter returns, holds for one
// resource. exists answers for the others that the condition is about.
func Holds(where search.Node, c *search.Candidate, exists Exists) (bool, error) {
	if where == nil {
		return true, nil
	}
	return evaluate(where, c, exists)
}

// Alone is a condition without what it says of other resources: it holds where
// the condition holds, and perhaps elsewhere. nil always holds.
func Alone(where search.Node) search.Node {
	switch n := where.(type) {
	case search.And:
		var kept search.And
		for _, m := range n {
			if m = Alone(m); m != nil {
				kept = append(kept, m)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	default:
		if where == nil || joins(where) {
			return nil
		}
		return where
	}
}

// evaluate decides a condition for one resource. What it says of others is
// asked of the data store, which has indexes for it: each Chain and Has is one
// question about few resources.
func evaluate(n search.Node, c *search.Candidate, exists Exists) (bool, error) {
	switch n := n.(type) {
	case search.And:
		for _, m := range n {
			if ok, err := evaluate(m, c, exists); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	case search.Or:
		for _, m := range n {
			if ok, err := evaluate(m, c, exists); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	case search.Not:
		if exists == nil && joins(n.Node) {
			return false, nil
		}
		ok, err := evaluate(n.Node, c, exists)
		return !ok && err == nil, err
	case search.Chain:
		return evaluateChain(n, c, exists)
	case search.Has:
		if exists == nil {
			return false, nil
		}
		refers := search.Terms{Param: n.Param, Spans: []search.Span{search.Exactly(search.ReferenceKey(c.Type, c.ID))}}
		return exists(n.Param.Type, when(refers).and(when(n.Where)).where)
	}
	return search.Match(n, c, nil), nil
}

func evaluateChain(n search.Chain, c *search.Candidate, exists Exists) (bool, error) {
	if n.Param.Type != c.Type || exists == nil {
		return false, nil
	}
	var ids []string
	for _, e := range c.Entries {
		if e.Param != n.Param {
			continue
		}
		if t, id, ok := search.ParseReferenceKey(e.Key); ok && t == n.Target {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return false, nil
	}
	return exists(n.Target, when(idsNode(ids)).and(when(n.Where)).where)
}

// joins reports whether a condition is about other resources.
func joins(n search.Node) bool {
	switch n := n.(type) {
	case search.And:
		for _, m := range n {
			if joins(m) {
				return true
			}
		}
	case search.Or:
		for _, m := range n {
			if joins(m) {
				return true
			}
		}
	case search.Not:
		return joins(n.Node)
	case search.Chain, search.Has:
		return true
	}
	return false
}
