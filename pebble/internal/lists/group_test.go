package lists

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
	"github.com/tarnhealth/tarn/search"
)

// drawKey draws a key of the form that a grouping is for, from few bytes, so
// that bounds and keys meet.
func drawKey(t *rapid.T, g Grouping) []byte {
	few := rapid.SampledFrom([]byte{0, 1, 2, 15, 16, 17, 127, 128, 255})
	tail := func(n int) []byte { return rapid.SliceOfN(few, n, n).Draw(t, "bytes") }
	switch g {
	case Dates:
		return append([]byte{rapid.SampledFrom([]byte{0, 1}).Draw(t, "form")}, tail(16)...)
	case Numbers:
		return append(append([]byte{rapid.SampledFrom([]byte{1, 3}).Draw(t, "sign")}, tail(rapid.IntRange(2, 5).Draw(t, "n"))...), 0)
	case Quantities:
		form := rapid.SampledFrom([]byte{0, 1, 2}).Draw(t, "form")
		if form == 2 {
			return append([]byte{2}, append(bytes.Repeat([]byte{7}, 8), tail(8)...)...)
		}
		return append([]byte{form}, tail(7)...)
	}
	word := rapid.SliceOfN(rapid.SampledFrom([]byte("abpz\xfe")), 0, 5).Draw(t, "word")
	if rapid.Bool().Draw(t, "exact") {
		return append([]byte{0}, tail(8)...)
	}
	return append(word, 0)
}

// drawSpan draws a range as queries ask for them: with keys or their
// beginnings as bounds, with and without an end.
func drawSpan(t *rapid.T, g Grouping) search.Span {
	bound := func(name string) []byte {
		key := drawKey(t, g)
		return key[:rapid.IntRange(0, len(key)).Draw(t, name)]
	}
	span := search.Span{From: bound("from")}
	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		return search.Prefix(span.From)
	case 1:
		span.To = bound("to")
	case 2:
		span.To = search.Prefix(drawKey(t, g)).To
	}
	return span
}

// TestPieces checks that a range and its pieces hold the same keys, where a
// group holds those that begin with it.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.SampledFrom([]Grouping{Ungrouped, Dates, Numbers, Quantities, Strings}).Draw(t, "grouping")
		span := drawSpan(t, g)
		pieces := g.pieces(span)
		for range 50 {
			key := drawKey(t, g)
			found := 0
			for _, p := range pieces {
				if p.has(g, key) {
					found++
				}
			}
			if want := span.Contains(key); found > 1 || found == 1 != want {
				t.Fatalf("%x in %x: %v, in %d pieces %v", key, span, want, found, pieces)
			}
		}
	})
}

// has reports whether a piece holds a key, as gatherPiece looks for it.
func (p piece) has(g Grouping, key []byte) bool {
	if p.level == 0 {
		return p.span.Contains(key)
	}
	levels := g.levels(append(key, 0)[0])
	for _, level := range levels {
		if level == p.level {
			return p.span.Contains(appendPrefix(nil, key, level))
		}
	}
	return false
}

// TestDatesOfManyYears takes a range of forty years apart into few pieces.
func TestDatesOfManyYears(t *testing.T) {
	at := func(micros uint64) []byte {
		key := []byte{0}
		for shift := 56; shift >= 0; shift -= 8 {
			key = append(key, byte(micros>>shift))
		}
		return append(key, make([]byte, 8)...)
	}
	const year = 365 * 24 * 3600 * 1e6
	span := search.Span{From: at(1<<63 + 3*year + 12345), To: at(1<<63 + 43*year + 54321)}
	groups := 0
	for _, p := range Dates.pieces(span) {
		if p.level == 0 {
			continue
		}
		for prefix := p.span.From; bytes.Compare(prefix, p.span.To) < 0; groups++ {
			prefix, _ = nextPrefix(prefix, p.level)
		}
	}
	if groups == 0 || groups > 80 {
		t.Errorf("%d groups", groups)
	}
}
