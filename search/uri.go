package search

import (
	"bytes"

	"github.com/tarnhealth/tarn/fhir"
)

// uriKind: a URI's key is its text and a zero byte; one longer than uriMax
// bytes is cut and ends in a hash. A canonical with a version has a second
// key, without the version.
//
// http://hl7.org/fhir/R4/search.html#uri
type uriKind struct{}

const uriMax = 1000

func (uriKind) index(x *indexer, n fhir.Node) {
	switch x.typeOf(n) {
	case valueURI, valueID:
		x.uri(textOf(n))
	case valueCanonical:
		text := textOf(n)
		x.uri(text)
		if i := bytes.IndexByte(text, '|'); i > 0 {
			x.uri(text[:i])
		}
	}
}

func (x *indexer) uri(text []byte) {
	if len(text) > 0 {
		x.keys = appendCapped(x.keys, text, uriMax)
		x.end()
	}
}

func (uriKind) sorted() Span { return everything }

func (uriKind) size(b []byte) int { return bytes.IndexByte(b, 0) + 1 }

func (uriKind) query(o *operand) (condition, error) {
	return condition{spans: []Span{Exactly(appendCapped(nil, []byte(unescape(o.value)), uriMax))}}, nil
}
