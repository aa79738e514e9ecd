package fhir

import (
	"bytes"
	"math"
	"sort"
)

// ParseXML reads one resource in XML: http://hl7.org/fhir/R4/xml.html. It
// writes the resource as JSON and has Parse read that, so that there is one
// stored form: Source of the tree is JSON, and every text, number and div in it
// is as the XML has it. Positions that its nodes give are those in the XML.
//
// It checks, in one pass, the XML syntax (no DOCTYPE, no entities but XML's
// own, UTF-8 with or without byte order mark), the namespaces, that every
// element and attribute is one of its type and stands in the order of the
// definition, and that values have the form of their type. Comments, processing
// instructions and xsi:schemaLocation are passed over. The error is as Parse
// gives it, located in the XML. The depth limit counts as it does in JSON.
func ParseXML(schema *Schema, src []byte, limits Limits) (*Tree, error) {
	if uint64(len(src)) > math.MaxUint32-8 {
		return nil, Errorf(KindTooLarge, "the body has %d bytes; the greatest size is 4 GiB", len(src))
	}
	r := xmlReader{schema: schema, limits: limits, kind: KindInvalid}
	r.scan.src = src
	r.out = make([]byte, 0, len(src))
	r.document()
	if r.full() {
		r.issues = append(r.issues, Issue{
			Severity: SeverityInformation, Code: "incomplete",
			Diagnostics: "reading stopped here; there may be more errors",
		})
	}
	if len(r.issues) > 0 {
		return nil, &Error{Kind: r.kind, Issues: r.issues}
	}
	origin := &xmlOrigin{src, r.marks}
	tree, err := Parse(schema, r.out, limits)
	if err != nil {
		return nil, origin.relocate(err)
	}
	tree.origin = origin
	return tree, nil
}

// xmlOrigin is the XML that a tree was read from.
type xmlOrigin struct {
	src   []byte
	marks []xmlMark // in the order of the JSON
}

// xmlMark says that the value at an offset of the JSON comes from one of the XML.
type xmlMark struct{ json, xml uint32 }

// position is the line and column, from 1, in the XML of what stands at an
// offset of the JSON.
func (o *xmlOrigin) position(offset int) (line, column int) {
	i := sort.Search(len(o.marks), func(i int) bool { return int(o.marks[i].json) > offset })
	if i == 0 {
		return 1, 1
	}
	return position(o.src, int(o.marks[i-1].xml))
}

// xmlReader is the state of one ParseXML. Its methods return false to stop
// reading, having recorded why.
type xmlReader struct {
	scan   xmlScanner
	schema *Schema
	limits Limits
	depth  int // of the JSON
	out    []byte
	marks  []xmlMark
	steps  []xmlStep
	issues []Issue
	kind   Kind // of the error
}

// xmlStep is one step of the location being read; the first has a type, the
// others an element.
type xmlStep struct {
	typ     *Type
	element *Element
	item    int
}

// xmlFrame is one object being read. The values of one property form a run,
// which is an array in JSON where the element may repeat.
type xmlFrame struct {
	typ    *Type
	prop   *Property // of the run, nil before the first
	last   int       // the greatest index of an element so far
	item   int       // within the run
	wrote  bool      // a member has been written
	values bool      // the run, of a primitive that may repeat, has a value
	begin  xmlPlace  // of the run
	aside  xmlAside
}

// xmlPlace is a place in what has been written, to go back to.
type xmlPlace struct {
	out, marks int
	wrote      bool
}

// xmlAside holds the "_x" array of a run until the array of values is written.
type xmlAside struct {
	out   []byte
	marks []xmlMark
	nulls int // that are due before the next companion
}

func (r *xmlReader) here(f *xmlFrame) xmlPlace {
	return xmlPlace{len(r.out), len(r.marks), f.wrote}
}

func (r *xmlReader) back(f *xmlFrame, to xmlPlace) {
	r.out, r.marks, f.wrote = r.out[:to.out], r.marks[:to.marks], to.wrote
}

// mark records where the value to be written next comes from.
func (r *xmlReader) mark(at int) {
	r.marks = append(r.marks, xmlMark{uint32(len(r.out)), uint32(at)})
}

