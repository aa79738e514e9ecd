package fhirpath

import (
	"math"

	"github.com/tarnhealth/tarn/fhir"
)

// filterFunctions are those of http://hl7.org/fhirpath/N1/#filtering-and-projection
// and http://hl7.org/fhirpath/N1/#subsetting, with aggregate() and iif().
func filterFunctions() map[string]signature {
	asType := typed(func(c *compiler, s *callSite, test *typeTest) (evaluator, typeSet) {
		return c.ofType(s.input, s.types, test)
	})
	return map[string]signature{
		"where":     {1, 1, func(c *compiler, s *callSite) (evaluator, typeSet, error) { return c.where(s) }},
		"select":    {1, 1, buildSelect},
		"repeat":    {1, 1, buildRepeat},
		"aggregate": {1, 2, buildAggregate},
		"iif":       {2, 3, buildIif},
		"ofType":    asType,
		"as":        asType,
		"is": typed(func(c *compiler, s *callSite, test *typeTest) (evaluator, typeSet) {
			return &isType{s.input, test}, nil
		}),
		"first": constantSlice(0, 1),
		"tail":  constantSlice(1, math.MaxInt64),
		"last": sameTypes(0, 0, func(m *machine, in []Item, _ arguments) error {
			if len(in) > 0 {
				m.push(in[len(in)-1])
			}
			return nil
		}),
		"single": sameTypes(0, 0, func(m *machine, in []Item, _ arguments) error {
			item, ok, err := single(in)
			if ok {
				m.push(item)
			}
			return err
		}),
		"skip": sameTypes(1, 1, func(m *machine, in []Item, args arguments) error {
			n, ok, err := integerArgument(args[0])
			if ok {
				m.stack = append(m.stack, in[clamp(n, len(in)):]...)
			}
			return err
		}),
		"take": sameTypes(1, 1, func(m *machine, in []Item, args arguments) error {
			n, ok, err := integerArgument(args[0])
			if ok {
				m.stack = append(m.stack, in[:clamp(n, len(in))]...)
			}
			return err
		}),
	}
}

// constantSlice defines first() and tail().
func constantSlice(from, to int64) signature {
	return signature{0, 0, func(_ *compiler, s *callSite) (evaluator, typeSet, error) {
		return &slice{s.input, from, to}, s.types, nil
	}}
}

func clamp(n int64, length int) int { return int(min(max(n, 0), int64(length))) }

func itemAt(m *machine, in []Item, args arguments) error {
	n, ok, err := integerArgument(args[0])
	if ok && n >= 0 && n < int64(len(in)) {
		m.push(in[n])
	}
	return err
}

// nodeTest is a criterion that needs nothing but the node.
type nodeTest interface{ holds(n fhir.Node) bool }

// where is where(criterion).
type where struct {
	input     evaluator
	criterion evaluator
	test      nodeTest // the criterion where it is one, otherwise nil
}

func (c *compiler) where(s *callSite) (evaluator, typeSet, error) {
	criterion, _, err := c.lambda(s.args[0], s.types)
	if err != nil {
		return nil, nil, err
	}
	w := &where{input: s.input, criterion: criterion}
	switch k := criterion.(type) {
	case *equalsText:
		w.test = k
	case *isType:
		if r, ok := k.input.(*resolve); ok && r.ofThis() {
			w.test = &refersTo{k.test}
		}
	}
	return w, s.types, nil
}

func (w *where) isDirect() bool {
	_, ok := asDirect(w.input)
	return ok && w.test != nil
}

func (w *where) appendNodes(dst []fhir.Node, focus fhir.Node) []fhir.Node {
	mark := len(dst)
	dst = w.input.(direct).appendNodes(dst, focus)
	kept := dst[:mark]
	for _, n := range dst[mark:] {
		if w.test.holds(n) {
			kept = append(kept, n)
		}
	}
	return kept
}

func (w *where) eval(m *machine) error {
	mark := len(m.stack)
	if err := w.input.eval(m); err != nil {
		return err
	}
	end, kept := len(m.stack), mark
	for i := mark; i < end; i++ {
		t, err := m.truthWith(m.stack[i], i-mark, w.criterion)
		if err != nil {
			return err
		}
		if t == isTrue {
			m.stack[kept] = m.stack[i]
			kept++
		}
	}
	m.stack = m.stack[:kept]
	return nil
}

