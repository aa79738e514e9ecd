package consent

import "github.com/tarnhealth/tarn/search"

// A formula is a condition on a resource that may also never hold: then ok is
// false. A nil node always holds.
type formula struct {
	node search.Node
	ok   bool
}

var (
	never  = formula{}
	always = formula{ok: true}
)

func holds(yes bool) formula { return formula{ok: yes} }

// when is a condition; a nil node never holds.
func when(n search.Node) formula { return formula{n, n != nil} }

func (a formula) and(b formula) formula {
	switch {
	case !a.ok || !b.ok:
		return never
	case a.node == nil:
		return b
	case b.node == nil:
		return a
	}
	return formula{search.And{a.node, b.node}, true}
}

func (a formula) or(b formula) formula {
	switch {
	case !a.ok:
		return b
	case !b.ok:
		return a
	case a.node == nil || b.node == nil:
		return always
	}
	if list, is := a.node.(search.Or); is {
		return formula{append(list[:len(list):len(list)], b.node), true}
	}
	return formula{search.Or{a.node, b.node}, true}
}

func (a formula) not() formula {
	switch {
	case !a.ok:
		return always
	case a.node == nil:
		return never
	}
	return formula{search.Not{Node: a.node}, true}
}

// Bounds are what is known of a condition: it holds where sure does, and at
// most where may does. They differ where something cannot be evaluated.
type bounds struct{ sure, may formula }

func known(f formula) bounds { return bounds{f, f} }

var unknown = bounds{never, always}

func (a bounds) and(b bounds) bounds { return bounds{a.sure.and(b.sure), a.may.and(b.may)} }
func (a bounds) or(b bounds) bounds  { return bounds{a.sure.or(b.sure), a.may.or(b.may)} }
