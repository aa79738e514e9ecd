package fhirpath

// fhirFunctions are those that FHIR adds.
// http://hl7.org/fhir/R4/fhirpath.html#functions
func fhirFunctions() map[string]signature {
	return map[string]signature{
		"extension": {1, 1, buildExtension},
		"hasExtension": {1, 1, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
			e, _, err := buildExtension(c, s)
			return &exists{input: e}, nil, err
		}},
		"resolve": {0, 0, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
			return &resolve{s.input}, nil, nil
		}},
		"hasValue": values(0, 0, func(m *machine, in []Item, _ arguments) error {
			m.push(Boolean(len(in) == 1 && hasValue(in[0])))
			return nil
		}),
		"getValue": values(0, 0, func(m *machine, in []Item, _ arguments) error {
			if len(in) == 1 && hasValue(in[0]) {
				m.push(in[0].system())
			}
			return nil
		}),
	}
}

func hasValue(i Item) bool { return i.kind != KindNode || i.node.HasValue() }

// buildExtension compiles extension(url) as extension.where(url = …).
func buildExtension(c *compiler, s *callSite) (evaluator, typeSet, error) {
	place := s.at
	step := &member{at: place, on: s.on, name: "extension"}
	on, types, err := c.compile(step)
	if err != nil {
		return nil, nil, err
	}
	filter := &call{at: place, name: "where", args: []syntax{
		&binary{place, "=", &member{at: place, name: "url"}, s.args[0]},
	}}
	return c.where(&callSite{filter, on, types})
}
