package posting

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestContainer(t *testing.T) {
	for _, n := range []int{0, 1, 2, maxList - 1, maxList, maxList + 1, maxList + 2, 1 << SegmentBits} {
		var lows []uint16
		for i := range n {
			lows = append(lows, uint16(i*(1<<SegmentBits/max(n, 1))))
		}
		b := Append(nil, lows)
		got, err := Read(nil, b)
		if err != nil || !slices.Equal(got, lows) || Len(b) != n {
			t.Errorf("%d lows come back as %d, len %d, %v", n, len(got), Len(b), err)
		}
		if n == 1 && len(b) != 2 {
			t.Errorf("a single doc takes %d bytes", len(b))
		}
	}
	for _, size := range []int{1, 3, bitmapBytes - 1, bitmapBytes + 2} {
		if _, err := Read(nil, make([]byte, size)); !errors.Is(err, ErrDamaged) {
			t.Errorf("a container of %d bytes: %v", size, err)
		}
	}
}

// TestGather adds containers and docs in any order and compares with a map.
func TestGather(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g Gather
		want := map[uint32]bool{}
		for range rapid.IntRange(1, 6).Draw(t, "adds") {
			segment := rapid.SampledFrom([]uint16{0, 1, 1 << 15}).Draw(t, "segment")
			n := rapid.SampledFrom([]int{1, 3, 4000, 5000}).Draw(t, "n")
			start := rapid.IntRange(0, 1<<SegmentBits-2*n).Draw(t, "start")
			var lows []uint16
			var docs []Doc
			for i := range n {
				low := uint16(start + 2*i)
				lows, docs = append(lows, low), append(docs, Doc(segment)<<SegmentBits|Doc(low))
				want[uint32(docs[i])] = true
			}
			if rapid.Bool().Draw(t, "head") {
				g.AddDocs(docs)
			} else if err := g.Add(segment, Append(nil, lows)); err != nil {
				t.Fatal(err)
			}
		}
		if got := g.Bitmap().ToArray(); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("%d docs, want %d", len(got), len(want))
		}
	})
}

func TestLifetimes(t *testing.T) {
	var l Lifetimes
	l.Supersede(3, 10)
	l.Supersede(70_000, 70_010)
	for _, c := range []struct {
		d, at Doc
		want  bool
	}{{3, 9, true}, {3, 10, false}, {4, 10, true}, {70_000, 70_009, true}, {70_000, 70_010, false}, {140_000, 140_000, true}} {
		if got := l.Alive(c.d, c.at); got != c.want {
			t.Errorf("%d at %d: alive is %v", c.d, c.at, got)
		}
	}
	l.Forget(10)
	if l.Alive(3, 9) || !l.Alive(70_000, 70_009) {
		t.Error("forget dropped the wrong chunk")
	}
	saved := map[uint16][]byte{}
	if _, err := l.Save(func(segment uint16, container []byte) error { saved[segment] = container; return nil }); err != nil || len(saved) != 2 {
		t.Fatalf("saved %d segments, %v", len(saved), err)
	}
	if got := saved[0]; !bytes.Equal(got, []byte{0, 3}) {
		t.Errorf("segment 0 is saved as %x", got)
	}
	if segments, _ := l.Save(nil); len(segments) != 0 {
		t.Errorf("saved again: %d", segments)
	}
}
