package search

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
)

// referenceKind: a reference to a resource of this data store, relative or
// below its base URL, has the key that ReferenceKey makes; any other literal
// reference and a canonical has its text and a zero byte, cut after uriMax
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
			x.keys = appendReferenceKey(x.keys, []byte(typ), id)
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
	r := parseReference(text, x.base)
	if r.none() {
		return
	}
	x.keys = r.appendKey(x.keys)
	x.end()
	if len(r.canonical) > 0 {
		x.keys = chars.AppendCapped(x.keys, r.canonical, uriMax)
		x.end()
	}
}

// A reference is a literal reference taken apart.
type reference struct {
	// typ and id are set for a resource of this data store.
	typ, id []byte
	// url is any other reference, without its version.
	url []byte
	// canonical is url|version, where the version is given so.
	canonical []byte
	// version is what follows /_history/.
	version []byte
}

func (r *reference) none() bool { return len(r.id) == 0 && len(r.url) == 0 }

func (r *reference) appendKey(dst []byte) []byte {
	if len(r.id) > 0 {
		return appendReferenceKey(dst, r.typ, r.id)
	}
	return chars.AppendCapped(dst, r.url, uriMax)
}

func appendReferenceKey(dst, typ, id []byte) []byte {
	dst = append(append(dst, typ...), '/')
	return append(append(dst, id...), 0)
}

// parseReference takes a reference apart; base is the data store's base URL.
// http://hl7.org/fhir/R4/references.html#literal
func parseReference(text []byte, base string) (r reference) {
	if len(text) == 0 || text[0] == '#' || text[0] < ' ' {
		return r
	}
	if n := len(base); n > 0 && len(text) > n && text[n] == '/' && string(text[:n]) == base {
		text = text[n+1:]
	}
	if i := bytes.IndexByte(text, '#'); i > 0 {
		text = text[:i]
	}
	if i := bytes.Index(text, []byte("/_history/")); i > 0 {
		text, r.version = text[:i], text[i+len("/_history/"):]
	}
	if typ, id, ok := bytes.Cut(text, []byte{'/'}); ok && isTypeName(typ) && isID(id) {
		r.typ, r.id = typ, id
		return r
	}
	r.url = text
	if i := bytes.IndexByte(text, '|'); i > 0 {
		r.url, r.canonical = text[:i], text
	}
	return r
}

func isTypeName(s []byte) bool {
	if len(s) == 0 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for _, c := range s {
		if !isLetter(c) {
			return false
		}
	}
	return true
}

// isID reports whether s is a logical id. http://hl7.org/fhir/R4/datatypes.html#id
func isID(s []byte) bool {
	for _, c := range s {
		if !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}

// sorted leaves out the keys of identifiers.
func (referenceKind) sorted() Span { return Span{From: []byte{' '}} }

func (referenceKind) size(b []byte) int { return bytes.IndexByte(b, 0) + 1 }

func (referenceKind) query(o *operand) (condition, error) {
	text := chars.Unescape(o.value)
	if !strings.ContainsAny(text, "/:|") {
		return o.targets(text)
	}
	q := parseReference([]byte(text), o.base)
	switch {
	case q.none():
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q is not a reference that can be searched for", o.value)
	case len(q.id) > 0 && o.registry.Definitions.Schema.Resource(string(q.typ)) == nil:
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q in %q is not a resource type", q.typ, o.value)
	case len(q.id) > 0 && o.param.Def.Bases != nil && !slices.Contains(o.registry.targets(o.param), string(q.typ)):
		return condition{}, unknownParam("%s does not refer to %s, by its definition (target), but to %s", o.param.Code, q.typ, strings.Join(o.param.Def.Target, ", "))
	case len(q.canonical) > 0:
		return condition{spans: []Span{Exactly(chars.AppendCapped(nil, q.canonical, uriMax))}}, nil
	}
	c := condition{spans: []Span{Exactly(q.appendKey(nil))}}
	if len(q.version) > 0 {
		c.recheck = o.versioned(q, c.spans[0].From)
	}
	return c, nil
}

// targets looks for an id among all types that the parameter may refer to.
func (o *operand) targets(id string) (condition, error) {
	if !isID([]byte(id)) {
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
	if !isID([]byte(id)) {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not the id of a %s; with :%s a reference looks like 123 or %s/123", o.value, resourceType, resourceType, resourceType)
	}
	return []condition{{spans: []Span{Exactly(ReferenceKey(resourceType, id))}}}, nil
}

// versioned demands that the reference names the version.
func (o *operand) versioned(q reference, key []byte) func(c *Candidate) bool {
	return func(c *Candidate) bool {
		return o.registry.anyValue(c, o.param, func(x *indexer, n fhir.Node) bool {
			text := textOf(n)
			if x.typeOf(n) == valueReference {
				text = childText(n, "reference")
			}
			r := parseReference(text, o.base)
			return bytes.Equal(r.version, q.version) && bytes.Equal(r.appendKey(nil), key)
		})
	}
}
