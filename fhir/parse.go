package fhir

import (
	"bytes"
	"math"
	"unicode/utf8"
)

// Limits bound what Parse accepts.
type Limits struct {
	// Depth is the greatest nesting of objects and arrays.
	Depth int
	// Nodes is the greatest number of values.
	Nodes int
}

// DefaultLimits suit resources and bundles up to 50 MB.
var DefaultLimits = Limits{Depth: 64, Nodes: 8 << 20}

// maxIssues is how many issues Parse collects before it stops reading.
const maxIssues = 50

// bytesPerNode is how many bytes of JSON one node takes at least, as a rule:
// it sizes the tape so that it seldom has to grow.
const bytesPerNode = 22

// Parse reads one resource in JSON. It checks, in one pass, the JSON syntax
// (RFC 8259, UTF-8), that every key is a property of its type and occurs once,
// and that every value has the JSON form of its type
// (http://hl7.org/fhir/R4/json.html). The error is an *Error of KindInvalid
// whose issues have the FHIRPath location, line and column, or of KindTooLarge
// for a limit. A syntax error is one issue of severity fatal; structural
// errors are collected, up to 50. src must not change while the tree is in use.
func Parse(schema *Schema, src []byte, limits Limits) (*Tree, error) {
	if uint64(len(src)) > math.MaxUint32-8 {
		return nil, Errorf(KindTooLarge, "the body has %d bytes; the greatest size is 4 GiB", len(src))
	}
	p := parser{src: src, schema: schema, limits: limits, kind: KindInvalid}
	if p.encoding() {
		p.nodes = make([]node, 0, len(src)/bytesPerNode+8)
		p.document()
	}
	if p.full() {
		p.issues = append(p.issues, Issue{
			Severity: SeverityInformation, Code: "incomplete",
			Diagnostics: "reading stopped here; there may be more errors",
		})
	}
	if len(p.issues) > 0 {
		return nil, &Error{Kind: p.kind, Issues: p.issues}
	}
	return &Tree{Source: src, Schema: schema, nodes: p.nodes}, nil
}

// parser is the state of one Parse. Its methods return false to stop reading,
// having recorded why.
type parser struct {
	src    []byte
	at     int // offset of the next byte
	schema *Schema
	limits Limits
	depth  int
	nodes  []node
	issues []Issue
	kind   Kind // of the error
}

// frame is one object being read.
type frame struct {
	typ      *Type
	self     uint32
	last     uint32    // the child read last, 0 for none
	item     int       // index within the array being read
	values   bitset    // elements seen by their own key
	shadows  bitset    // elements seen by their "_x" key
	resource bool      // the object is a resource
	typed    bool      // resourceType has been seen
	align    bool      // companions or nulls wait for link
	broken   bool      // an item was left out, so that link cannot count
	prop     *Property // being read
}

// maxElements is the greatest number of elements of a type; Seal enforces it.
const maxElements = 256

type bitset [maxElements / 64]uint64

// add puts i into the set and reports whether it was new.
func (b *bitset) add(i int) bool {
	word, bit := &b[uint(i)/64%uint(len(b))], uint64(1)<<(uint(i)%64)
	fresh := *word&bit == 0
	*word |= bit
	return fresh
}

