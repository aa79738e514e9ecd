package search

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/ucum"
)

// nearKind: a position's key is its latitude and longitude, each as a share of
// its range in 32 bits, with their bits in turn, the highest first. So the
// places of a rectangle that comes from halving the globe again and again are
// a range of keys; a query looks at the few of them that cover its circle, and
// at the distance of each key. The globe is taken for a sphere; a key is exact
// to about a centimeter.
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
	earthRadius     = 6371008.8 // meters, the mean
	// nearSlack is added to distances, in meters, for what a key leaves out.
	nearSlack = 0.02
	// nearCells is about how many rectangles cover a circle.
	nearCells = 32
)

func (nearKind) index(x *indexer, n fhir.Node) {
	lat, ok := degrees(childText(n, "latitude"), 90)
	lon, ok2 := degrees(childText(n, "longitude"), 180)
	if ok && ok2 {
		x.keys = binary.BigEndian.AppendUint64(x.keys, interleave(share(lat, 90), share(lon, 180)))
		x.end()
	}
}

// degrees reads a latitude or longitude of at most max degrees either way.
func degrees(text []byte, max float64) (float64, bool) {
	if _, err := parseDecimal(string(text)); err != nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return v, err == nil && math.Abs(v) <= max
}

// share is where v lies from -max to max, from 0 to 2^32-1.
func share(v, max float64) uint32 {
	return uint32(math.Min((v+max)/(2*max)*(1<<32), 1<<32-1))
}

func unshare(s uint32, max float64) float64 { return (float64(s)+0.5)/(1<<32)*2*max - max }

func interleave(lat, lon uint32) uint64 { return spread(lat)<<1 | spread(lon) }

// spread puts a 0 before each bit.
func spread(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

// gather undoes spread.
func gather(x uint64) uint32 {
	x &= 0x5555555555555555
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

func (nearKind) sorted() Span { return everything }

func (nearKind) size([]byte) int { return nearSize }

// A circle is a place and what is near it.
type circle struct {
	lat, lon float64 // degrees
	distance float64 // meters
}

func (nearKind) query(o *operand) (condition, error) {
	c, err := readCircle(o.value)
	if err != nil {
		return condition{}, err
	}
	return condition{
		spans: c.spans(),
		test: func(key []byte) bool {
			z := binary.BigEndian.Uint64(key)
			return c.holds(unshare(gather(z>>1), 90), unshare(gather(z), 180))
		},
	}, nil
}

// readCircle reads latitude|longitude[|distance[|unit]].
func readCircle(value string) (c circle, err error) {
	parts := split(value, '|')
	if len(parts) < 2 || len(parts) > 4 {
		return c, fhir.Errorf(fhir.KindInvalid, "%q does not look like latitude|longitude|distance|unit, such as 52.37|4.89|10|km", value)
	}
	var ok bool
	if c.lat, ok = degrees([]byte(parts[0]), 90); !ok {
		return c, fhir.Errorf(fhir.KindInvalid, "%q is not a latitude, which is a number from -90 to 90", parts[0])
	}
	if c.lon, ok = degrees([]byte(parts[1]), 180); !ok {
		return c, fhir.Errorf(fhir.KindInvalid, "%q is not a longitude, which is a number from -180 to 180", parts[1])
	}
	number, unit := strconv.Itoa(DefaultDistance), "km"
	if len(parts) > 2 && parts[2] != "" {
		number = parts[2]
		if len(parts) > 3 && parts[3] != "" {
			unit = unescape(parts[3])
		}
	}
	c.distance, err = meters(number, unit)
	return c, err
}

func meters(number, unit string) (float64, error) {
	d, err := parseDecimal(number)
	if err != nil || d.unscaled.Sign() < 0 || max(d.exponent, -d.exponent) > maxUnitExponent {
		return 0, fhir.Errorf(fhir.KindInvalid, "%q is not a distance, which is a number of at least 0", number)
	}
	u := ucum.Lookup([]byte(unit))
	if u == nil || u.Base != "m" {
		return 0, fhir.Errorf(fhir.KindInvalid, "%q is not a unit of distance; it takes UCUM's, such as km, m, [mi_i] and [ft_i]", unit)
	}
	digits, e := u.ToBase(d.unscaled, d.exponent)
	m, _ := new(big.Float).SetInt(digits).Float64()
	return m * math.Pow10(e), nil
}

const degree = math.Pi / 180

// holds reports whether a place is in the circle, by the haversine formula.
func (c circle) holds(lat, lon float64) bool {
	a := math.Sin((lat - c.lat) * degree / 2)
	b := math.Sin((lon - c.lon) * degree / 2)
	h := a*a + math.Cos(lat*degree)*math.Cos(c.lat*degree)*b*b
	return 2*earthRadius*math.Asin(math.Min(1, math.Sqrt(h))) <= c.distance+nearSlack
}

// spans are the keys of rectangles that cover the circle.
func (c circle) spans() []Span {
	angle := (c.distance + 1) / earthRadius // in radians, with room for rounding
	south, north := c.lat-angle/degree, c.lat+angle/degree
	if south <= -90 || north >= 90 {
		return cells(math.Max(south, -90), math.Min(north, 90), [][2]float64{{-180, 180}})
	}
	width := math.Asin(math.Min(1, math.Sin(angle)/math.Cos(c.lat*degree))) / degree
	west, east := c.lon-width, c.lon+width
	switch {
	case width >= 90:
		return cells(south, north, [][2]float64{{-180, 180}})
	case west < -180:
		return cells(south, north, [][2]float64{{-180, east}, {west + 360, 180}})
	case east > 180:
		return cells(south, north, [][2]float64{{-180, east - 360}, {west, 180}})
	}
	return cells(south, north, [][2]float64{{west, east}})
}

// cells covers a stretch of latitudes and one or two of longitudes with the
// smallest rectangles of which not too many are needed.
func cells(south, north float64, stretches [][2]float64) []Span {
	s, n := share(south, 90), share(north, 90)
	bits := uint(1)
	count := func(shift uint) (total uint64) {
		for _, l := range stretches {
			total += (uint64(n>>shift) - uint64(s>>shift) + 1) * (uint64(share(l[1], 180)>>shift) - uint64(share(l[0], 180)>>shift) + 1)
		}
		return total
	}
	for bits < 32 && count(31-bits) <= nearCells {
		bits++
	}
	shift := 32 - bits
	var spans []Span
	for _, l := range stretches {
		w, e := share(l[0], 180)>>shift, share(l[1], 180)>>shift
		for lat := uint64(s >> shift); lat <= uint64(n>>shift); lat++ {
			for lon := uint64(w); lon <= uint64(e); lon++ {
				spans = append(spans, cell(interleave(uint32(lat), uint32(lon)), 2*bits))
			}
		}
	}
	return mergeSpans(spans)
}

// cell is the span of the keys that begin with the bits of z.
func cell(z uint64, bits uint) Span {
	s := Span{From: binary.BigEndian.AppendUint64(nil, z<<(64-bits))}
	if end := (z + 1) << (64 - bits); end != 0 {
		s.To = binary.BigEndian.AppendUint64(nil, end)
	}
	return s
}