// key begins a member.
func (r *xmlReader) key(f *xmlFrame, lead, name string) {
	if f.wrote {
		r.out = append(r.out, ',')
	}
	f.wrote = true
	r.out = append(r.out, '"')
	r.out = append(r.out, lead...)
	r.out = append(r.out, name...)
	r.out = append(r.out, `":`...)
}

// document reads the whole source: one resource and nothing else.
func (r *xmlReader) document() {
	s := &r.scan
	if !s.begin() {
		r.syntax()
		return
	}
	if s.next() != xmlStart {
		r.syntax()
		return
	}
	t := r.resourceTag()
	ok := false
	if t == nil {
		ok = r.skip()
	} else {
		r.steps = append(r.steps, xmlStep{typ: t})
		ok = r.object(t)
	}
	if ok && s.next() != xmlDone {
		r.syntax()
	}
}

// resourceTag is the type of the resource whose start tag was taken last; nil
// where it is not one, which is recorded.
func (r *xmlReader) resourceTag() *Type {
	tag := &r.scan.tag
	t := r.schema.Resource(string(r.scan.local(tag.name)))
	if t != nil && tag.space == fhirSpace {
		return t
	}
	name := string(r.scan.local(tag.name))
	if tag.space != fhirSpace {
		r.issue(tag.start, "structure", `<%s> is in %s; write <%s xmlns="%s">`, name, spaceName(tag.space), name, fhirSpace)
		return nil
	}
	guess := Nearest(name, (&parser{schema: r.schema}).resourceNames())
	r.issue(tag.start, "value", "<%s> is not a resource type of FHIR %s%s", name, r.schema.Release, didYouMean(guess))
	return nil
}

// object reads the element whose start tag was taken last as a value of type t.
func (r *xmlReader) object(t *Type) bool {
	start := r.scan.tag.start
	if !r.enter(start) {
		return false
	}
	f := xmlFrame{typ: t}
	r.mark(start)
	r.out = append(r.out, '{')
	if t.Kind == KindResource {
		r.key(&f, "", "resourceType")
		r.out = AppendString(r.out, t.Name)
	}
	issues := len(r.issues)
	r.attributes(&f)
	if !r.content(&f) {
		return false
	}
	if !f.wrote && len(r.issues) == issues {
		r.issue(start, "structure", "the element is empty; leave it out, or give it content")
	}
	r.out = append(r.out, '}')
	r.depth--
	return true
}

// content reads what stands in an element up to its end tag.
func (r *xmlReader) content(f *xmlFrame) bool {
	for {
		switch r.scan.next() {
		case xmlStart:
			if !r.child(f) || r.full() {
				return false
			}
		case xmlEnd:
			r.endRun(f)
			return true
		case xmlText:
			r.strayText()
		default:
			return r.syntax()
		}
	}
}

// child reads the element whose start tag was taken last as one of f.
func (r *xmlReader) child(f *xmlFrame) bool {
	prop := r.property(f)
	if prop == nil {
		return r.skip()
	}
	if len(r.marks) > r.limits.Nodes {
		return r.tooMany()
	}
	again := prop == f.prop
	if !again {
		r.endRun(f)
		r.order(f, prop)
		f.prop, f.item, f.begin = prop, 0, r.here(f)
	}
	repeats := prop.Element.Max != 1
	if again && !repeats {
		r.issueAbout(prop.Element, "<%s> occurs twice; keep one", prop.JSON)
	}
	if repeats && !r.enter(r.scan.tag.start) {
		return false
	}
	r.steps = append(r.steps, xmlStep{element: prop.Element, item: f.item})
	ok := r.value(f, repeats)
	r.steps = r.steps[:len(r.steps)-1]
	f.item++
	if repeats {
		r.depth--
	}
	return ok
}

// property is what the start tag taken last stands for; nil where that is
// unknown, which is recorded.
func (r *xmlReader) property(f *xmlFrame) *Property {
	tag := &r.scan.tag
	name := r.scan.local(tag.name)
	prop := f.typ.keys.find(name)
	switch {
	case prop == nil || prop.Element.Max == 0 || isXMLAttribute(prop):
		r.unknown(f, string(name))
		return nil
	case isXHTML(prop.Type):
		return prop
	case tag.space != fhirSpace:
		r.issueAbout(prop.Element, "<%s> is in %s; the elements of a resource are in %s",
			r.scan.full(tag.name), spaceName(tag.space), fhirSpace)
		return nil
	}
	return prop
}

