package posting

import (
	"math/rand/v2"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
)

// TestVisibleIsWhatIsAlive compares sets, dense and sparse ones, with what
// their docs say one by one, at times before, between and after the ends.
func TestVisibleIsWhatIsAlive(t *testing.T) {
	const segment = 1 << SegmentBits
	const last = 3*segment - 5
	random := rand.New(rand.NewPCG(1, 2))
	var lives Lifetimes
	ends := map[Doc]Doc{}
	for by := Doc(2 * segment); by <= last; by += 3 {
		d := Doc(random.IntN(segment/4)) + 1
		if random.IntN(2) == 0 {
			d += 2 * segment
		}
		if ends[d] == 0 && d < by {
			ends[d] = by
			lives.Supersede(d, by)
		}
	}
	dense, sparse := roaring.New(), roaring.New()
	dense.AddRange(1, last+1)
	for range 100 {
		sparse.Add(uint32(random.IntN(last)) + 1)
	}
	for _, at := range []Doc{2 * segment, 2*segment + 1000, 2*segment + segment/2, last} {
		for name, set := range map[string]*roaring.Bitmap{"dense": dense, "sparse": sparse, "empty": roaring.New()} {
			want := roaring.New()
			for it := set.Iterator(); it.HasNext(); {
				if d := Doc(it.Next()); d <= at && (ends[d] == 0 || ends[d] > at) {
					want.Add(uint32(d))
				}
			}
			got := set.Clone()
			if lives.Visible(got, at); !got.Equals(want) {
				t.Errorf("%s at %d: %d docs, want %d", name, at, got.GetCardinality(), want.GetCardinality())
			}
		}
	}
}

// TestVisibleAtTheLastDoc looks at the very end of the numbers.
func TestVisibleAtTheLastDoc(t *testing.T) {
	var lives Lifetimes
	lives.Supersede(MaxDoc-2, MaxDoc-1)
	set := roaring.New()
	set.AddRange(uint64(MaxDoc)-1000, uint64(MaxDoc)+1)
	if lives.Visible(set, MaxDoc); set.Contains(uint32(MaxDoc-2)) || set.GetCardinality() != 1000 {
		t.Errorf("%d docs", set.GetCardinality())
	}
}

// BenchmarkVisible narrows all of four segments where a hundredth of the docs
// were superseded.
func BenchmarkVisible(b *testing.B) {
	const docs = 4 << SegmentBits
	var lives Lifetimes
	for d := Doc(1); d < docs; d += 100 {
		lives.Supersede(d, docs)
	}
	all := roaring.New()
	all.AddRange(1, docs)
	b.ReportAllocs()
	for b.Loop() {
		lives.Visible(all.Clone(), docs)
	}
}
