package posting

import (
	"testing"

	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
)

// TestPart asks a part for every doc that was added in lists and from heads, of
// its segment and of others, and for some that were not.
func TestPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Part{Segment: 1}
		defer p.Free()
		want := map[Doc]bool{}
		for range rapid.IntRange(0, 4).Draw(t, "lists") {
			segment := uint16(rapid.IntRange(0, 2).Draw(t, "segment"))
			lows := rapid.SliceOfNDistinct(rapid.Uint16Range(0, 5000), 0, 300, rapid.ID).Draw(t, "lows")
			set := map[uint16]bool{}
			for _, low := range lows {
				set[low] = true
			}
			sorted := lows[:0]
			for low := range uint16(5001) {
				if set[low] {
					sorted = append(sorted, low)
				}
			}
			var docs []Doc
			for _, low := range sorted {
				docs = append(docs, Doc(segment)<<SegmentBits|Doc(low))
			}
			if rapid.Bool().Draw(t, "head") {
				p.AddDocs(docs)
			} else if err := p.Add(segment, Append(nil, sorted)); err != nil {
				t.Fatal(err)
			}
			for _, d := range docs {
				want[d] = true
			}
			asked := Doc(1)<<SegmentBits | Doc(rapid.Uint16Range(0, 5000).Draw(t, "asked"))
			if p.Has(asked) != want[asked] {
				t.Fatalf("doc %d: %v between lists, want %v", asked, p.Has(asked), want[asked])
			}
		}
		for d := Doc(1) << SegmentBits; d < 1<<SegmentBits+5001; d++ {
			if p.Has(d) != want[d] {
				t.Fatalf("doc %d: %v, want %v", d, p.Has(d), want[d])
			}
		}
	})
}
