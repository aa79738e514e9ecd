package search

import (
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The spans of a circle must hold every place in it, and few beside.
func TestNearSpansCoverTheCircle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := circle{
			lat:      rapid.OneOf(rapid.Float64Range(-90, 90), rapid.SampledFrom([]float64{-90, 90, 0, 89.999})).Draw(t, "lat"),
			lon:      rapid.OneOf(rapid.Float64Range(-180, 180), rapid.SampledFrom([]float64{-180, 180, 0, 179.999})).Draw(t, "lon"),
			distance: rapid.SampledFrom([]float64{0, 1, 100, 10e3, 500e3, 9000e3, 30000e3}).Draw(t, "distance"),
		}
		spans := c.spans()
		if len(spans) > 2*nearCells {
			t.Fatalf("%d spans", len(spans))
		}
		// A place at some bearing and share of the distance.
		bearing := rapid.Float64Range(0, 2*math.Pi).Draw(t, "bearing")
		d := rapid.Float64Range(0, 1).Draw(t, "share") * math.Min(c.distance, math.Pi*earthRadius) / earthRadius
		lat1 := c.lat * degree
		lat2 := math.Asin(math.Max(-1, math.Min(1, math.Sin(lat1)*math.Cos(d)+math.Cos(lat1)*math.Sin(d)*math.Cos(bearing))))
		lon2 := c.lon*degree + math.Atan2(math.Sin(bearing)*math.Sin(d)*math.Cos(lat1), math.Cos(d)-math.Sin(lat1)*math.Sin(lat2))
		lon2 = math.Remainder(lon2/degree, 360)
		key := binary.BigEndian.AppendUint64(nil, interleave(share(lat2/degree, 90), share(lon2, 180)))
		if !inSpans(spans, key) {
			t.Fatalf("%v,%v is not in the spans of %+v", lat2/degree, lon2, c)
		}
		if !c.holds(lat2/degree, lon2) && d*earthRadius < c.distance*0.999 {
			t.Fatalf("%v,%v is not in %+v", lat2/degree, lon2, c)
		}
	})
}

func TestInterleave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lat, lon := rapid.Uint32().Draw(t, "lat"), rapid.Uint32().Draw(t, "lon")
		z := interleave(lat, lon)
		if gather(z>>1) != lat || gather(z) != lon {
			t.Fatalf("%x and %x become %x", lat, lon, z)
		}
	})
}
