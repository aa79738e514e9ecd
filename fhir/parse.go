package fhir

import (
	"bytes"
	"math"
	"slices"
	"sync"
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
const bytesPerNode = 24

// Parse reads one resource in JSON. It checks, in one pass, the JSON syntax
// (RFC 8259, UTF-8), that every key is a property of its type and occurs once,
// and that every value has the JSON form of its type
// (http://hl7.org/fhir/R4/json.html). The error is an *Error of KindInvalid
// whose issues have the FHIRPath location, line and column, too deep nesting
// among them, or of KindTooLarge where there are too many values.
// A syntax error is one issue of severity fatal; structural
// errors are collected, up to 50. src must not change while the tree is in use.
func Parse(schema *Schema, src []byte, limits Limits) (*Tree, error) {
	nodes, err := parse(schema, src, limits, nil)
	if err != nil {
		return nil, err
	}
	return &Tree{Source: src, Schema: schema, nodes: nodes}, nil
}

// parse is Parse into the memory of own, where that is not nil.
func parse(schema *Schema, src []byte, limits Limits, own *[]node) ([]node, error) {
	if uint64(len(src)) > math.MaxUint32-8 {
		return nil, Errorf(KindTooLarge, "the body has %d bytes; the greatest size is 4 GiB", len(src))
	}
	p := parser{src: src, schema: schema, limits: limits, kind: KindInvalid}
	var nodes []node
	if p.encoding() {
		if own != nil {
			nodes = p.readInto(own)
		} else {
			nodes = p.read()
		}
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
	return nodes, nil
}

// tapes keeps tapes to read into, of up to pooledNodes nodes, so that a
// resource's own tape is allocated once, at its exact size.
var tapes = sync.Pool{New: func() any { return new([]node) }}

const pooledNodes = 64 << 10

// read reads the source into a tape.
func (p *parser) read() []node {
	size := len(p.src)/bytesPerNode + 8
	if size > pooledNodes {
		p.nodes = make([]node, 0, size)
		p.document()
		return p.nodes
	}
	tape := tapes.Get().(*[]node)
	if cap(*tape) < size {
		*tape = make([]node, 0, size)
	}
	p.nodes = (*tape)[:0]
	p.document()
	nodes := slices.Clone(p.nodes)
	if cap(p.nodes) <= 2*pooledNodes {
		*tape = p.nodes
	}
	tapes.Put(tape)
	return nodes
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

// has reports whether i is in the set.
func (b *bitset) has(i int) bool {
	return b[uint(i)/64%uint(len(b))]&(1<<(uint(i)%64)) != 0
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
		if p.peek() != '"' && p.next() != '"' {
			return p.unexpected("a key in double quotes")
		}
		if !p.member(f) || p.full() {
			return false
		}
		c := p.peek()
		if c <= ' ' {
			c = p.space()
		}
		switch c {
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
	return p.shape(f, false)
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
			return p.shape(f, true)
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

// shape reads the value of the property, or of its companion, as an array or
// as a single value, whichever the element asks for.
func (p *parser) shape(f *frame, companion bool) bool {
	repeats := f.prop.Element.Max != 1
	switch array := p.peek() == '['; {
	case array && repeats:
		return p.array(f, companion)
	case array:
		f.broken = true
		p.issueAt(p.at, p.itemPath(f), "structure",
			"%s takes one value, got an array; write the value without [ ]", keyName(f.prop, companion))
		return p.skip()
	case repeats:
		if !p.startsValue() {
			return p.skip() // a syntax error
		}
		f.broken = true
		p.issueAt(p.at, p.itemPath(f), "structure",
			"%s may repeat; write its value in an array: [ … ]", keyName(f.prop, companion))
	}
	return p.value(f, companion, 0)
}

func (p *parser) array(f *frame, companion bool) bool {
	if !p.enter() {
		return false
	}
	start := p.at
	p.at++
	if p.next() == ']' {
		p.issueAt(start, p.elementPath(f), "structure",
			"%s is an empty array; leave it out", keyName(f.prop, companion))
		p.at++
		p.depth--
		return true
	}
	for {
		if !p.value(f, companion, flagArray) || p.full() {
			return false
		}
		c := p.peek()
		if c <= ' ' {
			c = p.space()
		}
		switch c {
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
func (p *parser) value(f *frame, companion bool, flags uint8) bool {
	t := f.prop.Type
	switch {
	case companion:
		return p.companion(f, flags)
	case t.Kind == KindPrimitive:
		return p.primitive(f, flags)
	case p.peek() != '{':
		return p.mismatch(f, false)
	case isResource(t):
		named, ok := p.resourceType(f)
		if !ok || named == nil {
			return ok && p.skip()
		}
		t = named
	}
	self, ok := p.emit(f, t, nodeObject, flags, p.at, 0)
	return ok && p.object(self, t)
}

func (p *parser) primitive(f *frame, flags uint8) bool {
	t, start := f.prop.Type, p.at
	c := p.peek()
	if c == '"' && t.JSON == JSONString {
		return p.str(f, flags)
	}
	kind, ok := nodeNull, false
	switch {
	case t.JSON == JSONNumber && (c == '-' || '0' <= c && c <= '9'):
		kind, ok = nodeNumber, p.number()
	case t.JSON == JSONBool && (c == 't' || c == 'f'):
		kind, ok = nodeBool, p.word()
	case c == 'n' && flags&flagArray != 0:
		ok = p.word()
		f.align = true
	default:
		return p.mismatch(f, false)
	}
	if ok {
		_, ok = p.emit(f, t, kind, flags, start, p.at)
	}
	return ok
}

func (p *parser) str(f *frame, flags uint8) bool {
	start, end, escaped, ok := p.text()
	if !ok {
		return false
	}
	if start == end {
		p.issueAt(start-1, p.itemPath(f), "value", "the string is empty; leave the element out")
	}
	if escaped {
		flags |= flagEscaped
	}
	_, ok = p.emit(f, f.prop.Type, nodeString, flags, start, end)
	return ok
}

// companion reads the value of a "_x" key, or one item of it.
func (p *parser) companion(f *frame, flags uint8) bool {
	start := p.at
	switch c := p.peek(); {
	case c == '{':
		self, ok := p.emit(f, f.prop.Type, nodeCompanion, flags, start, 0)
		return ok && p.object(self, p.elementType(f.prop.Type))
	case c == 'n' && flags&flagArray != 0:
		if !p.word() {
			return false
		}
		_, ok := p.emit(f, f.prop.Type, nodeCompanion, flags|flagLinked, start, p.at)
		return ok
	default:
		return p.mismatch(f, true)
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
func (p *parser) emit(f *frame, t *Type, kind nodeKind, flags uint8, start, end int) (uint32, bool) {
	at := uint32(len(p.nodes))
	if len(p.nodes) >= p.limits.Nodes {
		p.kind = KindTooLarge
		p.issues = nil // the limit is the one thing to tell
		return 0, p.stop("too-long", p.at, "the JSON has more than %d values; send it in smaller parts", p.limits.Nodes)
	}
	p.nodes = append(p.nodes, node{
		prop: uint32(f.prop.Index), typ: uint16(t.Index), kind: kind, flags: flags,
		start: uint32(start), end: uint32(end), parent: f.self,
	})
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
