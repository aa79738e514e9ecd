package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
	"github.com/tarnhealth/tarn/pebble/internal/codec"
	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/pebble/internal/rank"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

func TestHeader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := header{
			op: store.OpKind(rapid.IntRange(1, 3).Draw(t, "op")), born: rapid.Bool().Draw(t, "born"),
			prev: doc(rapid.Uint32().Draw(t, "prev")), number: rapid.Uint64().Draw(t, "number"),
			micros: rapid.Int64().Draw(t, "micros"), codec: codec.S2,
			at: rapid.IntRange(0, 1<<30).Draw(t, "at"), form: 2,
		}
		facts := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "facts")
		facts[0] &= 1<<7 - 1
		b := appendVersion(nil, &want, facts, "Patient", "a")
		got, resourceType, id, err := readVersion(b)
		if err != nil || got != want || resourceType != "Patient" || id != "a" {
			t.Fatalf("%+v comes back as %+v, %s/%s, %v", want, got, resourceType, id, err)
		}
		read, known, err := readFacts(b, int(facts[0]))
		if err != nil || !known || string(read) != string(facts[1:]) {
			t.Fatalf("facts %x come back as %x, %v, %v", facts, read, known, err)
		}
		if _, known, err := readFacts(b, int(facts[0])+1); known || err != nil {
			t.Fatalf("facts of entries made in another way: %v, %v", known, err)
		}
		if _, known, err := readFacts(appendVersion(nil, &want, nil, "Patient", "a"), 0); known || err != nil {
			t.Fatalf("facts of a version without: %v, %v", known, err)
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
	s.index.Store(&index{heads: []*posting.Head{posting.NewHead(1)}})
	for d := doc(1); d <= 300; d++ {
		h := s.index.Load().head()
		key := keys[int(d)*7%len(keys)]
		h.Add(d, []posting.Term{{Param: 5, Key: key}, {Param: 6, Key: []byte{9}}})
		switch d {
		case 150:
			if err := s.seal(seal{head: h, counts: tally{}}); err != nil {
				t.Fatal(err)
			}
		case 220:
			s.index.Store(&index{heads: []*posting.Head{h, posting.NewHead(221)}})
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
		w := &lists.Walk{Desc: rapid.Bool().Draw(t, "desc")}
		if err := w.Add(s.terms(), 5, span); err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		var want []string
		for _, key := range keys {
			if span.Contains(key) {
				want = append(want, fmt.Sprintf("%x 30", key))
			}
		}
		if w.Desc {
			slices.Reverse(want)
		}
		var got []string
		for key := w.Key(); key != nil; key = w.Key() {
			key = bytes.Clone(key)
			var g posting.Gather
			if err := w.Take(key, &g); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%x %d", key, g.Bitmap().GetCardinality()))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("walk %x: %v, want %v", span, got, want)
		}
		terms := s.terms()
		defer terms.Close()
		set, err := terms.Union(&lists.Query{Param: 5, Spans: []search.Span{span}})
		if err != nil || int(set.GetCardinality()) != 30*len(want) {
			t.Fatalf("union of %x: %d docs, %v, want %d", span, set.GetCardinality(), err, 30*len(want))
		}
	})
	// Let Close seal what fits the store's (empty) log.
	s.index.Store(&index{heads: []*posting.Head{posting.NewHead(1)}})
}

// TestCursorErased: the last resource of a page is erased before the cursor
// behind it is made.
func TestCursorErased(t *testing.T) {
	s := openTest(t, vfs.NewMem(), 0)
	defer s.Close()
	for i, name := range []string{"a", "b", "c"} {
		if _, err := s.Commit(t.Context(), []store.Op{testOp(fmt.Sprint(i), name)}); err != nil {
			t.Fatal(err)
		}
	}
	gone := []store.Erasure{{Type: "Patient", ID: "1"}, {Type: "Patient", ID: "2"}}
	if n, err := s.Erase(t.Context(), gone); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	e := (&view{store: s, at: 3}).evaluation(t.Context())
	defer e.close()
	sort := []search.SortKey{{Params: []*search.Param{testName}}}
	docs, next, err := e.cursorAt(sort, []doc{1, 2, 3})
	if err != nil || !slices.Equal(docs, []doc{1}) {
		t.Fatalf("%v, %v", docs, err)
	}
	if row, err := rank.ReadCursor(next, 1); err != nil || row.Doc != 1 {
		t.Fatalf("the next page is behind %+v, %v", row, err)
	}
	if _, _, err := e.cursorAt(sort, []doc{2, 3}); !errors.Is(err, errErased) {
		t.Fatalf("all of the page erased: %v", err)
	}
}
