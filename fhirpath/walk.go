package fhirpath

import (
	"slices"

	"github.com/tarnhealth/tarn/fhir"
)

// direct is an evaluator that selects nodes only and needs nothing but the
// focus: it runs without a machine.
type direct interface {
	evaluator
	// appendNodes appends what the evaluator selects from a focus.
	appendNodes(dst []fhir.Node, focus fhir.Node) []fhir.Node
}

// asDirect returns the evaluator as a direct one, where all of it is.
func asDirect(e evaluator) (direct, bool) {
	d, ok := e.(direct)
	if !ok {
		return nil, false
	}
	if p, ok := d.(interface{ isDirect() bool }); ok && !p.isDirect() {
		return nil, false
	}
	return d, true
}

// walk goes down a path of element names: from $this, or from each item of
// its input. Names are resolved to JSON properties when compiled.
type walk struct {
	input  evaluator // nil for $this
	filter typeSet   // of a leading type name, nil for none
	steps  []step
}

// step is one element name.
type step struct {
	name  string
	props []*fhir.Property
	// first and span are the range of property indexes where one range holds
	// them all; otherwise set has a bit for each property.
	first, span uint32
	set         []uint64
	// adjacent is set where the matching children of any one node all have one
	// property, so that the scan may stop after them.
	adjacent bool
}

func newStep(schema *fhir.Schema, name string, props []*fhir.Property) step {
	s := step{name: name, props: props, adjacent: true}
	if len(props) == 0 {
		s.set = make([]uint64, (len(schema.Properties)+63)/64)
		return s
	}
	low, high := props[0].Index, props[0].Index
	for i, p := range props {
		if i > 0 && p.Owner == props[i-1].Owner {
			s.adjacent = false // forms of a choice element
		}
		low, high = min(low, p.Index), max(high, p.Index)
	}
	if high-low == len(props)-1 {
		s.first, s.span = uint32(low), uint32(len(props))
		return s
	}
	s.set = make([]uint64, (len(schema.Properties)+63)/64)
	for _, p := range props {
		s.set[p.Index>>6] |= 1 << (p.Index & 63)
	}
	return s
}

func (s *step) matches(property int) bool {
	if s.set != nil {
		return s.set[property>>6]&(1<<(property&63)) != 0
	}
	return uint32(property)-s.first < s.span
}

// narrowed is the step cut down to values of the types, and whether that can
// be told from the properties alone.
func (s *step) narrowed(schema *fhir.Schema, types typeSet) (step, bool) {
	var props []*fhir.Property
	for _, p := range s.props {
		if p.Type.Kind == fhir.KindAbstract {
			return step{}, false
		}
		if types.has(p.Type.Index) {
			props = append(props, p)
		}
	}
	return newStep(schema, s.name, props), true
}

func (w *walk) isDirect() bool {
	if w.input == nil {
		return true
	}
	_, ok := asDirect(w.input)
	return ok
}

func (w *walk) appendNodes(dst []fhir.Node, focus fhir.Node) []fhir.Node {
	if w.input == nil {
		return w.from(dst, focus)
	}
	mark := len(dst)
	dst = w.input.(direct).appendNodes(dst, focus)
	end := len(dst)
	for i := mark; i < end; i++ {
		dst = w.from(dst, dst[i])
	}
	return slices.Delete(dst, mark, end)
}

// from appends what the path selects from one node.
func (w *walk) from(dst []fhir.Node, n fhir.Node) []fhir.Node {
	if !n.Exists() || w.filter != nil && !w.filter.has(n.TypeIndex()) {
		return dst
	}
	return descend(dst, n, w.steps)
}

func descend(dst []fhir.Node, n fhir.Node, steps []step) []fhir.Node {
	if len(steps) == 0 {
		return append(dst, n)
	}
	s := &steps[0]
	if len(steps) == 1 && s.set == nil {
		return n.AppendChildren(dst, s.first, s.span, s.adjacent)
	}
	found := false
	for c := n.First(); c.Exists(); c = c.Next() {
		switch {
		case s.matches(c.PropertyIndex()):
			dst = descend(dst, c, steps[1:])
			found = true
		case found && s.adjacent:
			return dst
		}
	}
	return dst
}

func (w *walk) eval(m *machine) error {
	if w.input == nil {
		w.push(m, m.this)
		return nil
	}
	mark := len(m.stack)
	if err := w.input.eval(m); err != nil {
		return err
	}
	end := len(m.stack)
	for i := mark; i < end; i++ {
		w.push(m, m.stack[i])
	}
	m.settle(mark, end)
	return m.spend(len(m.stack) - mark)
}

func (w *walk) push(m *machine, i Item) {
	if i.kind != KindNode {
		// A value has no elements; without steps the walk is $this itself,
		// which is absent where iif() has no input.
		if i.kind != 0 && w.filter == nil && len(w.steps) == 0 {
			m.push(i)
		}
		return
	}
	m.nodes = w.from(m.nodes[:0], i.node)
	for _, n := range m.nodes {
		m.push(NodeItem(n))
	}
}

// extended is the walk with one more step.
func (w *walk) extended(s step) *walk {
	return &walk{w.input, w.filter, append(w.steps[:len(w.steps):len(w.steps)], s)}
}
