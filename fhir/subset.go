package fhir

import (
	"bytes"
	"errors"
)

// Keep says how much of an element stays in a subset of a resource.
type Keep uint8

// How much stays.
const (
	KeepNone  Keep = iota
	KeepParts      // of a complex value what Keep says of its elements; a primitive value
	KeepWhole      // all of it, with extensions
)

// SubsettedSystem is the system of the code SUBSETTED, which marks a resource
// that is not whole. http://hl7.org/fhir/R4/search.html#summary
const SubsettedSystem = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"

const subsettedTag = `{"system":"` + SubsettedSystem + `","code":"SUBSETTED"}`

var errNoSubset = errors.New("fhir: a subset was asked of what is no resource")

// AppendSubset appends a part of a resource to dst: the elements that keep
// lets stay, and resourceType, id and meta, with the tag SUBSETTED in it. src
// is a resource of type t that Parse has accepted. Values that stay whole keep
// their bytes.
//
// Of a value kept in parts, extensions stay where there is nothing else: they
// say why. A value of which nothing stays goes, unless its element is
// mandatory. Resources inside the resource stay whole or go.
func AppendSubset(dst, src []byte, t *Type, keep func(*Element) Keep) ([]byte, error) {
	s := subsetter{parser: parser{src: src, limits: Limits{Depth: len(src)}}, out: dst, keep: keep}
	if s.next() != '{' {
		return dst, errNoSubset
	}
	s.object(t, true)
	if s.broken {
		return dst, errNoSubset
	}
	return s.out, nil
}

// A subsetter copies from the parser's source to out.
type subsetter struct {
	parser
	out    []byte
	keep   func(*Element) Keep
	broken bool // the source is not what Parse accepts
}

// A partial is one object being copied in part.
type partial struct {
	typ      *Type
	root     bool
	from, at int // where its copy and the member being copied begin, in out
	kept     int // members copied
	bare     bool
	tagged   bool // of the root: meta was there
	values   bitset
	nulls    bitset // of values: lists with a null in them
	shadows  []shadow
}

// A shadow is a "_x" member that waits for its "x".
type shadow struct {
	element    int
	start, end int
}

// object copies the object at s.at in part and reports whether anything is
// left of it.
func (s *subsetter) object(t *Type, root bool) bool {
	p := partial{typ: t, root: root, from: len(s.out), bare: true}
	start := s.at
	s.out = append(s.out, '{')
	s.at++
	for s.next() == '"' {
		s.subsetMember(&p)
		if s.broken {
			return false
		}
		if s.next() != ',' {
			break
		}
		s.at++
	}
	if s.next() != '}' {
		s.broken = true
		return false
	}
	s.at++
	s.lone(&p)
	if root && !p.tagged {
		s.begin(&p)
		s.out = append(s.out, `"meta":{"tag":[`+subsettedTag+`]}`...)
	}
	switch {
	case p.kept > 0:
		s.out = append(s.out, '}')
	case p.bare:
		s.out = append(s.out[:p.from], s.src[start:s.at]...)
	default:
		s.out = s.out[:p.from]
		return false
	}
	return true
}

// begin makes room for a member of an object's copy.
func (s *subsetter) begin(p *partial) {
	p.at = len(s.out)
	if p.kept > 0 {
		s.out = append(s.out, ',')
	}
	p.kept++
}

// undo takes back the member that begin began.
func (s *subsetter) undo(p *partial) {
	s.out = s.out[:p.at]
	p.kept--
}

// subsetMember copies or skips the member at s.at.
func (s *subsetter) subsetMember(p *partial) {
	start := s.at
	key, ok := s.key()
	if !ok {
		s.broken = true
		return
	}
	if p.root && always(key) {
		s.begin(p)
		s.out = append(s.out, s.src[start:s.at]...)
		if string(key) == "meta" {
			p.tagged = true
			s.meta()
			return
		}
		s.copy()
		return
	}
	key, companion := bytes.CutPrefix(key, []byte("_"))
	prop := p.typ.Property(key)
	if prop == nil {
		s.broken = true
		return
	}
	p.bare = p.bare && isExtra(prop.Element)
	s.element(p, prop, companion, start)
}

// always reports whether a member of the resource stays in every subset.
func always(key []byte) bool {
	switch string(key) {
	case "resourceType", "id", "meta":
		return true
	}
	return false
}

// isExtra reports whether an element is one that every element may have.
func isExtra(e *Element) bool { return e.Name == "id" || e.Name == "extension" }

