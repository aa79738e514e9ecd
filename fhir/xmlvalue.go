package fhir

// primitive reads the element whose start tag was taken last as the only value
// of its element.
func (r *xmlReader) primitive(f *xmlFrame) bool {
	start, issues := r.scan.tag.start, len(r.issues)
	value, id := r.primitiveTag()
	if value != nil {
		r.key(f, "", f.prop.JSON)
		r.mark(start)
		r.text(f.prop.Type, *value)
	}
	before := r.here(f)
	r.key(f, "_", f.prop.JSON)
	some, ok := r.companion(f.prop, id, start)
	if !some {
		r.back(f, before)
	}
	r.needed(value != nil || some || len(r.issues) > issues, start)
	return ok
}

// item reads the element whose start tag was taken last as one value of a run.
func (r *xmlReader) item(f *xmlFrame) bool {
	start, issues := r.scan.tag.start, len(r.issues)
	value, id := r.primitiveTag()
	if f.item == 0 {
		r.key(f, "", f.prop.JSON)
		r.out = append(r.out, '[')
	} else {
		r.out = append(r.out, ',')
	}
	r.mark(start)
	if value != nil {
		f.values = true
		r.text(f.prop.Type, *value)
	} else {
		r.out = append(r.out, "null"...)
	}
	before := r.here(f)
	some, ok := r.companion(f.prop, id, start)
	if ok && some {
		f.aside.add(r.out[before.out:], r.marks[before.marks:], before.out)
	} else {
		f.aside.nulls++
	}
	r.back(f, before)
	r.needed(value != nil || some || len(r.issues) > issues, start)
	return ok
}

// needed records a primitive that has nothing.
func (r *xmlReader) needed(something bool, start int) {
	if !something {
		r.issue(start, "structure", `the element has neither a value nor an extension; add value="…", or leave it out`)
	}
}

// primitiveTag finds the value and the id in the start tag taken last. They
// point into the tag, which changes with the next one.
func (r *xmlReader) primitiveTag() (value, id *xmlAttr) {
	s := &r.scan
	for i := range s.tag.attrs {
		a := &s.tag.attrs[i]
		switch name := s.full(a.name); {
		case a.space == xmlnsSpace:
		case string(name) == "value":
			value = a
		case string(name) == "id":
			id = a
		default:
			r.issue(a.name.start, "structure", "a primitive has no attribute %q; it takes value and id", name)
		}
	}
	return value, id
}

// text writes a primitive's value as JSON.
func (r *xmlReader) text(t *Type, a xmlAttr) {
	s := &r.scan
	if a.start == a.end {
		r.issue(a.name.start, "value", "%s is empty; leave the attribute out", s.full(a.name))
		return
	}
	if t.JSON == JSONString {
		r.out = s.appendValue(r.out, a)
		return
	}
	value := s.value(a)
	if t.JSON == JSONBool {
		if value != "true" && value != "false" {
			r.issue(a.name.start, "value", "%s is not a %s: write true or false", quoteText(value), t.Name)
		}
	} else if _, _, _, ok := splitDecimal(value); !ok {
		r.issue(a.name.start, "value", "%s is not a number (%s): write digits, such as -1.50", quoteText(value), t.Name)
	}
	r.out = append(r.out, value...)
}

// companion reads the id and the content of a primitive as the object of its
// "_x" key; some is false where there is neither.
func (r *xmlReader) companion(prop *Property, id *xmlAttr, start int) (some, ok bool) {
	r.depth++ // checked below: most primitives have no companion
	t := (&parser{schema: r.schema}).elementType(prop.Type)
	f := xmlFrame{typ: t}
	r.mark(start)
	r.out = append(r.out, '{')
	if id != nil {
		r.attribute(&f, *id)
	}
	if !r.content(&f) {
		return false, false
	}
	r.out = append(r.out, '}')
	r.depth--
	if f.wrote && r.depth >= r.limits.Depth {
		return false, r.enter(start)
	}
	if f.wrote && !takesCompanion(prop) {
		r.issue(start, "structure", "<%s> takes a value alone, without id attribute and extensions", prop.JSON)
	}
	return f.wrote, true
}

// add keeps a companion that was written at an offset.
func (a *xmlAside) add(out []byte, marks []xmlMark, at int) {
	a.fill()
	if len(a.out) > 0 {
		a.out = append(a.out, ',')
	}
	for _, m := range marks {
		a.marks = append(a.marks, xmlMark{m.json - uint32(at) + uint32(len(a.out)), m.xml})
	}
	a.out = append(a.out, out...)
}

// fill writes the nulls that are due.
func (a *xmlAside) fill() {
	for ; a.nulls > 0; a.nulls-- {
		if len(a.out) > 0 {
			a.out = append(a.out, ',')
		}
		a.out = append(a.out, "null"...)
	}
}

// endAside writes the "_x" array of the run that ends, if there is one.
func (r *xmlReader) endAside(f *xmlFrame) {
	a := &f.aside
	if len(a.out) > 0 {
		a.fill()
		r.key(f, "_", f.prop.JSON)
		r.out = append(r.out, '[')
		for _, m := range a.marks {
			r.marks = append(r.marks, xmlMark{m.json + uint32(len(r.out)), m.xml})
		}
		r.out = append(r.out, a.out...)
		r.out = append(r.out, ']')
	}
	f.aside = xmlAside{}
}

// attributes reads those of the start tag taken last, which is not a
// primitive's.
func (r *xmlReader) attributes(f *xmlFrame) {
	s := &r.scan
	for _, a := range s.tag.attrs {
		if a.space == xmlnsSpace || a.space == xsiSpace && f.typ.Kind == KindResource {
			continue
		}
		prop := f.typ.keys.find(s.full(a.name))
		if prop == nil || prop.Element.Max == 0 || !isXMLAttribute(prop) {
			r.unknownAttribute(f, string(s.full(a.name)), a)
			continue
		}
		r.attribute(f, a)
	}
}

// attribute writes an attribute as a member.
func (r *xmlReader) attribute(f *xmlFrame, a xmlAttr) {
	prop := f.typ.keys.find(r.scan.full(a.name))
	if prop == nil {
		return // a schema whose Element has no id
	}
	r.key(f, "", prop.JSON)
	r.mark(a.name.start)
	r.steps = append(r.steps, xmlStep{element: prop.Element})
	r.text(prop.Type, a)
	r.steps = r.steps[:len(r.steps)-1]
}

// noAttributes checks that the start tag taken last has none.
func (r *xmlReader) noAttributes() {
	for _, a := range r.scan.tag.attrs {
		if a.space != xmlnsSpace {
			r.issue(a.name.start, "structure", "attribute %q cannot stand here; the element holds a resource and nothing else", r.scan.full(a.name))
		}
	}
}
