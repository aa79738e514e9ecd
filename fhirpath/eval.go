package fhirpath

import (
	"slices"

	"github.com/tarnhealth/tarn/fhir"
)

// constant is a literal; a nil item is the empty collection.
type constant struct{ item *Item }

func (k constant) eval(m *machine) error {
	if k.item != nil {
		m.push(*k.item)
	}
	return nil
}

// index is $index.
type index struct{}

func (index) eval(m *machine) error {
	m.push(Integer(int64(m.index)))
	return nil
}

// total is $total.
type total struct{}

func (total) eval(m *machine) error {
	m.stack = append(m.stack, m.total...)
	return nil
}

// given is a variable that Env holds.
type given string

func (g given) eval(m *machine) error {
	m.stack = append(m.stack, m.env.Variables[string(g)]...)
	return nil
}

// environment is %context, %resource or %rootResource.
// http://hl7.org/fhir/R4/fhirpath.html#variables
type environment string

func (e environment) eval(m *machine) error {
	if m.focus.kind != KindNode {
		return nil
	}
	n := m.focus.node
	if e != "context" {
		n = resourceOf(n)
	}
	if e == "rootResource" && n.Name() == "contained" {
		n = resourceOf(n.Parent())
	}
	m.push(NodeItem(n))
	return nil
}

// resourceOf is the resource that holds a node, or the node itself.
func resourceOf(n fhir.Node) fhir.Node {
	for n.Type().Kind != fhir.KindResource {
		parent := n.Parent()
		if !parent.Exists() {
			break
		}
		n = parent
	}
	return n
}

// ofType keeps the items of a type.
type ofType struct {
	input evaluator
	test  *typeTest
}

func (o *ofType) isDirect() bool {
	_, ok := asDirect(o.input)
	return ok && o.test.types != nil
}

func (o *ofType) appendNodes(dst []fhir.Node, focus fhir.Node) []fhir.Node {
	mark := len(dst)
	dst = o.input.(direct).appendNodes(dst, focus)
	kept := dst[:mark]
	for _, n := range dst[mark:] {
		if o.test.types.has(n.TypeIndex()) {
			kept = append(kept, n)
		}
	}
	return kept
}

func (o *ofType) eval(m *machine) error {
	mark := len(m.stack)
	if err := o.input.eval(m); err != nil {
		return err
	}
	kept := m.stack[:mark]
	for _, item := range m.stack[mark:] {
		if o.test.matches(item) {
			kept = append(kept, item)
		}
	}
	m.stack = kept
	return nil
}

// isType tests the type of a single item.
type isType struct {
	input evaluator
	test  *typeTest
}

func (t *isType) eval(m *machine) error { return evalLogical(m, t) }

func (t *isType) truth(m *machine) (truth, error) {
	mark := len(m.stack)
	if err := t.input.eval(m); err != nil {
		return unknown, err
	}
	item, ok, err := single(m.stack[mark:])
	m.stack = m.stack[:mark]
	if err != nil || !ok {
		return unknown, err
	}
	return truthOf(t.test.matches(item)), nil
}

func evalLogical(m *machine, l logical) error {
	t, err := l.truth(m)
	m.pushTruth(t)
	return err
}

// slice keeps the items from one index to before another.
type slice struct {
	input    evaluator
	from, to int64
}

func (s *slice) isDirect() bool {
	_, ok := asDirect(s.input)
	return ok
}

func (s *slice) bounds(n int) (from, to int) {
	from = int(min(max(s.from, 0), int64(n)))
	return from, int(max(int64(from), min(s.to, int64(n))))
}

func (s *slice) appendNodes(dst []fhir.Node, focus fhir.Node) []fhir.Node {
	mark := len(dst)
	dst = s.input.(direct).appendNodes(dst, focus)
	from, to := s.bounds(len(dst) - mark)
	return append(dst[:mark], dst[mark+from:mark+to]...)
}

func (s *slice) eval(m *machine) error {
	mark := len(m.stack)
	if err := s.input.eval(m); err != nil {
		return err
	}
	from, to := s.bounds(len(m.stack) - mark)
	m.stack = append(m.stack[:mark], m.stack[mark+from:mark+to]...)
	return nil
}

// union is the items of all parts, each value once.
type union struct {
	parts []evaluator
	plain bool // all parts are direct
}

func newUnion(left, right evaluator) *union {
	u := &union{plain: true}
	for _, e := range []evaluator{left, right} {
		if inner, ok := e.(*union); ok {
			u.parts = append(u.parts, inner.parts...)
		} else {
			u.parts = append(u.parts, e)
		}
	}
	for _, part := range u.parts {
		_, ok := asDirect(part)
		u.plain = u.plain && ok
	}
	return u
}

func (u *union) isDirect() bool { return u.plain }

func (u *union) appendNodes(dst []fhir.Node, focus fhir.Node) []fhir.Node {
	mark := len(dst)
	for _, part := range u.parts {
		dst = part.(direct).appendNodes(dst, focus)
	}
	if len(dst)-mark < 2 {
		return dst
	}
	return append(dst[:mark], distinctNodes(dst[mark:])...)
}

func (u *union) eval(m *machine) error {
	mark := len(m.stack)
	for _, part := range u.parts {
		if err := part.eval(m); err != nil {
			return err
		}
	}
	m.stack = append(m.stack[:mark], distinct(m.stack[mark:])...)
	return m.spend(len(m.stack) - mark)
}

// distinctNodes drops values seen before, in place.
func distinctNodes(nodes []fhir.Node) []fhir.Node {
	if len(nodes) > quadratic {
		seen := newItemSet()
		return slices.DeleteFunc(nodes, func(n fhir.Node) bool { return !seen.add(NodeItem(n)) })
	}
	kept := nodes[:0]
	for _, n := range nodes {
		if !slices.ContainsFunc(kept, func(k fhir.Node) bool { return equalNodes(k, n) == isTrue }) {
			kept = append(kept, n)
		}
	}
	return kept
}

// distinct drops values seen before, in place.
func distinct(items []Item) []Item {
	if len(items) > quadratic {
		seen := newItemSet()
		return slices.DeleteFunc(items, func(i Item) bool { return !seen.add(i) })
	}
	kept := items[:0]
	for _, item := range items {
		if !slices.ContainsFunc(kept, func(k Item) bool { return equal(k, item) == isTrue }) {
			kept = append(kept, item)
		}
	}
	return kept
}