// element copies what stays of a member whose value is at s.at.
func (s *subsetter) element(p *partial, prop *Property, companion bool, start int) {
	keep := s.keep(prop.Element)
	switch value := s.at; {
	case keep == KeepNone:
		s.pass()
	case keep == KeepWhole || indivisible(prop.Type) && !companion:
		s.begin(p)
		s.out = append(s.out, s.src[start:value]...)
		s.copy()
		p.values.add(prop.Element.Index)
		if !s.broken && s.src[value] == '[' && bytes.Contains(s.src[value:s.at], []byte("null")) {
			p.nulls.add(prop.Element.Index)
		}
	case companion:
		s.pass()
		p.shadows = append(p.shadows, shadow{prop.Element.Index, start, s.at})
	default:
		s.begin(p)
		s.out = append(s.out, s.src[start:value]...)
		if !s.parts(prop) {
			s.undo(p)
		}
	}
}

// indivisible reports whether values of a type stay whole or go.
func indivisible(t *Type) bool {
	return t.Kind == KindPrimitive || isResource(t) || t.Name == "Extension"
}

// lone copies the "_x" members that stand for a value, alone or within a list.
func (s *subsetter) lone(p *partial) {
	for _, sh := range p.shadows {
		if !p.values.has(sh.element) || p.nulls.has(sh.element) {
			s.begin(p)
			s.out = append(s.out, s.src[sh.start:sh.end]...)
		}
	}
}

// parts copies the complex value at s.at, or the list of them, in part, and
// reports whether anything is left.
func (s *subsetter) parts(prop *Property) bool {
	if s.peek() != '[' {
		return s.item(prop)
	}
	s.out = append(s.out, '[')
	s.at++
	left := false
	for s.next() == '{' {
		from := len(s.out)
		if left {
			s.out = append(s.out, ',')
		}
		if s.item(prop) {
			left = true
		} else {
			s.out = s.out[:from]
		}
		if s.broken || s.next() != ',' {
			break
		}
		s.at++
	}
	if s.next() != ']' {
		s.broken = true
	}
	s.at++
	s.out = append(s.out, ']')
	return left
}

func (s *subsetter) item(prop *Property) bool {
	if s.peek() != '{' {
		s.broken = true
		return false
	}
	start := s.at
	if s.object(prop.Type, false) {
		return true
	}
	if prop.Element.Min == 0 || s.broken {
		return false
	}
	s.out = append(s.out, s.src[start:s.at]...)
	return true
}

// copy copies the value at s.at.
func (s *subsetter) copy() {
	start := s.at
	s.pass()
	s.out = append(s.out, s.src[start:s.at]...)
}

// pass skips the value at s.at. It need not check what Parse has accepted: of
// an object or array it looks for the end only.
func (s *subsetter) pass() {
	if c := s.next(); c != '{' && c != '[' {
		s.broken = !s.skip() || s.broken
		return
	}
	for depth := 0; s.at < len(s.src); {
		switch c := s.src[s.at]; c {
		case '"':
			if _, _, _, ok := s.text(); !ok {
				s.broken = true
				return
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at++
				return
			}
		case ' ', '\n':
			s.space()
			continue
		}
		s.at++
	}
	s.broken = true
}

// meta copies the resource's meta, which is at s.at, with SUBSETTED among its
// tags.
func (s *subsetter) meta() {
	start, tags, lead := s.at, 0, ""
	if s.peek() != '{' {
		s.broken = true
		return
	}
	s.at++
	for s.next() == '"' {
		key, ok := s.key()
		s.broken = s.broken || !ok
		if s.pass(); s.broken {
			return
		}
		if lead = ","; string(key) == "tag" {
			tags = s.at - 1 // before the end of a list that is not empty
		}
		if s.next() != ',' {
			break
		}
		s.at++
	}
	end := s.at
	if s.next() != '}' {
		s.broken = true
		return
	}
	s.at++
	switch meta := s.src[start:s.at]; {
	case bytes.Contains(meta, []byte(`"SUBSETTED"`)) && bytes.Contains(meta, []byte(SubsettedSystem)):
		s.out = append(s.out, meta...)
	case tags > 0:
		s.out = append(s.out, s.src[start:tags]...)
		s.out = append(s.out, ","+subsettedTag...)
		s.out = append(s.out, s.src[tags:s.at]...)
	default:
		s.out = append(s.out, s.src[start:end]...)
		s.out = append(s.out, lead...)
		s.out = append(s.out, `"tag":[`+subsettedTag+`]}`...)
	}
}
