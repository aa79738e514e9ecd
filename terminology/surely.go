package terminology

// Surely are codes that are in the value set whatever else is known: those that
// it lists itself, and all of R4's own code systems that it names, limit at
// most, by system and code; nil where there are none. Other codes may be in it
// too: checks of many values look here first.
func (v *ValueSet) Surely(limit int) map[[2]string]struct{} {
	codes := map[[2]string]struct{}{}
	v.surely(codes, limit, 0)
	if len(codes) == 0 || len(codes) > limit {
		return nil
	}
	return codes
}

// surely adds the codes: none of a value set that leaves some out, or that came
// with an expansion, which may take the place of what it is made of.
func (v *ValueSet) surely(codes map[[2]string]struct{}, limit, depth int) {
	if len(v.exclude) > 0 || len(v.stored) > 0 || len(v.supplements) > 0 || depth > maxNesting {
		return
	}
	for _, e := range v.listed {
		codes[[2]string{e.System, e.Code}] = struct{}{}
	}
	for i := range v.include {
		if len(codes) <= limit {
			v.surelyOf(&v.include[i], codes, limit, depth)
		}
	}
}

func (v *ValueSet) surelyOf(c *clause, codes map[[2]string]struct{}, limit, depth int) {
	switch {
	case c.system == "" && len(c.sets) == 1:
		if other, err := v.service.ValueSet(c.sets[0]); err == nil {
			other.surely(codes, limit, depth+1)
		}
	case c.system == "" || len(c.sets) > 0 || len(c.filters) > 0:
	case len(c.concepts) > 0:
		for _, e := range c.concepts {
			codes[[2]string{c.system, e.Code}] = struct{}{}
		}
	default:
		system, err := ownSystem(Canonical(c.system, c.version))
		if err != nil || system == nil || !system.Complete() || system.concepts == nil || system.concepts.Len() > limit {
			return
		}
		for at := range system.concepts.Len() {
			codes[[2]string{c.system, system.codeAt(at)}] = struct{}{}
		}
	}
}
