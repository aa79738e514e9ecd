package search

// Keys are the Param.Key of the parameters that With adds for c, one for each
// of its bases.
func (c Custom) Keys() []string {
	keys := make([]string, len(c.Def.Bases))
	for i, base := range c.Def.Bases {
		p := Param{Def: c.Def, Type: base, Code: c.Def.Code, generation: c.Generation}
		keys[i] = p.Key()
	}
	return keys
}
