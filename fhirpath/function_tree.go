package fhirpath

// treeFunctions are those of http://hl7.org/fhirpath/N1/#tree-navigation
// and trace(), type().
func treeFunctions() map[string]signature {
	return map[string]signature{
		"children":    values(0, 0, func(m *machine, in []Item, _ arguments) error { return m.pushChildren(in, false) }),
		"descendants": values(0, 0, func(m *machine, in []Item, _ arguments) error { return m.pushChildren(in, true) }),
		"trace":       {1, 2, buildTrace},
		"type": values(0, 0, func(m *machine, in []Item, _ arguments) error {
			for _, item := range in {
				m.push(Item{kind: KindType, value: item.typeInfo()})
			}
			return nil
		}),
	}
}

func typeMember(name string) runner {
	return func(m *machine, in []Item, _ arguments) error {
		for _, item := range in {
			t := item.value.(typeInfo)
			if name == "name" {
				m.push(String(t.name))
			} else {
				m.push(String(t.namespace))
			}
		}
		return nil
	}
}

// pushChildren pushes the children of each item and, where deep is set, theirs
// in turn.
func (m *machine) pushChildren(in []Item, deep bool) error {
	start := len(m.stack)
	for _, item := range in {
		m.pushChildrenOf(item)
	}
	for at := start; deep && at < len(m.stack); at++ {
		m.pushChildrenOf(m.stack[at])
		if err := m.spend(1); err != nil {
			return err
		}
	}
	return m.spend(len(m.stack) - start)
}

func (m *machine) pushChildrenOf(item Item) {
	if item.kind != KindNode {
		return
	}
	for c := item.node.First(); c.Exists(); c = c.Next() {
		m.push(NodeItem(c))
	}
}

// tracing is trace(name, projection): its input, shown to Env.Trace.
type tracing struct{ input, name, projection evaluator }

func buildTrace(c *compiler, s *callSite) (evaluator, typeSet, error) {
	name, _, err := c.compile(s.args[0])
	if err != nil {
		return nil, nil, err
	}
	t := &tracing{input: s.input, name: name}
	if len(s.args) == 2 {
		t.projection, _, err = c.lambda(s.args[1], s.types)
	}
	return t, s.types, err
}

func (t *tracing) eval(m *machine) error {
	mark := len(m.stack)
	if err := t.input.eval(m); err != nil || m.env.Trace == nil {
		return err
	}
	end := len(m.stack)
	if err := t.name.eval(m); err != nil {
		return err
	}
	name, _, err := stringArgument(m.stack[end:])
	if err != nil {
		return err
	}
	m.stack = m.stack[:end]
	shown := m.stack[mark:end]
	if t.projection != nil {
		for i := mark; i < end; i++ {
			if err := m.with(m.stack[i], i-mark, t.projection); err != nil {
				return err
			}
		}
		shown = m.stack[end:]
	}
	m.env.Trace(name, append([]Item(nil), shown...))
	m.stack = m.stack[:end]
	return nil
}
