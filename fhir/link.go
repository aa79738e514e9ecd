package fhir

// link joins the values of an object that has been read with their "_x"
// companions and checks that the two sides fit. A null in an array of values
// has a node, which stands for the primitive without a value; a null in an
// array of companions has one that stands for nothing.
// http://hl7.org/fhir/R4/json.html#primitive
func (p *parser) link(f *frame) {
	var values, companions [maxElements]uint32 // first node per element
	if p.nodes[f.self].flags&flagChildren == 0 {
		return
	}
	for at := f.self + 1; at != 0; at = p.nodes[at].next {
		n := &p.nodes[at]
		e := p.schema.Properties[n.prop].Element.Index
		side := &values
		if n.kind == nodeCompanion {
			side = &companions
		}
		if side[e] == 0 {
			side[e] = at
		}
	}
	for _, e := range f.typ.Elements {
		v, c := values[e.Index], companions[e.Index]
		switch {
		case v == 0 && c == 0:
		case v == 0:
			p.lonely(c, nodeCompanion)
		case c == 0:
			p.lonely(v, nodeNull)
		case p.nodes[v].prop != p.nodes[c].prop:
			p.otherForm(v, c)
		default:
			p.pair(v, c)
		}
	}
}

// following is the next item of the array that the node at belongs to, 0 at
// its end.
func (p *parser) following(at uint32) uint32 {
	n := &p.nodes[at]
	next := n.next
	if next == 0 {
		return 0
	}
	m := &p.nodes[next]
	if m.prop != n.prop || (m.kind == nodeCompanion) != (n.kind == nodeCompanion) {
		return 0
	}
	return next
}

// isNull reports whether a node is a null that fills up an array.
func (p *parser) isNull(at uint32) bool {
	n := &p.nodes[at]
	return n.kind == nodeNull || n.kind == nodeCompanion && p.src[n.start] == 'n'
}

// lonely checks an array that has no array beside it: it may not hold nulls.
func (p *parser) lonely(at uint32, kind nodeKind) {
	for ; at != 0; at = p.following(at) {
		if !p.isNull(at) {
			continue
		}
		name := p.schema.Properties[p.nodes[at].prop].JSON
		missing, here := `"_`+name+`"`, `"`+name+`"`
		if kind == nodeCompanion {
			missing, here = here, missing
		}
		p.issueAt(int(p.nodes[at].start), p.path(at), "structure",
			"null in %s needs a counterpart in %s; add it, or leave the null out", here, missing)
		return
	}
}

func (p *parser) otherForm(v, c uint32) {
	value, companion := p.schema.Properties[p.nodes[v].prop], p.schema.Properties[p.nodes[c].prop]
	p.issueAt(int(p.nodes[c].start), p.path(v), "structure",
		`"_%s" cannot stand beside "%s": both are forms of %s[x]; keep one`,
		companion.JSON, value.JSON, value.Element.Name)
}

// pair links values and companions one by one.
func (p *parser) pair(v, c uint32) {
	name := p.schema.Properties[p.nodes[v].prop].JSON
	firstCompanion := c
	for v != 0 && c != 0 {
		switch {
		case !p.isNull(c):
			p.join(v, c)
		case p.isNull(v):
			p.issueAt(int(p.nodes[v].start), p.path(v), "structure",
				`an item is null in both "%s" and "_%s"; leave it out of both`, name, name)
		}
		v, c = p.following(v), p.following(c)
	}
	if v != 0 || c != 0 {
		p.issueAt(int(p.nodes[firstCompanion].start), p.path(firstCompanion), "structure",
			`"%s" and "_%s" must have the same number of items; fill up with null`, name, name)
	}
}

// join makes a companion's children those of the value.
func (p *parser) join(v, c uint32) {
	p.nodes[v].ext = c
	p.nodes[c].flags |= flagLinked
	if p.nodes[c].flags&flagChildren == 0 {
		return
	}
	for at := c + 1; at != 0; at = p.nodes[at].next {
		p.nodes[at].parent = v
	}
}
