package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

func TestContainer(t *testing.T) {
	for _, n := range []int{0, 1, 2, maxList - 1, maxList, maxList + 1, maxList + 2, 1 << segmentBits} {
		var lows []uint16
		for i := range n {
			lows = append(lows, uint16(i*(1<<segmentBits/max(n, 1))))
		}
		b := appendContainer(nil, lows)
		got, err := readContainer(nil, b)
		if err != nil || !slices.Equal(got, lows) || containerLen(b) != n {
			t.Errorf("%d lows come back as %d, len %d, %v", n, len(got), containerLen(b), err)
		}
		if n == 1 && len(b) != 2 {
			t.Errorf("a single doc takes %d bytes", len(b))
		}
	}
	for _, size := range []int{1, 3, bitmapBytes - 1, bitmapBytes + 2} {
		if _, err := readContainer(nil, make([]byte, size)); !errors.Is(err, errRecord) {
			t.Errorf("a container of %d bytes: %v", size, err)
		}
	}
}

// TestGather adds containers and docs in any order and compares with a map.
func TestGather(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g gather
		want := map[uint32]bool{}
		for range rapid.IntRange(1, 6).Draw(t, "adds") {
			segment := rapid.SampledFrom([]uint16{0, 1, 1 << 15}).Draw(t, "segment")
			n := rapid.SampledFrom([]int{1, 3, 4000, 5000}).Draw(t, "n")
			start := rapid.IntRange(0, 1<<segmentBits-2*n).Draw(t, "start")
			var lows []uint16
			var docs []doc
			for i := range n {
				low := uint16(start + 2*i)
				lows, docs = append(lows, low), append(docs, doc(segment)<<segmentBits|doc(low))
				want[uint32(docs[i])] = true
			}
			if rapid.Bool().Draw(t, "head") {
				g.addDocs(docs)
			} else if err := g.add(segment, appendContainer(nil, lows)); err != nil {
				t.Fatal(err)
			}
		}
		if got := g.bitmap().ToArray(); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			t.Fatalf("%d docs, want %d", len(got), len(want))
		}
		if got := g.among(g.bitmap(), 3); len(got) != min(3, len(want)) {
			t.Fatalf("the first docs are %d", got)
		}
	})
}

func TestHeader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := header{
			op: store.OpKind(rapid.IntRange(1, 3).Draw(t, "op")), born: rapid.Bool().Draw(t, "born"),
			prev: doc(rapid.Uint32().Draw(t, "prev")), number: rapid.Uint64().Draw(t, "number"),
			micros: rapid.Int64().Draw(t, "micros"), codec: codecS2,
			at: rapid.IntRange(0, 1<<30).Draw(t, "at"), form: 2,
		}
		b := appendVersion(nil, &want, "Patient", "a")
		got, resourceType, id, err := readVersion(b)
		if err != nil || got != want || resourceType != "Patient" || id != "a" {
			t.Fatalf("%+v comes back as %+v, %s/%s, %v", want, got, resourceType, id, err)
		}
		c := current{7, want}
		if got, err := readCurrent(c.append(nil)); err != nil || got != c {
			t.Fatalf("%+v comes back as %+v, %v", c, got, err)
		}
		for n := range len(b) - len("a") {
			if _, _, _, err := readVersion(b[:n]); err == nil {
				t.Fatalf("%d bytes of %d are accepted", n, len(b))
			}
		}
	})
}

// TestWalk walks random spans of prefix-free keys in both directions, over a
// file and two heads, and compares with a sorted list. Keys and bounds are of
// few letters, zero among them, so that many bounds extend a key.
func TestWalk(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, fs, 0)
	defer s.Close()
	keys := [][]byte{{1}, {2, 0}, {2, 1}, {2, 2, 0}, {2, 2, 1, 0}, {2, 2, 1, 1}, {3}, {4, 0, 0, 0, 0}, {5, 255, 255}, {255, 255}}
	s.index.Store(&index{heads: []*head{newHead(1)}})
	for d := doc(1); d <= 300; d++ {
		h := s.index.Load().head()
		key := keys[int(d)*7%len(keys)]
		h.add(d, []term{{5, key}, {6, []byte{9}}})
		switch d {
		case 150:
			if err := s.seal(seal{head: h, counts: tally{}}); err != nil {
				t.Fatal(err)
			}
		case 220:
			s.index.Store(&index{heads: []*head{h, newHead(221)}})
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.OneOf(
			rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 3, 4, 5, 255}), 0, 6),
			rapid.Map(rapid.SampledFrom(keys), func(key []byte) []byte { return append(bytes.Clone(key), 0) }),
			rapid.SampledFrom(keys))
		span := search.Span{From: bound.Draw(t, "from")}
		if rapid.Bool().Draw(t, "end") {
			span.To = bound.Draw(t, "to")
		}
		w := &walk{desc: rapid.Bool().Draw(t, "desc")}
		if err := w.add(s.terms(), 5, span); err != nil {
			t.Fatal(err)
		}
		defer w.close()
		var want []string
		for _, key := range keys {
			if span.Contains(key) {
				want = append(want, fmt.Sprintf("%x 30", key))
			}
		}
		if w.desc {
			slices.Reverse(want)
		}
		var got []string
		for key := w.key(); key != nil; key = w.key() {
			key = bytes.Clone(key)
			var g gather
			if err := w.take(key, &g); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%x %d", key, g.bitmap().GetCardinality()))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("walk %x: %v, want %v", span, got, want)
		}
		set, err := s.terms().union(5, []search.Span{span}, nil, nil)
		if err != nil || int(set.GetCardinality()) != 30*len(want) {
			t.Fatalf("union of %x: %d docs, %v, want %d", span, set.GetCardinality(), err, 30*len(want))
		}
	})
	// Let Close seal what fits the store's (empty) log.
	s.index.Store(&index{heads: []*head{newHead(1)}})
}

func TestLifetimes(t *testing.T) {
	var l lifetimes
	alive := func(d, at doc) bool {
		s := l.segments[d.segment()].Load()
		return s == nil || s.alive(uint16(d), at)
	}
	l.supersede(3, 10)
	l.supersede(70_000, 70_010)
	for _, c := range []struct {
		d, at doc
		want  bool
	}{{3, 9, true}, {3, 10, false}, {4, 10, true}, {70_000, 70_009, true}, {70_000, 70_010, false}, {140_000, 140_000, true}} {
		if got := alive(c.d, c.at); got != c.want {
			t.Errorf("%d at %d: alive is %v", c.d, c.at, got)
		}
	}
	l.forget(10)
	if alive(3, 9) || !alive(70_000, 70_009) {
		t.Error("forget dropped the wrong chunk")
	}
	saved := map[string][]byte{}
	if _, err := l.save(func(key, value []byte) error { saved[string(key)] = value; return nil }); err != nil || len(saved) != 2 {
		t.Fatalf("saved %d segments, %v", len(saved), err)
	}
	if got := saved[string(deadKey(0))]; !bytes.Equal(got, []byte{0, 3}) {
		t.Errorf("segment 0 is saved as %x", got)
	}
	if segments, _ := l.save(nil); len(segments) != 0 {
		t.Errorf("saved again: %d", segments)
	}
}
