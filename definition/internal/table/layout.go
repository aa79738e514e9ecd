package table

// This file is the layout: one function per record, run to write and to read.

func (c *coder) table(t *Table) {
	c.str(&t.Release)
	c.source(&t.Package)
	c.source(&t.Expansions)
	list(c, &t.Constraints, c.constraint)
	list(c, &t.ConstraintLists, func(l *[]int) { list(c, l, c.num) })
	list(c, &t.TargetLists, c.texts)
	list(c, &t.Bindings, c.binding)
	list(c, &t.Types, c.typ)
	list(c, &t.Params, c.param)
	list(c, &t.Compartments, c.compartment)
	list(c, &t.Operations, c.operation)
	list(c, &t.ValueSets, c.valueSet)
	list(c, &t.CodeSystems, c.codeSystem)
	c.num(&t.Definitions)
}

func (c *coder) source(s *Source) { c.str(&s.Name, &s.Version, &s.SHA256) }

func (c *coder) constraint(x *Constraint) {
	c.str(&x.Key, &x.Human, &x.Expression)
	c.flags(&x.Error)
}

func (c *coder) binding(b *Binding) {
	c.num(&b.Strength)
	c.str(&b.ValueSet)
}

func (c *coder) typ(t *Type) {
	c.str(&t.Name, &t.Base)
	c.num(&t.Kind)
	c.num(&t.JSON)
	c.num(&t.Constraints)
	list(c, &t.Elements, c.element)
}

func (c *coder) element(e *Element) {
	c.str(&e.Name, &e.Path)
	c.num(&e.Min)
	c.num(&e.Max)
	c.flags(&e.Choice, &e.Summary, &e.Modifier)
	list(c, &e.Types, c.typeRef)
	c.num(&e.Binding)
	c.num(&e.Constraints)
	c.num(&e.MaxLength)
	c.str(&e.Fixed, &e.Pattern)
}

func (c *coder) typeRef(r *TypeRef) {
	c.str(&r.Type, &r.JSON)
	c.num(&r.Targets)
}

func (c *coder) param(p *Param) {
	c.str(&p.Code, &p.Base, &p.URL)
	c.num(&p.Type)
	c.str(&p.Expression)
	c.num(&p.Targets)
	list(c, &p.Components, func(part *Component) {
		c.num(&part.Param)
		c.str(&part.Expression)
	})
	c.str(&p.Description)
}

func (c *coder) compartment(x *Compartment) {
	c.str(&x.Code)
	list(c, &x.Members, func(m *Member) {
		c.str(&m.Type)
		c.texts(&m.Params)
	})
}

func (c *coder) operation(o *Operation) {
	c.str(&o.Code, &o.URL)
	c.flags(&o.System, &o.Type, &o.Instance, &o.AffectsState)
	c.texts(&o.Resource)
}

func (c *coder) valueSet(v *ValueSet) {
	c.str(&v.URL)
	list(c, &v.Systems, func(s *System) {
		c.str(&s.URL)
		c.texts(&s.Codes)
	})
	c.texts(&v.Open)
}

func (c *coder) codeSystem(s *CodeSystem) {
	c.str(&s.URL)
	c.flags(&s.CaseSensitive, &s.Complete)
	list(c, &s.Concepts, func(x *Concept) {
		c.str(&x.Code)
		list(c, &x.Parents, c.num)
	})
}
