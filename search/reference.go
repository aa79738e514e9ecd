package search

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/literal"
)

// referenceKind: a reference to a resource of this data store, relative or
// below its base URL, has the key that ReferenceKey makes; any other literal
// reference and a canonical has its text and a zero byte, cut after literal.MaxURL
// bytes. A version ("/_history/2") is not part of the key; a canonical with a
// version ("|2.0") has two keys, without and with it. References to contained
// resources give nothing. The identifier of a reference has the keys of a token
// behind a byte 1.
//
// http://hl7.org/fhir/R4/search.html#reference
type referenceKind struct{}

func (referenceKind) index(x *indexer, n fhir.Node) {
	switch x.typeOf(n) {
	case valueReference:
		x.some = true
		x.reference(childText(n, "reference"))
		if i := n.Child("identifier"); !x.part && i.Exists() {
			x.identified(i)
		}
	case valueCanonical, valueURI:
		x.reference(textOf(n))
	case valueResource: // Bundle.entry[0].resource
		id, typ := childText(n, "id"), n.Type().Name
		if len(id) > 0 && slices.Contains(x.registry.targets(x.param), typ) {
			x.keys = literal.AppendKey(x.keys, []byte(typ), id)
			x.end()
		}
	}
}

// referenceIdentifier is the first byte of the keys of an identifier.
const referenceIdentifier = 1

func (x *indexer) identified(n fhir.Node) {
	system, value := hashSystem(childText(n, "system")), childText(n, "value")
	if len(value) > 0 {
		x.keys = x.registry.appendCode(append(x.keys, referenceIdentifier), system, value)
		x.end()
	}
	if system != 0 {
		x.keys = appendSystem(append(x.keys, referenceIdentifier), system)
		x.end()
	}
}

func (x *indexer) reference(text []byte) {
	r := literal.Parse(text, x.base)
	if r.None() {
		return
	}
	x.keys = r.AppendKey(x.keys)
	x.end()
	if len(r.Canonical) > 0 {
		x.keys = chars.AppendCapped(x.keys, r.Canonical, literal.MaxURL)
		x.end()
	}
}

// sorted leaves out the keys of identifiers.
func (referenceKind) sorted() Span { return Span{From: []byte{' '}} }

func (referenceKind) size(b []byte) int { return bytes.IndexByte(b, 0) + 1 }

func (referenceKind) query(o *operand) (condition, error) {
	text := chars.Unescape(o.value)
	if !strings.ContainsAny(text, "/:|") {
		return o.targets(text)
	}
	q := literal.Parse([]byte(text), o.base)
	switch {
	case q.None():
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q is not a reference that can be searched for", o.value)
	case len(q.ID) > 0 && o.registry.Definitions.Schema.Resource(string(q.Type)) == nil:
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q in %q is not a resource type", q.Type, o.value)
	case len(q.ID) > 0 && o.param.Def.Bases != nil && !slices.Contains(o.registry.targets(o.param), string(q.Type)):
		return condition{}, unknownParam("%s does not refer to %s, by its definition (target), but to %s", o.param.Code, q.Type, strings.Join(o.param.Def.Target, ", "))
	case len(q.Canonical) > 0:
		return condition{spans: []Span{Exactly(chars.AppendCapped(nil, q.Canonical, literal.MaxURL))}}, nil
	}
	c := condition{spans: []Span{Exactly(q.AppendKey(nil))}}
	if len(q.Version) > 0 {
		c.recheck = o.versioned(q, c.spans[0].From)
	}
	return c, nil
}

// targets looks for an id among all types that the parameter may refer to.
func (o *operand) targets(id string) (condition, error) {
	if !literal.IsID([]byte(id)) {
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q is not a reference; a reference looks like Patient/123, 123 or an absolute URL", o.value)
	}
	var c condition
	for _, t := range o.registry.targets(o.param) {
		c.spans = append(c.spans, Exactly(ReferenceKey(t, id)))
	}
	return c, nil
}

// identifier reads a value of :identifier, which looks like a token's.
func (referenceKind) identifier(o *operand) ([]condition, error) {
	c, err := tokenKind{}.query(o)
	c.spans = within([]byte{referenceIdentifier}, c.spans)
	return []condition{c}, err
}

// typed reads a value of :[type], an id or Type/id.
func (referenceKind) typed(o *operand, resourceType string) ([]condition, error) {
	id := strings.TrimPrefix(chars.Unescape(o.value), resourceType+"/")
	if !literal.IsID([]byte(id)) {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not the id of a %s; with :%s a reference looks like 123 or %s/123", o.value, resourceType, resourceType, resourceType)
	}
	return []condition{{spans: []Span{Exactly(ReferenceKey(resourceType, id))}}}, nil
}

// versioned demands that the reference names the version.
func (o *operand) versioned(q literal.Reference, key []byte) func(c *Candidate) bool {
	return func(c *Candidate) bool {
		return o.registry.anyValue(c, o.param, func(x *indexer, n fhir.Node) bool {
			text := textOf(n)
			if x.typeOf(n) == valueReference {
				text = childText(n, "reference")
			}
			r := literal.Parse(text, o.base)
			return bytes.Equal(r.Version, q.Version) && bytes.Equal(r.AppendKey(nil), key)
		})
	}
}
