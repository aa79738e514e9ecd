package search

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/decimal"
	"github.com/tarnhealth/tarn/search/geo"
	"github.com/tarnhealth/tarn/ucum"
)

// nearKind: a position's key is its geo.Place in eight bytes. A query looks at
// the ranges that cover its circle, and at the distance of each key.
//
// http://hl7.org/fhir/R4/location.html#search
type nearKind struct{}

// nearURL is the one special parameter that is offered.
const nearURL = "http://hl7.org/fhir/SearchParameter/Location-near"

const (
	nearSize = 8
	// DefaultDistance is how far "near" is where a query does not say, in
	// kilometers.
	DefaultDistance = 50
	// maxDistance is more than there is on the globe, in meters.
	maxDistance = 1e8
)

func (nearKind) index(x *indexer, n fhir.Node) {
	lat, ok := degrees(childText(n, "latitude"), 90)
	lon, ok2 := degrees(childText(n, "longitude"), 180)
	if ok && ok2 {
		x.keys = appendPlace(x.keys, geo.PlaceAt(lat, lon))
		x.end()
	}
}

// degrees reads a latitude or longitude of at most max degrees either way.
func degrees(text []byte, max float64) (float64, bool) {
	if _, err := decimal.Parse(string(text)); err != nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return v, err == nil && math.Abs(v) <= max
}

func (nearKind) sorted() Span { return everything }

func (nearKind) size([]byte) int { return nearSize }

func (nearKind) query(o *operand) (condition, error) {
	c, err := readCircle(o.value)
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

// readCircle reads latitude|longitude[|distance[|unit]].
func readCircle(value string) (c geo.Circle, err error) {
	parts := chars.Split(value, '|')
	if len(parts) < 2 || len(parts) > 4 {
		return c, fhir.Errorf(fhir.KindInvalid, "%q does not look like latitude|longitude|distance|unit, such as 52.37|4.89|10|km", value)
	}
	var ok bool
	if c.Lat, ok = degrees([]byte(parts[0]), 90); !ok {
		return c, fhir.Errorf(fhir.KindInvalid, "%q is not a latitude, which is a number from -90 to 90", parts[0])
	}
	if c.Lon, ok = degrees([]byte(parts[1]), 180); !ok {
		return c, fhir.Errorf(fhir.KindInvalid, "%q is not a longitude, which is a number from -180 to 180", parts[1])
	}
	number, unit := strconv.Itoa(DefaultDistance), "km"
	if len(parts) > 2 && parts[2] != "" {
		number = parts[2]
		if len(parts) > 3 && parts[3] != "" {
			unit = chars.Unescape(parts[3])
		}
	}
	c.Meters, err = meters(number, unit)
	return c, err
}

func meters(number, unit string) (float64, error) {
	d, err := decimal.Parse(number)
	if err != nil || d.Unscaled.Sign() < 0 || max(d.Exponent, -d.Exponent) > maxUnitExponent {
		return 0, fhir.Errorf(fhir.KindInvalid, "%q is not a distance, which is a number of at least 0", number)
	}
	u := ucum.Lookup([]byte(unit))
	if u == nil || u.Base != "m" {
		return 0, fhir.Errorf(fhir.KindInvalid, "%q is not a unit of distance; it takes UCUM's, such as km, m, [mi_i] and [ft_i]", unit)
	}
	digits, e := u.ToBase(d.Unscaled, d.Exponent)
	if digits.Sign() == 0 {
		return 0, nil
	}
	m, _ := new(big.Float).SetInt(digits).Float64()
	return math.Min(m*math.Pow10(e), maxDistance), nil
}