// encoding checks what can be told of the bytes as a whole.
func (p *parser) encoding() bool {
	if bytes.HasPrefix(p.src, []byte("\xef\xbb\xbf")) {
		return p.syntax(0, "the JSON begins with a UTF-8 byte order mark; send it without one")
	}
	if utf8.Valid(p.src) {
		return true
	}
	at := 0
	for at < len(p.src) {
		r, size := utf8.DecodeRune(p.src[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return p.syntax(at, "byte 0x%02x is not valid UTF-8; JSON must be encoded in UTF-8", p.src[at])
}

// document reads the whole source: one resource and nothing else.
func (p *parser) document() {
	switch p.next() {
	case '{':
		t, ok := p.resourceType(nil)
		if !ok || t == nil && !p.skip() {
			return
		}
		if t != nil {
			root := node{typ: uint16(t.Index), kind: nodeObject, start: uint32(p.at)}
			p.nodes = append(p.nodes, root)
			if !p.object(0, t) {
				return
			}
		}
	default:
		start := p.at
		if !p.skip() {
			return
		}
		p.issueAt(start, "", "structure", "a resource must be an object, got %s", describe(p.src[start]))
	}
	if p.next(); p.at < len(p.src) {
		p.syntax(p.at, "unexpected %s after the end of the resource", p.found())
	}
}

// object reads the object at p.at, whose node is self, as a value of type t.
func (p *parser) object(self uint32, t *Type) bool {
	if !p.enter() {
		return false
	}
	p.at++
	f := frame{typ: t, self: self, resource: t.Kind == KindResource}
	if p.next() == '}' {
		p.issueAt(p.at-1, p.path(self), "structure", "the object is empty; leave it out, or give it a property")
	} else if !p.members(&f) {
		return false
	}
	p.at++
	p.depth--
	p.nodes[self].end = uint32(p.at)
	if f.align && !f.broken {
		p.link(&f)
	}
	return true
}

// members reads the members of an object up to its closing brace.
func (p *parser) members(f *frame) bool {
	for {
		if p.next() != '"' {
			return p.unexpected("a key in double quotes")
		}
		if !p.member(f) || p.full() {
			return false
		}
		switch p.next() {
		case ',':
			p.at++
		case '}':
			return true
		default:
			return p.unexpected(`"," or "}"`)
		}
	}
}

func (p *parser) member(f *frame) bool {
	keyAt := p.at
	key, ok := p.key()
	if !ok {
		return false
	}
	prop := f.typ.keys.find(key)
	if prop == nil || prop.Element.Max == 0 {
		return p.otherMember(f, key, keyAt)
	}
	f.prop, f.item = prop, 0
	if !f.values.add(prop.Element.Index) {
		return p.repeated(f, key, keyAt)
	}
	return p.shape(f, prop, keyAt, false)
}

// otherMember reads a member whose key is not a property's name: resourceType,
// a companion, or one that the type does not have.
func (p *parser) otherMember(f *frame, key []byte, keyAt int) bool {
	if f.resource && string(key) == "resourceType" {
		if f.typed {
			p.issueAt(keyAt, p.path(f.self), "structure", `"resourceType" occurs twice; keep one`)
		}
		f.typed = true
		return p.skip() // resourceType has judged the value
	}
	if len(key) > 1 && key[0] == '_' {
		prop := f.typ.keys.find(key[1:])
		if prop != nil && prop.Element.Max != 0 && takesCompanion(prop) {
			f.prop, f.item, f.align = prop, 0, true
			if !f.shadows.add(prop.Element.Index) {
				return p.repeated(f, key, keyAt)
			}
			return p.shape(f, prop, keyAt, true)
		}
	}
	p.unknown(f, key, keyAt)
	return p.skip()
}

// takesCompanion reports whether a "_x" key may stand beside the property:
// primitives except those that are plain strings by definition.
func takesCompanion(prop *Property) bool {
	if prop.Type.Kind != KindPrimitive || prop.JSON == "id" {
		return false
	}
	return prop.JSON != "url" || prop.Owner.Name != "Extension"
}

// shape reads the value of a property, or of its companion, as an array or as
// a single value, whichever the element asks for.
func (p *parser) shape(f *frame, prop *Property, keyAt int, companion bool) bool {
	repeats := prop.Element.Max != 1
	if p.next() != '[' {
		if repeats && !p.startsValue() {
			return p.skip() // a syntax error
		}
		if repeats {
			f.broken = true
			p.issueAt(p.at, p.itemPath(f), "structure",
				"%s may repeat; write its value in an array: [ … ]", p.keyName(prop, companion))
		}
		return p.value(f, prop, companion, 0)
	}
	if !repeats {
		f.broken = true
		p.issueAt(p.at, p.itemPath(f), "structure",
			"%s takes one value, got an array; write the value without [ ]", p.keyName(prop, companion))
		return p.skip()
	}
	return p.array(f, prop, companion)
}

func (p *parser) array(f *frame, prop *Property, companion bool) bool {
	if !p.enter() {
		return false
	}
	start := p.at
	p.at++
	if p.next() == ']' {
		p.issueAt(start, p.elementPath(f), "structure",
			"%s is an empty array; leave it out", p.keyName(prop, companion))
		p.at++
		p.depth--
		return true
	}
	for {
		if !p.value(f, prop, companion, flagArray) || p.full() {
			return false
		}
		switch p.next() {
		case ',':
			p.at++
			p.next()
			f.item++
		case ']':
			p.at++
			p.depth--
			return true
		default:
			return p.unexpected(`"," or "]"`)
		}
	}
}

// value reads one value at p.at: a property's only value or an array's item.
func (p *parser) value(f *frame, prop *Property, companion bool, flags uint8) bool {
	switch {
	case companion:
		return p.companion(f, prop, flags)
	case prop.Type.Kind == KindPrimitive:
		return p.primitive(f, prop, flags)
	case p.next() != '{':
		return p.mismatch(f, prop, false)
	case isResource(prop.Type):
		t, ok := p.resourceType(f)
		if !ok || t == nil {
			return ok && p.skip()
		}
		return p.complex(f, prop, t, flags)
	default:
		return p.complex(f, prop, prop.Type, flags)
	}
}

func (p *parser) complex(f *frame, prop *Property, t *Type, flags uint8) bool {
	self, ok := p.emit(f, node{
		prop: uint32(prop.Index), typ: uint16(t.Index), kind: nodeObject, flags: flags, start: uint32(p.at),
	})
	return ok && p.object(self, t)
}

func (p *parser) primitive(f *frame, prop *Property, flags uint8) bool {
	n := node{prop: uint32(prop.Index), typ: uint16(prop.Type.Index), flags: flags}
	var form JSONKind
	start, ok := p.at, true
	switch c := p.next(); {
	case c == '"' && prop.Type.JSON == JSONString:
		return p.str(f, n)
	case c == '"':
		return p.mismatch(f, prop, false)
	case c == '-' || '0' <= c && c <= '9':
		form, n.kind, ok = JSONNumber, nodeNumber, p.number()
	case c == 't' || c == 'f':
		form, n.kind, ok = JSONBool, nodeBool, p.word()
	case c == 'n' && flags&flagArray != 0:
		form, n.kind, ok = prop.Type.JSON, nodeNull, p.word()
		f.align = true
	default:
		return p.mismatch(f, prop, false)
	}
	if !ok {
		return false
	}
	if form != prop.Type.JSON {
		p.at = start
		return p.mismatch(f, prop, false)
	}
	n.start, n.end = uint32(start), uint32(p.at)
	_, ok = p.emit(f, n)
	return ok
}

// str reads a string into a node that is otherwise filled.
func (p *parser) str(f *frame, n node) bool {
	start, end, escaped, ok := p.text()
	if !ok {
		return false
	}
	if start == end {
		p.issueAt(start-1, p.itemPath(f), "value", "the string is empty; leave the element out")
	}
	if escaped {
		n.flags |= flagEscaped
	}
	n.kind, n.start, n.end = nodeString, uint32(start), uint32(end)
	_, ok = p.emit(f, n)
	return ok
}

// companion reads the value of a "_x" key, or one item of it.
func (p *parser) companion(f *frame, prop *Property, flags uint8) bool {
	n := node{
		prop: uint32(prop.Index), typ: uint16(prop.Type.Index),
		kind: nodeCompanion, flags: flags, start: uint32(p.at),
	}
	switch c := p.next(); {
	case c == '{':
		self, ok := p.emit(f, n)
		return ok && p.object(self, p.elementType(prop.Type))
	case c == 'n' && flags&flagArray != 0:
		if !p.word() {
			return false
		}
		n.flags |= flagLinked // stands for nothing
		n.end = uint32(p.at)
		_, ok := p.emit(f, n)
		return ok
	default:
		return p.mismatch(f, prop, true)
	}
}

// elementType is the type that says what a companion of a primitive may hold:
// Element, with id and extension and nothing else.
func (p *parser) elementType(primitive *Type) *Type {
	if t := p.schema.byName["Element"]; t != nil {
		return t
	}
	return primitive
}

// emit appends a node as the last child of the object being read.
func (p *parser) emit(f *frame, n node) (uint32, bool) {
	at := uint32(len(p.nodes))
	if len(p.nodes) >= p.limits.Nodes {
		p.kind = KindTooLarge
		p.issues = nil // the limit is the one thing to tell
		return 0, p.stop("too-long", p.at, "the JSON has more than %d values; send it in smaller parts", p.limits.Nodes)
	}
	n.parent = f.self
	p.nodes = append(p.nodes, n)
	if f.last == 0 {
		p.nodes[f.self].flags |= flagChildren
	} else {
		p.nodes[f.last].next = at
	}
	f.last = at
	return at, true
}

// enter counts one more level of nesting.
func (p *parser) enter() bool {
	p.depth++
	if p.depth > p.limits.Depth {
		return p.stop("structure", p.at, "objects and arrays are nested more than %d deep", p.limits.Depth)
	}
	return true
}
