package geo

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
)

// The ranges of a circle must hold every place in it, and few beside.
func TestRangesCoverTheCircle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Circle{
			Lat:    rapid.OneOf(rapid.Float64Range(-90, 90), rapid.SampledFrom([]float64{-90, 90, 0, 89.999})).Draw(t, "lat"),
			Lon:    rapid.OneOf(rapid.Float64Range(-180, 180), rapid.SampledFrom([]float64{-180, 180, 0, 179.999})).Draw(t, "lon"),
			Meters: rapid.SampledFrom([]float64{0, 1, 100, 10e3, 500e3, 9000e3, 30000e3}).Draw(t, "distance"),
		}
		ranges := c.Ranges()
		if len(ranges) > 2*maxCells {
			t.Fatalf("%d ranges", len(ranges))
		}
		// A place at some bearing and share of the distance.
		bearing := rapid.Float64Range(0, 2*math.Pi).Draw(t, "bearing")
		d := rapid.Float64Range(0, 1).Draw(t, "share") * math.Min(c.Meters, math.Pi*earthRadius) / earthRadius
		lat1 := c.Lat * degree
		lat2 := math.Asin(math.Max(-1, math.Min(1, math.Sin(lat1)*math.Cos(d)+math.Cos(lat1)*math.Sin(d)*math.Cos(bearing))))
		lon2 := c.Lon*degree + math.Atan2(math.Sin(bearing)*math.Sin(d)*math.Cos(lat1), math.Cos(d)-math.Sin(lat1)*math.Sin(lat2))
		lon2 = math.Remainder(lon2/degree, 360)
		p := PlaceAt(lat2/degree, lon2)
		if !slices.ContainsFunc(ranges, func(r Range) bool { return r.First <= p && p <= r.Last }) {
			t.Fatalf("%v,%v is not in the ranges of %+v", lat2/degree, lon2, c)
		}
		if !c.Holds(p) && d*earthRadius < c.Meters*0.999 {
			t.Fatalf("%v,%v is not in %+v", lat2/degree, lon2, c)
		}
	})
}

func TestInterleave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lat, lon := rapid.Uint32().Draw(t, "lat"), rapid.Uint32().Draw(t, "lon")
		z := interleave(lat, lon)
		if gather(uint64(z)>>1) != lat || gather(uint64(z)) != lon {
			t.Fatalf("%x and %x become %x", lat, lon, z)
		}
	})
}