// isXMLAttribute reports whether XML writes a property as an attribute: the id
// of elements, but not of resources, and the url of extensions.
func isXMLAttribute(p *Property) bool {
	switch p.Element.Name {
	case "id":
		return !isResource(p.Owner)
	case "url":
		return p.Owner.Name == "Extension"
	}
	return false
}

func isXHTML(t *Type) bool { return t.Kind == KindPrimitive && t.Name == "xhtml" }

// order checks that a run may follow those before it.
func (r *xmlReader) order(f *xmlFrame, prop *Property) {
	index := prop.Element.Index
	switch {
	case f.prop == nil || index > f.last:
		f.last = index
	case f.prop.Element == prop.Element:
		r.issueAbout(prop.Element, "<%s> and <%s> are both forms of %s[x]; keep one",
			f.prop.JSON, prop.JSON, prop.Element.Name)
	default:
		r.issueAbout(prop.Element, "<%s> must stand before <%s>", prop.JSON, formName(f.typ.Elements[f.last]))
	}
}

// value reads the element whose start tag was taken last as a value of the run.
func (r *xmlReader) value(f *xmlFrame, repeats bool) bool {
	t := f.prop.Type
	switch {
	case isXHTML(t):
		r.key(f, "", f.prop.JSON)
		return r.div()
	case t.Kind == KindPrimitive && repeats:
		return r.item(f)
	case t.Kind == KindPrimitive:
		return r.primitive(f)
	}
	switch {
	case !repeats:
		r.key(f, "", f.prop.JSON)
	case f.item == 0:
		r.key(f, "", f.prop.JSON)
		r.out = append(r.out, '[')
	default:
		r.out = append(r.out, ',')
	}
	if isResource(t) {
		return r.wrapped()
	}
	return r.object(t)
}

// wrapped reads the resource inside an element such as contained.
func (r *xmlReader) wrapped() bool {
	start := r.scan.tag.start
	r.noAttributes()
	count := 0
	for {
		switch r.scan.next() {
		case xmlStart:
			count++
			ok := false
			if count > 1 {
				r.issue(r.scan.tag.start, "structure", "a second resource stands here; keep one")
				ok = r.skip()
			} else if t := r.resourceTag(); t != nil {
				ok = r.object(t)
			} else {
				ok = r.skip()
			}
			if !ok {
				return false
			}
		case xmlEnd:
			if count == 0 {
				r.issue(start, "structure", "the element holds no resource; leave it out, or write one inside, such as <Patient>")
			}
			return true
		case xmlText:
			r.strayText()
		default:
			return r.syntax()
		}
	}
}

// endRun writes what ends an array.
func (r *xmlReader) endRun(f *xmlFrame) {
	if f.prop == nil || f.prop.Element.Max == 1 {
		return
	}
	if f.prop.Type.Kind == KindPrimitive && !f.values {
		r.back(f, f.begin)
	} else {
		r.out = append(r.out, ']')
	}
	r.endAside(f)
	f.values = false
}

// div reads a narrative's div, whose start tag was taken last: its text, as it
// stands in the source, is the value.
func (r *xmlReader) div() bool {
	s := &r.scan
	tag := s.tag
	r.mark(tag.start)
	if tag.space != xhtmlSpace || tag.name.colon > tag.name.start {
		r.issue(tag.start, "structure", `<%s> is in %s; write <div xmlns="%s">, without a prefix`,
			s.full(tag.name), spaceName(tag.space), xhtmlSpace)
		return r.skip()
	}
	declared := tag.declaresDefault()
	for s.floor = len(s.spaces); s.floor > 0 && s.spaces[s.floor-1].depth == len(s.open); {
		s.floor--
	}
	for _, a := range tag.attrs {
		if a.space != xmlnsSpace && a.name.colon > a.name.start {
			s.resolve(a.name)
		}
	}
	if !r.skip() {
		return false
	}
	s.floor = 0
	text := s.src[tag.start:s.at]
	if !declared {
		text = append([]byte(`<div xmlns="`+xhtmlSpace+`"`), bytes.TrimPrefix(text, []byte("<div"))...)
	}
	r.out = AppendString(r.out, string(text))
	return true
}
