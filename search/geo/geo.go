// Package geo owns places on the globe as search sees them: numbers that sort
// so that neighbours are often close, the ranges of them that cover a circle,
// and distances. The globe is taken for a sphere.
package geo

import "math"

const (
	earthRadius = 6371008.8 // meters, the mean
	// slack is added to distances, in meters, for what a Place leaves out.
	slack = 0.02
	// maxCells is about how many rectangles cover a circle.
	maxCells = 32
	degree   = math.Pi / 180
)

// A Place is a latitude and longitude, each as a share of its range in 32
// bits, with their bits in turn, the highest first. So the places of a
// rectangle that comes from halving the globe again and again are a range. It
// is exact to about a centimeter.
type Place uint64

// PlaceAt is the place at a latitude from -90 to 90 and a longitude from -180
// to 180, in degrees.
func PlaceAt(lat, lon float64) Place { return interleave(share(lat, 90), share(lon, 180)) }

// Degrees is where the place is.
func (p Place) Degrees() (lat, lon float64) {
	return unshare(gather(uint64(p)>>1), 90), unshare(gather(uint64(p)), 180)
}

// A Range is the places from First to Last, both included.
type Range struct{ First, Last Place }

// A Circle is what is near a place.
type Circle struct {
	Lat, Lon float64 // degrees
	Meters   float64
}

// share is where v lies from -max to max, from 0 to 2^32-1.
func share(v, max float64) uint32 {
	return uint32(math.Min((v+max)/(2*max)*(1<<32), 1<<32-1))
}

func unshare(s uint32, max float64) float64 { return (float64(s)+0.5)/(1<<32)*2*max - max }

func interleave(lat, lon uint32) Place { return Place(spread(lat)<<1 | spread(lon)) }

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

// Holds reports whether a place is in the circle, by the haversine formula.
func (c Circle) Holds(p Place) bool {
	lat, lon := p.Degrees()
	a := math.Sin((lat - c.Lat) * degree / 2)
	b := math.Sin((lon - c.Lon) * degree / 2)
	h := a*a + math.Cos(lat*degree)*math.Cos(c.Lat*degree)*b*b
	return 2*earthRadius*math.Asin(math.Min(1, math.Sqrt(h))) <= c.Meters+slack
}

// Ranges are places in rectangles that cover the circle, and not many beside.
func (c Circle) Ranges() []Range {
	angle := (c.Meters + 1) / earthRadius // in radians, with room for rounding
	south, north := c.Lat-angle/degree, c.Lat+angle/degree
	if south <= -90 || north >= 90 {
		return cells(math.Max(south, -90), math.Min(north, 90), [][2]float64{{-180, 180}})
	}
	width := math.Asin(math.Min(1, math.Sin(angle)/math.Cos(c.Lat*degree))) / degree
	west, east := c.Lon-width, c.Lon+width
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
func cells(south, north float64, stretches [][2]float64) []Range {
	s, n := share(south, 90), share(north, 90)
	bits := uint(1)
	count := func(shift uint) (total uint64) {
		for _, l := range stretches {
			total += (uint64(n>>shift) - uint64(s>>shift) + 1) * (uint64(share(l[1], 180)>>shift) - uint64(share(l[0], 180)>>shift) + 1)
		}
		return total
	}
	for bits < 32 && count(31-bits) <= maxCells {
		bits++
	}
	shift := 32 - bits
	var ranges []Range
	for _, l := range stretches {
		w, e := share(l[0], 180)>>shift, share(l[1], 180)>>shift
		for lat := uint64(s >> shift); lat <= uint64(n>>shift); lat++ {
			for lon := uint64(w); lon <= uint64(e); lon++ {
				ranges = append(ranges, cell(interleave(uint32(lat), uint32(lon)), 2*bits))
			}
		}
	}
	return ranges
}

// cell is the range of the places that begin with the bits of p.
func cell(p Place, bits uint) Range {
	first := p << (64 - bits)
	return Range{first, first | (1<<(64-bits) - 1)}
}
