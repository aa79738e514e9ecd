package search

import (
	"bytes"

	"github.com/tarnhealth/tarn/fhir"
)

// stringKind: a string's key is its folded text (appendFolded), cut after
// stringMax bytes, and a zero byte. A HumanName gives a key for each of its
// parts, an Address likewise, except for period, use and type.
//
// http://hl7.org/fhir/R4/search.html#string
type stringKind struct{}

const stringMax = 120

func (stringKind) index(x *indexer, n fhir.Node) {
	eachString(x, n, func(text []byte) {
		start := len(x.keys)
		k := appendFolded(x.keys, text)
		if len(k) == start {
			return
		}
		x.keys = append(k[:start+runeCut(k[start:], stringMax)], 0)
		x.end()
	})
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

func (stringKind) sorted() Span { return everything }

func (stringKind) size(b []byte) int { return bytes.IndexByte(b, 0) + 1 }

func (stringKind) query(o *operand) (condition, error) {
	q := appendFolded(nil, []byte(unescape(o.value)))
	if len(q) == 0 {
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q has no character to search for", o.value)
	}
	if len(q) <= stringMax {
		return condition{spans: []Span{Prefix(q)}}, nil
	}
	key := append(bytes.Clone(q[:runeCut(q, stringMax)]), 0)
	return condition{
		spans: []Span{Exactly(key)},
		recheck: func(c *Candidate) bool {
			return o.registry.anyValue(c, o.param, func(x *indexer, n fhir.Node) (found bool) {
				eachString(x, n, func(text []byte) {
					found = found || bytes.HasPrefix(appendFolded(nil, text), q)
				})
				return found
			})
		},
	}, nil
}
