package search

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
)

// tokenKind: a code's key is the code, a zero byte and the hash of its system
// (0 for none); a system has the key 0, 1 and its hash as well, which
// "system|" looks for. A code is in lower case unless its system is known to be
// case-sensitive. A code longer than codeMax bytes is cut and ends in a hash.
//
// A Coding, CodeableConcept and Identifier have systems of their own. An
// element of type code has that of the value set it is bound to (and no key of
// the system alone); "|code" finds it as well, because the instance names no
// system. Strings, booleans and ContactPoints have none.
//
// Two more forms answer for modifiers: the text of a concept, the display of a
// coding and the text of an identifier's type give 0, 2, the folded text and a
// zero byte (:text); an identifier gives, for each code of its type, 0, 3, the
// code's key, the value in lower case and a zero byte (:of-type).
//
// http://hl7.org/fhir/R4/search.html#token
type tokenKind struct{}

const codeMax = 200

func (tokenKind) index(x *indexer, n fhir.Node) {
	switch x.typeOf(n) {
	case valueCoding:
		x.coding(n)
	case valueCodeableConcept:
		for c := n.First(); c.Exists(); c = c.Next() {
			switch c.Name() {
			case "coding":
				x.coding(c)
			case "text":
				x.tokenText(textOf(c))
			}
		}
	case valueIdentifier:
		x.token(childText(n, "system"), childText(n, "value"))
		x.typed(n)
	case valueContactPoint:
		x.token(nil, childText(n, "value"))
	case valueCode:
		x.code(x.registry.implied(n.Property()), textOf(n))
	case valueString, valueBoolean, valueURI, valueCanonical, valueID:
		x.token(nil, textOf(n))
	}
}

func (x *indexer) coding(n fhir.Node) {
	var system, code, display []byte
	for c := n.First(); c.Exists(); c = c.Next() {
		switch c.Name() {
		case "system":
			system = textOf(c)
		case "code":
			code = textOf(c)
		case "display":
			display = textOf(c)
		}
	}
	x.token(system, code)
	x.tokenText(display)
}

// The second bytes of the forms that begin with a zero byte.
const (
	tokenSystem = 1
	tokenText   = 2
	tokenTyped  = 3
)

// tokenText adds the key of a text that :text looks at.
func (x *indexer) tokenText(text []byte) {
	if x.part || len(text) == 0 {
		return
	}
	k := append(x.keys, 0, tokenText)
	start := len(k)
	if k = chars.AppendFolded(k, text); len(k) == start {
		return
	}
	x.keys = append(k[:start+chars.Cut(k[start:], stringMax)], 0)
	x.end()
}

// typed adds the keys of an identifier that has a type.
func (x *indexer) typed(n fhir.Node) {
	typ, value := n.Child("type"), childText(n, "value")
	if x.part || !typ.Exists() {
		return
	}
	x.tokenText(childText(typ, "text"))
	for c := range typ.Each("coding") {
		if code := childText(c, "code"); len(code) > 0 && len(value) > 0 {
			x.keys = x.registry.appendTyped(x.keys, childText(c, "system"), code, value)
			x.end()
		}
	}
}

func (r *Registry) appendTyped(dst, system, code, value []byte) []byte {
	dst = r.appendCode(append(dst, 0, tokenTyped), hashSystem(system), code)
	return appendCappedLower(dst, value, codeMax)
}

// token adds the keys of a code in a system; either may be empty.
func (x *indexer) token(system, code []byte) {
	hash := hashSystem(system)
	x.code(hash, code)
	if hash != 0 && !x.part {
		x.keys = appendSystem(x.keys, hash)
		x.end()
	}
}

func (x *indexer) code(system uint64, code []byte) {
	if len(code) > 0 {
		x.keys = x.registry.appendCode(x.keys, system, code)
		x.end()
	}
}

// appendCode appends the key of a code in a system.
func (r *Registry) appendCode(dst []byte, system uint64, code []byte) []byte {
	if r.exact[system] {
		dst = chars.AppendCapped(dst, code, codeMax)
	} else {
		dst = appendCappedLower(dst, code, codeMax)
	}
	return appendHash(dst, system)
}

func appendCappedLower(dst, code []byte, max int) []byte {
	if len(code) > max {
		return chars.AppendCapped(dst, chars.AppendLower(nil, code), max)
	}
	return append(chars.AppendLower(dst, code), 0)
}

func appendSystem(dst []byte, system uint64) []byte {
	return appendHash(append(dst, 0, tokenSystem), system)
}

// sorted leaves out the keys that are not of a code.
func (tokenKind) sorted() Span { return Span{From: []byte{1}} }

func (tokenKind) size(b []byte) int { return bytes.IndexByte(b, 0) + 1 + hashSize }

func (tokenKind) query(o *operand) (condition, error) {
	parts := chars.Split(o.value, '|')
	if len(parts) > 2 {
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q has more than one |; a token looks like code, system|code, |code or system|", o.value)
	}
	if len(parts) == 1 {
		return condition{spans: anySystem([]byte(chars.Unescape(parts[0])))}, nil
	}
	system, code := []byte(chars.Unescape(parts[0])), []byte(chars.Unescape(parts[1]))
	switch {
	case len(code) == 0 && len(system) == 0:
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q has neither a system nor a code", o.value)
	case len(code) == 0:
		return o.ofSystem(hashSystem(system)), nil
	case len(system) == 0:
		spans := []Span{Exactly(o.registry.appendCode(nil, 0, code))}
		for _, implied := range o.param.implied {
			spans = append(spans, Exactly(o.registry.appendCode(nil, implied, code)))
		}
		return condition{spans: spans}, nil
	}
	return condition{spans: []Span{Exactly(o.registry.appendCode(nil, hashSystem(system), code))}}, nil
}

// anySystem looks for a code in whatever system, in lower case and in the
// spelling of the query: where case does not matter, and where it does.
func anySystem(code []byte) []Span {
	spans := []Span{Prefix(appendCappedLower(nil, code, codeMax))}
	if exact := chars.AppendCapped(nil, code, codeMax); !bytes.Equal(exact, spans[0].From) {
		spans = append(spans, Prefix(exact))
	}
	return spans
}

// ofSystem looks for any code of a system. Elements of type code have no key
// for their system alone.
func (o *operand) ofSystem(system uint64) condition {
	if !o.part && !slices.Contains(o.param.implied, system) {
		return condition{spans: []Span{Exactly(appendSystem(nil, system))}}
	}
	return condition{
		spans: []Span{tokenKind{}.sorted()},
		test: func(key []byte) bool {
			return binary.BigEndian.Uint64(key[len(key)-hashSize:]) == system
		},
	}
}
