package search

import (
	"bytes"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/literal"
)

// uriKind: a URI's key is its text and a zero byte; one longer than uriMax
// bytes is cut and ends in a hash. A canonical with a version has a second
// key, without the version.
//
// http://hl7.org/fhir/R4/search.html#uri
type uriKind struct{}

const uriMax = literal.MaxURL

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
		x.keys = chars.AppendCapped(x.keys, text, uriMax)
		x.end()
	}
}

func (uriKind) sorted() Span { return everything }

func (uriKind) size(b []byte) int { return bytes.IndexByte(b, 0) + 1 }

func (uriKind) query(o *operand) (condition, error) {
	return condition{spans: []Span{Exactly(chars.AppendCapped(nil, []byte(chars.Unescape(o.value)), uriMax))}}, nil
}

// below reads a value of :below: the URL itself and those under it.
// http://hl7.org/fhir/R4/search.html#uri
func (uriKind) below(o *operand) ([]condition, error) {
	url, err := hierarchical(o)
	if err != nil {
		return nil, err
	}
	spans := []Span{Prefix([]byte(url + "/"))}
	if len(url) < uriMax {
		spans = append(spans, Exactly([]byte(url+"\x00")), Prefix([]byte(url+"|")))
	}
	return []condition{{spans: spans}}, nil
}

// above reads a value of :above: the URL itself and those that it is under.
func (uriKind) above(o *operand) ([]condition, error) {
	url, err := hierarchical(o)
	if err != nil {
		return nil, err
	}
	var spans []Span
	for start := strings.Index(url, "://") + 3; len(url) > start; url = url[:max(strings.LastIndexByte(url, '/'), start)] {
		for _, ending := range []string{"", "/"} {
			spans = append(spans, Exactly(chars.AppendCapped(nil, []byte(url+ending), uriMax)))
		}
	}
	return []condition{{spans: spans}}, nil
}

// hierarchical is a query's URL without a / at its end.
func hierarchical(o *operand) (string, error) {
	url := strings.TrimRight(chars.Unescape(o.value), "/")
	if i := strings.Index(url, "://"); i < 1 || i+3 >= len(url) || len(url) > uriMax {
		return "", fhir.Errorf(fhir.KindInvalid, "%q is not a URL with a path, such as http://example.org/fhir", o.value)
	}
	return url, nil
}
