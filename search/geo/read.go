package geo

import (
	"math"
	"math/big"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/decimal"
	"github.com/tarnhealth/tarn/ucum"
)

const (
	// DefaultDistance is how far "near" is where a query does not say, in
	// kilometers.
	DefaultDistance = 50
	// maxDistance is more than there is on the globe, in meters.
	maxDistance = 1e8
	// maxExponent bounds the numbers of distances.
	maxExponent = 400
)

// Degrees reads a latitude or longitude of at most max degrees either way.
func Degrees(text []byte, max float64) (float64, bool) {
	if _, err := decimal.Parse(string(text)); err != nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return v, err == nil && math.Abs(v) <= max
}

// ReadCircle reads latitude|longitude[|distance[|unit]].
func ReadCircle(value string) (c Circle, err error) {
	parts := chars.Split(value, '|')
	if len(parts) < 2 || len(parts) > 4 {
		return c, fhir.Errorf(fhir.KindInvalid, "%q does not look like latitude|longitude|distance|unit, such as 52.37|4.89|10|km", value)
	}
	var ok bool
	if c.Lat, ok = Degrees([]byte(parts[0]), 90); !ok {
		return c, fhir.Errorf(fhir.KindInvalid, "%q is not a latitude, which is a number from -90 to 90", parts[0])
	}
	if c.Lon, ok = Degrees([]byte(parts[1]), 180); !ok {
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
	if err != nil || d.Unscaled.Sign() < 0 || max(d.Exponent, -d.Exponent) > maxExponent {
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
