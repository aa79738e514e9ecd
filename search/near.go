package search

import (
	"encoding/binary"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/geo"
)

// nearKind: a position's key is its geo.Place in eight bytes. A query looks at
// the ranges that cover its circle, and at the distance of each key.
//
// http://hl7.org/fhir/R4/location.html#search
type nearKind struct{}

// nearURL is the one special parameter that is offered.
const nearURL = "http://hl7.org/fhir/SearchParameter/Location-near"

const nearSize = 8

func (nearKind) index(x *indexer, n fhir.Node) {
	lat, ok := geo.Degrees(childText(n, "latitude"), 90)
	lon, ok2 := geo.Degrees(childText(n, "longitude"), 180)
	if ok && ok2 {
		x.keys = appendPlace(x.keys, geo.PlaceAt(lat, lon))
		x.end()
	}
}

func (nearKind) sorted() Span { return everything }

func (nearKind) size([]byte) int { return nearSize }

func (nearKind) query(o *operand) (condition, error) {
	c, err := geo.ReadCircle(o.value)
	if err != nil {
		return condition{}, err
	}
	var spans []Span
	for _, r := range c.Ranges() {
		spans = append(spans, Span{From: appendPlace(nil, r.First), To: append(appendPlace(nil, r.Last), 0)})
	}
	return condition{
		spans: mergeSpans(spans),
		test:  func(key []byte) bool { return c.Holds(geo.Place(binary.BigEndian.Uint64(key))) },
	}, nil
}

func appendPlace(dst []byte, p geo.Place) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(p))
}
