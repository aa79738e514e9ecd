package posting

import (
	"maps"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"
)

// drawLists draws lists of docs of some segments, sparse and dense ones.
func drawLists(t *rapid.T) map[uint16][]uint16 {
	lists := map[uint16][]uint16{}
	for _, segment := range []uint16{0, 1, 7} {
		n := rapid.SampledFrom([]int{0, 1, 5, 300, 5000}).Draw(t, "n")
		step := rapid.IntRange(1, 10).Draw(t, "step")
		start := rapid.IntRange(1, 200).Draw(t, "start")
		for i := range n {
			lists[segment] = append(lists[segment], uint16(start+step*i))
		}
	}
	return lists
}

func docsOf(lists map[uint16][]uint16) (docs []Doc) {
	for _, segment := range slices.Sorted(maps.Keys(lists)) {
		for _, low := range lists[segment] {
			docs = append(docs, Doc(segment)<<SegmentBits|Doc(low))
		}
	}
	return docs
}

// TestTally compares counts and pages with sets made visible.
func TestTally(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := drawLists(t)
		docs := docsOf(lists)
		var lives Lifetimes
		for i, d := range docs {
			if i%7 == 3 && rapid.Bool().Draw(t, "dead") {
				lives.Supersede(d, d+Doc(rapid.IntRange(1, 1<<17).Draw(t, "by")))
			}
		}
		at := Doc(rapid.SampledFrom([]int{100, 1000, 1<<16 + 50, 7<<16 + 900, 8 << 16}).Draw(t, "at"))
		set := roaring.New()
		for _, d := range docs {
			set.Add(uint32(d))
		}
		lives.Visible(set, at)
		tally := Tally{Lives: &lives, At: at, Desc: rapid.Bool().Draw(t, "desc"), Want: rapid.IntRange(0, 30).Draw(t, "want")}
		if len(docs) > 0 && rapid.Bool().Draw(t, "later") {
			tally.After = rapid.SampledFrom(docs).Draw(t, "after")
		}
		fillTally(t, &tally, lists)
		if tally.N != int(set.GetCardinality()) {
			t.Fatalf("%d docs, want %d", tally.N, set.GetCardinality())
		}
		if want := pageOf(set, &tally); !slices.Equal(tally.Docs(), want) {
			t.Fatalf("page %v, want %v", tally.Docs(), want)
		}
	})
}

// fillTally passes segments as containers and as gathered docs.
func fillTally(t *rapid.T, tally *Tally, lists map[uint16][]uint16) {
	var g Gather
	gather := map[uint16]bool{}
	for segment, lows := range lists {
		if gather[segment] = rapid.Bool().Draw(t, "gathered"); gather[segment] {
			g.AddDocs(docsOf(map[uint16][]uint16{segment: lows}))
		}
	}
	for _, segment := range slices.Sorted(maps.Keys(lists)) {
		g.Tally(tally, int(segment))
		if !gather[segment] {
			if err := tally.Add(segment, Append(nil, lists[segment])); err != nil {
				t.Fatal(err)
			}
		}
	}
	g.Tally(tally, 1<<16)
}

func pageOf(set *roaring.Bitmap, tally *Tally) (page []Doc) {
	all := set.ToArray()
	if tally.Desc {
		slices.Reverse(all)
	}
	for _, d := range all {
		behind := tally.After == 0 || !tally.Desc && Doc(d) > tally.After || tally.Desc && Doc(d) < tally.After
		if behind && len(page) < tally.Want {
			page = append(page, Doc(d))
		}
	}
	return page
}

// TestSieve compares a sieve, and marks, with an intersection.
func TestSieve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := roaring.New()
		for range rapid.IntRange(0, 100).Draw(t, "size") {
			set.Add(uint32(rapid.SampledFrom([]int{0, 1 << 16, 7 << 16}).Draw(t, "segment") + rapid.IntRange(0, 500).Draw(t, "low")))
		}
		sieve, want := NewSieve(set), roaring.New()
		marks := NewMarks(set)
		defer marks.Free()
		among := Among{Marks: marks}
		for range 2 {
			lists := drawLists(t)
			for segment, lows := range lists {
				docs := docsOf(map[uint16][]uint16{segment: lows})
				for _, d := range docs {
					want.Add(uint32(d))
				}
				for _, into := range []Into{sieve, &among} {
					if rapid.Bool().Draw(t, "docs") {
						into.AddDocs(docs)
					} else if err := into.Add(segment, Append(nil, lows)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		want.And(set)
		if got := sieve.Set(); !got.Equals(want) {
			t.Fatalf("%v, want %v", got, want)
		}
		got := roaring.New()
		for _, d := range among.Sorted() {
			got.Add(uint32(d))
		}
		if !got.Equals(want) {
			t.Fatalf("by marks %v, want %v", got, want)
		}
	})
}
