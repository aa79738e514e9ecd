package fhirpath

// existenceFunctions are those of http://hl7.org/fhirpath/N1/#existence
func existenceFunctions() map[string]signature {
	return map[string]signature{
		"empty": {0, 0, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
			return &exists{input: s.input, not: true}, nil, nil
		}},
		"exists": {0, 1, buildExists},
		"all": {1, 1, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
			criterion, _, err := c.lambda(s.args[0], s.types)
			return &all{s.input, criterion}, nil, err
		}},
		"not": {0, 0, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
			return &not{s.input}, nil, nil
		}},
		"allTrue":  values(0, 0, quantified(isTrue, true)),
		"anyTrue":  values(0, 0, quantified(isTrue, false)),
		"allFalse": values(0, 0, quantified(isFalse, true)),
		"anyFalse": values(0, 0, quantified(isFalse, false)),
		"count": values(0, 0, func(m *machine, in []Item, _ arguments) error {
			m.push(Integer(int64(len(in))))
			return nil
		}),
		"distinct": sameTypes(0, 0, func(m *machine, in []Item, _ arguments) error {
			m.stack = append(m.stack, distinct(in)...)
			return m.spend(len(in))
		}),
		"isDistinct": values(0, 0, func(m *machine, in []Item, _ arguments) error {
			n := len(in)
			m.push(Boolean(len(distinct(in)) == n))
			return m.spend(n)
		}),
		"subsetOf": values(1, 1, func(m *machine, in []Item, args arguments) error {
			m.push(Boolean(subset(in, args[0])))
			return m.spend(len(args[0]))
		}),
		"supersetOf": values(1, 1, func(m *machine, in []Item, args arguments) error {
			m.push(Boolean(subset(args[0], in)))
			return m.spend(len(args[0]))
		}),
	}
}

func buildExists(c *compiler, s *callSite) (evaluator, typeSet, error) {
	e := &exists{input: s.input}
	if len(s.args) == 1 {
		filter, _, err := c.where(s)
		if err != nil {
			return nil, nil, err
		}
		e.input = filter
	}
	return e, nil, nil
}

// exists is exists(), and empty() where not is set.
type exists struct {
	input evaluator
	not   bool
}

func (e *exists) eval(m *machine) error { return evalLogical(m, e) }

func (e *exists) truth(m *machine) (truth, error) {
	if w, ok := e.input.(*walk); ok && w.input == nil && m.this.kind == KindNode {
		m.nodes = w.from(m.nodes[:0], m.this.node)
		return truthOf((len(m.nodes) > 0) != e.not), nil
	}
	mark := len(m.stack)
	if err := e.input.eval(m); err != nil {
		return unknown, err
	}
	found := len(m.stack) > mark
	m.stack = m.stack[:mark]
	return truthOf(found != e.not), nil
}

// not is not().
type not struct{ input evaluator }

func (n *not) eval(m *machine) error { return evalLogical(m, n) }

func (n *not) truth(m *machine) (truth, error) {
	t, err := m.truth(n.input)
	return negated(t, true), err
}

// all is all(criterion).
type all struct{ input, criterion evaluator }

func (a *all) eval(m *machine) error { return evalLogical(m, a) }

func (a *all) truth(m *machine) (truth, error) {
	mark := len(m.stack)
	if err := a.input.eval(m); err != nil {
		return unknown, err
	}
	result := isTrue
	for i := mark; i < len(m.stack) && result == isTrue; i++ {
		t, err := m.truthWith(m.stack[i], i-mark, a.criterion)
		if err != nil {
			return unknown, err
		}
		result = truthOf(t == isTrue)
	}
	m.stack = m.stack[:mark]
	return result, nil
}

// quantified makes allTrue and its kin: whether all items, or any, are the
// wanted boolean.
func quantified(want truth, every bool) runner {
	return func(m *machine, in []Item, _ arguments) error {
		for _, item := range in {
			b, ok := item.Bool()
			if !ok {
				return evaluationError("a boolean is expected, not %s", item.TypeName())
			}
			if (truthOf(b) == want) != every {
				m.push(Boolean(!every))
				return nil
			}
		}
		m.push(Boolean(every))
		return nil
	}
}

// subset reports whether every item of a is in b.
func subset(a, b []Item) bool {
	has := lookup(b)
	for _, item := range a {
		if !has(item) {
			return false
		}
	}
	return true
}

// lookup tells whether a collection has an item.
func lookup(items []Item) func(Item) bool {
	if len(items) > quadratic {
		set := newItemSet()
		for _, item := range items {
			set.add(item)
		}
		return set.has
	}
	return func(i Item) bool {
		for _, item := range items {
			if same(i, item) {
				return true
			}
		}
		return false
	}
}
