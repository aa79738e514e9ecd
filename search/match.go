package search

import (
	"bytes"
	"cmp"
	"slices"
)

// A Lookup yields the current candidates of a type: the one with the id, or
// all of them where id is "".
type Lookup = func(resourceType, id string) []*Candidate

// Match reports whether a node holds for a candidate. Chain and Has look at
// other resources through lookup, which yields the current candidates of a
// type (all of them where id is ""); it may be nil where the node has neither.
// A nil node holds.
func Match(n Node, c *Candidate, lookup func(resourceType, id string) []*Candidate) bool {
	switch n := n.(type) {
	case nil:
		return true
	case Terms:
		return n.match(c)
	case IDs:
		return slices.Contains(n.IDs, c.ID)
	case Updated:
		return (n.From.IsZero() || !c.LastUpdated.Before(n.From)) && (n.To.IsZero() || c.LastUpdated.Before(n.To))
	case And:
		for _, m := range n {
			if !Match(m, c, lookup) {
				return false
			}
		}
		return true
	case Or:
		for _, m := range n {
			if Match(m, c, lookup) {
				return true
			}
		}
		return false
	case Not:
		return !Match(n.Node, c, lookup)
	case Chain:
		return n.match(c, lookup)
	case Has:
		return n.match(c, lookup)
	}
	return false
}

// of are the candidate's entries of one parameter. Those of a custom one may
// have been made by another registry than the one that p is of.
func (c *Candidate) of(p *Param) []Entry {
	if p.Def != nil && p.Def.Bases != nil {
		key := p.Key()
		return slices.DeleteFunc(slices.Clone(c.Entries), func(e Entry) bool { return e.Param.Key() != key })
	}
	from, _ := slices.BinarySearchFunc(c.Entries, p.Ordinal, func(e Entry, ordinal int) int { return cmp.Compare(e.Param.Ordinal, ordinal) })
	to := from
	for to < len(c.Entries) && c.Entries[to].Param.Ordinal == p.Ordinal {
		to++
	}
	return c.Entries[from:to]
}

func (t *Terms) match(c *Candidate) bool {
	if t.Param.Type != c.Type {
		return false
	}
	for _, e := range c.of(t.Param) {
		if inSpans(t.Spans, e.Key) && (t.Test == nil || t.Test(e.Key)) {
			return t.Recheck == nil || t.Recheck(c)
		}
	}
	return false
}

func (n *Chain) match(c *Candidate, lookup Lookup) bool {
	if n.Param.Type != c.Type {
		return false
	}
	for _, e := range c.of(n.Param) {
		t, id, ok := ParseReferenceKey(e.Key)
		if !ok || t != n.Target {
			continue
		}
		for _, target := range lookup(t, id) {
			if Match(n.Where, target, lookup) {
				return true
			}
		}
	}
	return false
}

func (n *Has) match(c *Candidate, lookup Lookup) bool {
	key := ReferenceKey(c.Type, c.ID)
	for _, source := range lookup(n.Param.Type, "") {
		refers := slices.ContainsFunc(source.of(n.Param), func(e Entry) bool { return bytes.Equal(e.Key, key) })
		if refers && Match(n.Where, source, lookup) {
			return true
		}
	}
	return false
}

// Run answers a plan from candidates in memory, in the slow and plain way: it
// is what a backend's Search must agree with. all are the current resources in
// order of T.
func Run(plan Plan, all []*Candidate) []*Candidate {
	lookup := func(resourceType, id string) []*Candidate {
		var found []*Candidate
		for _, c := range all {
			if c.Type == resourceType && (id == "" || c.ID == id) {
				found = append(found, c)
			}
		}
		return found
	}
	var hits []hit
	for t, c := range all {
		for i, part := range plan.Parts {
			if part.Type == c.Type && Match(part.Where, c, lookup) {
				hits = append(hits, hit{c, i, t})
				break
			}
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		for _, k := range plan.Sort {
			if order := k.compare(a, b); order != 0 {
				return order
			}
		}
		return 0
	})
	found := make([]*Candidate, len(hits))
	for i, h := range hits {
		found[i] = h.Candidate
	}
	return found
}

// A hit is a match with its part of the plan and its place in time.
type hit struct {
	*Candidate
	part, t int
}

func (k *SortKey) compare(a, b hit) int {
	var order int
	switch {
	case k.ID:
		order = cmp.Compare(a.ID, b.ID)
	case k.Params == nil:
		order = cmp.Compare(a.t, b.t)
	default:
		va, vb := k.value(a), k.value(b)
		if va == nil || vb == nil {
			return cmp.Compare(b2i(va == nil), b2i(vb == nil))
		}
		order = bytes.Compare(va, vb)
	}
	if k.Desc {
		return -order
	}
	return order
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// value is the key that sorts a hit, nil where it has none.
func (k *SortKey) value(h hit) (value []byte) {
	p := k.Params[h.part]
	span := SortSpan(p)
	for _, e := range h.of(p) {
		if !span.Contains(e.Key) {
			continue
		}
		if value == nil || k.Desc {
			value = e.Key
		}
	}
	return value
}