// project is select(projection).
type project struct{ input, projection evaluator }

func buildSelect(c *compiler, s *callSite) (evaluator, typeSet, error) {
	projection, types, err := c.lambda(s.args[0], s.types)
	return &project{s.input, projection}, types, err
}

func (p *project) eval(m *machine) error {
	mark := len(m.stack)
	if err := p.input.eval(m); err != nil {
		return err
	}
	end := len(m.stack)
	for i := mark; i < end; i++ {
		if err := m.with(m.stack[i], i-mark, p.projection); err != nil {
			return err
		}
	}
	m.settle(mark, end)
	return nil
}

// repetition is repeat(projection): what the projection gives of the input, of
// that, and so on, each value once.
type repetition struct{ input, projection evaluator }

func buildRepeat(c *compiler, s *callSite) (evaluator, typeSet, error) {
	// What is known of the types holds for the first round only.
	projection, _, err := c.lambda(s.args[0], nil)
	return &repetition{s.input, projection}, nil, err
}

func (r *repetition) eval(m *machine) error {
	mark := len(m.stack)
	if err := r.input.eval(m); err != nil {
		return err
	}
	first := len(m.stack)
	seen := newItemSet()
	// The result is its own queue: items are projected in the order they came.
	for at, end := mark, first; at < end; at++ {
		if err := m.with(m.stack[at], at-mark, r.projection); err != nil {
			return err
		}
		for _, item := range m.stack[end:] {
			if seen.add(item) {
				m.stack[end] = item
				end++
			}
		}
		m.stack = m.stack[:end]
	}
	m.settle(mark, first)
	return nil
}

// aggregation is aggregate(aggregator, init).
// http://hl7.org/fhirpath/N1/#aggregates
type aggregation struct{ input, aggregator, start evaluator }

func buildAggregate(c *compiler, s *callSite) (evaluator, typeSet, error) {
	a := &aggregation{input: s.input, start: constant{}}
	var err error
	if a.aggregator, _, err = c.lambda(s.args[0], s.types); err != nil {
		return nil, nil, err
	}
	if len(s.args) == 2 {
		a.start, _, err = c.compile(s.args[1])
	}
	return a, nil, err
}

func (a *aggregation) eval(m *machine) error {
	mark := len(m.stack)
	if err := a.input.eval(m); err != nil {
		return err
	}
	end := len(m.stack)
	if err := a.start.eval(m); err != nil {
		return err
	}
	outer := m.total
	defer func() { m.total = outer }()
	for i := mark; i < end; i++ {
		m.total = append([]Item(nil), m.stack[end:]...)
		m.stack = m.stack[:end]
		if err := m.with(m.stack[i], i-mark, a.aggregator); err != nil {
			return err
		}
		if err := m.spend(len(m.stack) - end); err != nil {
			return err
		}
	}
	m.settle(mark, end)
	return nil
}

// conditional is iif(criterion, yes, no).
type conditional struct{ input, criterion, yes, no evaluator }

func buildIif(c *compiler, s *callSite) (evaluator, typeSet, error) {
	k := &conditional{input: s.input, no: constant{}}
	types := s.types
	for i, target := range []*evaluator{&k.criterion, &k.yes, &k.no}[:len(s.args)] {
		e, of, err := c.lambda(s.args[i], s.types)
		if err != nil {
			return nil, nil, err
		}
		*target = e
		switch i {
		case 1:
			types = of
		case 2:
			types = types.or(of)
		}
	}
	return k, types, nil
}

func (k *conditional) eval(m *machine) error {
	mark := len(m.stack)
	if err := k.input.eval(m); err != nil {
		return err
	}
	this, ok, err := single(m.stack[mark:])
	m.stack = m.stack[:mark]
	if err != nil {
		return err
	}
	if !ok {
		this = Item{}
	}
	t, err := m.truthWith(this, 0, k.criterion)
	if err != nil {
		return err
	}
	if t == isTrue {
		return m.with(this, 0, k.yes)
	}
	return m.with(this, 0, k.no)
}
