package search

import (
	"bytes"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
)

// stringKind: a string's key is its folded text (appendFolded), cut after
// stringMax bytes, and a zero byte. A second key, a zero byte and a hash of the
// text as it is, answers for :exact. A HumanName gives the keys of each of its
// parts, an Address likewise, except for period, use and type.
//
// http://hl7.org/fhir/R4/search.html#string
type stringKind struct{}

const stringMax = 120

func (stringKind) index(x *indexer, n fhir.Node) {
	eachString(x, n, x.text)
}

// text adds the keys of a string.
func (x *indexer) text(text []byte) {
	start := len(x.keys)
	if k := chars.AppendFolded(x.keys, text); len(k) > start {
		x.keys = append(k[:start+chars.Cut(k[start:], stringMax)], 0)
		x.end()
	}
	if !x.part && len(text) > 0 {
		x.keys = appendExact(x.keys, text)
		x.end()
	}
}

// appendExact appends the key of :exact. Texts that are canonically equivalent
// in Unicode are the same text.
func appendExact(dst, text []byte) []byte {
	if !norm.NFC.IsNormal(text) {
		text = norm.NFC.Bytes(text)
	}
	return appendHash(append(dst, 0), xxhash.Sum64(text))
}

// eachString calls f with each text of a value that string search looks at.
func eachString(x *indexer, n fhir.Node, f func(text []byte)) {
	switch x.typeOf(n) {
	case valueString, valueCode, valueURI, valueID:
		f(textOf(n))
	case valueCodeableConcept:
		f(childText(n, "text"))
	case valueHumanName, valueAddress:
		for c := range n.Children() {
			switch c.Name() {
			case "family", "given", "prefix", "suffix", "text",
				"line", "city", "district", "state", "postalCode", "country":
				f(textOf(c))
			}
		}
	}
}

// sorted leaves out the keys of :exact.
func (stringKind) sorted() Span { return Span{From: []byte{1}} }

func (stringKind) size(b []byte) int { return bytes.IndexByte(b, 0) + 1 }

func (stringKind) query(o *operand) (condition, error) {
	q := chars.AppendFolded(nil, []byte(chars.Unescape(o.value)))
	if len(q) == 0 {
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q has no character to search for", o.value)
	}
	if len(q) <= stringMax {
		return condition{spans: []Span{Prefix(q)}}, nil
	}
	key := append(bytes.Clone(q[:chars.Cut(q, stringMax)]), 0)
	return condition{
		spans:   []Span{Exactly(key)},
		recheck: o.anyString(func(text []byte) bool { return bytes.HasPrefix(text, q) }),
	}, nil
}

// anyString rechecks whether f holds for one of the whole folded texts.
func (o *operand) anyString(f func(folded []byte) bool) func(c *Candidate) bool {
	return func(c *Candidate) bool {
		return o.registry.anyValue(c, o.param, func(x *indexer, n fhir.Node) (found bool) {
			eachString(x, n, func(text []byte) {
				found = found || f(chars.AppendFolded(nil, text))
			})
			return found
		})
	}
}

// exact reads a value of :exact.
func (stringKind) exact(o *operand) ([]condition, error) {
	return []condition{{spans: []Span{Exactly(appendExact(nil, []byte(chars.Unescape(o.value))))}}}, nil
}

// contains reads a value of :contains: part of a key, or of the text that was
// cut off from one.
func (stringKind) contains(o *operand) ([]condition, error) {
	q := chars.AppendFolded(nil, []byte(chars.Unescape(o.value)))
	if len(q) == 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q has no character to search for", o.value)
	}
	return wholeText(o, func(text []byte) bool { return bytes.Contains(text, q) }), nil
}

// wholeText is the condition that f holds for a folded text: for a key, or,
// where the key is cut, for the text in the resource.
func wholeText(o *operand, f func(folded []byte) bool) []condition {
	spans := []Span{stringKind{}.sorted()}
	return []condition{
		{spans: spans, test: func(key []byte) bool { return !isCut(key) && f(key[:len(key)-1]) }},
		{spans: spans, test: isCut, recheck: o.anyString(f)},
	}
}

// isCut reports whether a string's key may have been cut: one that was lacks
// at most the bytes of one character.
func isCut(key []byte) bool { return len(key)-1 > stringMax-utf8.UTFMax }
