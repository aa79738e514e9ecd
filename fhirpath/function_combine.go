package fhirpath

// combineFunctions are those of http://hl7.org/fhirpath/N1/#combining and the
// set functions of http://hl7.org/fhirpath/N1/#subsetting.
func combineFunctions() map[string]signature {
	return map[string]signature{
		"union": {1, 1, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
			other, types, err := c.compile(s.args[0])
			if err != nil {
				return nil, nil, err
			}
			return newUnion(s.input, other), s.types.or(types), nil
		}},
		"combine": values(1, 1, func(m *machine, in []Item, args arguments) error {
			m.stack = append(append(m.stack, in...), args[0]...)
			return nil
		}),
		"intersect": sameTypes(1, 1, func(m *machine, in []Item, args arguments) error {
			has := lookup(args[0])
			for _, item := range distinct(in) {
				if has(item) {
					m.push(item)
				}
			}
			return m.spend(len(args[0]))
		}),
		"exclude": sameTypes(1, 1, func(m *machine, in []Item, args arguments) error {
			has := lookup(args[0])
			for _, item := range in {
				if !has(item) {
					m.push(item)
				}
			}
			return m.spend(len(args[0]))
		}),
	}
}
