package codebook_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/concept"
)

// animals is a small system in which a concept has two parents.
func animals() *codebook.Builder {
	b := codebook.NewBuilder(codebook.Meta{URL: "http://x.org/animals", Version: "1", Name: "Animals", Source: "test"})
	add := func(c concept.Concept, parents ...string) { b.Add(c, parents...) }
	add(concept.Concept{Code: "ANIMAL", Display: "Animal", Abstract: true})
	add(concept.Concept{Code: "PET", Display: "Pet, kept at home"}, "ANIMAL")
	add(concept.Concept{Code: "DOG", Display: "Dog", Definition: "It barks.",
		Designations: []concept.Designation{{Language: "de", Value: "Hund"}, {Language: "fr", Value: "chien", Use: concept.Coding{System: "u", Code: "s"}}},
		Properties:   []concept.Property{{Code: "legs", Kind: "integer", Text: "4"}, {Code: "sound", Kind: "string", Text: "Dog"}}}, "ANIMAL")
	add(concept.Concept{Code: "LAPDOG", Display: "Lap dog", Inactive: true}, "DOG", "PET", "NOWHERE")
	b.AddTo("small", "LAPDOG")
	b.AddTo("small", "DOG")
	b.AddTo("small", "UNICORN")
	return b
}

func write(t testing.TB, b *codebook.Builder) (string, *codebook.Book) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.book")
	if _, err := b.Write(path); err != nil {
		t.Fatal(err)
	}
	book, err := codebook.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, book
}

func TestBook(t *testing.T) {
	_, b := write(t, animals())
	codes := func(places []int) (all []string) {
		for _, at := range places {
			all = append(all, b.Code(at))
		}
		return all
	}
	members := func(bits concept.Bits) (all []string) {
		for at := range b.Len() {
			if bits.Has(at) {
				all = append(all, b.Code(at))
			}
		}
		return all
	}
	want := concept.Concept{Code: "DOG", Display: "Dog", Definition: "It barks.",
		Designations: []concept.Designation{{Language: "de", Value: "Hund"}, {Language: "fr", Value: "chien", Use: concept.Coding{System: "u", Code: "s"}}},
		Properties:   []concept.Property{{Code: "legs", Kind: "integer", Text: "4"}, {Code: "sound", Kind: "string", Text: "Dog"}}}
	dog := b.Find("DOG")
	if diff := cmp.Diff(want, b.At(dog)); diff != "" {
		t.Error(diff)
	}
	inactive, _ := b.Flags(b.Find("LAPDOG"))
	_, abstract := b.Flags(b.Find("ANIMAL"))
	for name, got := range map[string]struct{ got, want any }{
		"inactive":      {inactive, true},
		"abstract":      {abstract, true},
		"lower case":    {b.Find("dog"), dog},
		"not there":     {b.Find("cat"), -1},
		"after all":     {b.Find("zzz"), -1},
		"parents":       {codes(b.Parents(b.Find("LAPDOG"))), []string{"DOG", "PET"}},
		"children":      {codes(b.Children(b.Find("ANIMAL"))), []string{"DOG", "PET"}},
		"ancestors":     {codes(b.Ancestors(b.Find("LAPDOG"))), []string{"ANIMAL", "DOG", "PET"}},
		"below":         {members(b.Below(dog)), []string{"DOG", "LAPDOG"}},
		"subsumes":      {b.Subsumes(b.Find("ANIMAL"), b.Find("LAPDOG")), true},
		"not upwards":   {b.Subsumes(b.Find("LAPDOG"), b.Find("ANIMAL")), false},
		"not beside":    {b.Subsumes(dog, b.Find("PET")), false},
		"itself":        {b.Subsumes(dog, dog), true},
		"set":           {members(b.Set("small")), []string{"DOG", "LAPDOG"}},
		"no set":        {b.Set("large") == nil, true},
		"word":          {members(b.Matching([]string{"do"})), []string{"DOG", "LAPDOG"}},
		"words":         {members(b.Matching([]string{"do", "lap"})), []string{"LAPDOG"}},
		"designation":   {members(b.Matching([]string{"hun"})), []string{"DOG"}},
		"code":          {members(b.Matching([]string{"lapd"})), []string{"LAPDOG"}},
		"no word":       {members(b.Matching([]string{"cat"})), []string(nil)},
		"property":      {b.Values(dog, "sound"), []string{"Dog"}},
		"no property":   {b.Values(dog, "fur"), []string(nil)},
		"display":       {b.Display(dog), "Dog"},
		"hierarchy":     {b.Hierarchy, true},
		"concepts":      {b.Concepts, 4},
		"outside":       {b.At(77).Code + b.At(-1).Code, ""},
		"outside flags": {codes(b.Parents(-5)), []string(nil)},
	} {
		if diff := cmp.Diff(got.want, got.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRefused(t *testing.T) {
	for want, parents := range map[string]map[string]string{
		"in a circle": {"a": "b", "b": "a"},
		"no code":     {"": ""},
	} {
		b := codebook.NewBuilder(codebook.Meta{})
		for code, parent := range parents {
			b.Add(concept.Concept{Code: code}, parent)
		}
		if _, err := b.Write(filepath.Join(t.TempDir(), "x")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want %q", err, want)
		}
	}
	twice := codebook.NewBuilder(codebook.Meta{})
	twice.Add(concept.Concept{Code: "a"})
	twice.Add(concept.Concept{Code: "a"})
	if _, err := twice.Write(filepath.Join(t.TempDir(), "x")); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a code that is there twice: %v", err)
	}
}

// TestDamaged changes each byte of a file, and cuts it everywhere: none of that
// is opened.
func TestDamaged(t *testing.T) {
	path, _ := write(t, animals())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "damaged")
	refused := func(what string, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := codebook.Open(file); !errors.Is(err, codebook.ErrDamaged) {
			t.Fatalf("%s is opened: %v", what, err)
		}
	}
	for i := range whole {
		changed := slices.Clone(whole)
		changed[i] ^= 0x10
		refused(fmt.Sprintf("a file with byte %d changed", i), changed)
		refused(fmt.Sprintf("a file cut at %d", i), whole[:i])
	}
}

// TestAgainstNaive compares books of random systems with what is right by
// definition.
func TestAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 70).Draw(t, "n")
		b := codebook.NewBuilder(codebook.Meta{CaseSensitive: true})
		above := map[string]map[string]bool{}
		var codes []string
		// Codes may begin alike for longer than the heads of blocks go.
		head := rapid.SampledFrom([]string{"c", "abcdefg", "abcdefgh", "abcdefghij", "\xff\xff\xff\xff\xff\xff\xff\xff"}).Draw(t, "head")
		for i := range n {
			code := fmt.Sprintf("%s%d", head, i*7919%1000)
			above[code] = map[string]bool{}
			var parents []string
			for range rapid.IntRange(0, min(i, 3)).Draw(t, "parents") {
				parent := codes[rapid.IntRange(0, i-1).Draw(t, "parent")]
				parents = append(parents, parent)
				above[code][parent] = true
				for a := range above[parent] {
					above[code][a] = true
				}
			}
			codes = append(codes, code)
			b.Add(concept.Concept{Code: code, Display: strings.Repeat("x", i)}, parents...)
		}
		dir, err := os.MkdirTemp("", "book")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if _, err := b.Write(filepath.Join(dir, "x")); err != nil {
			t.Fatal(err)
		}
		book, err := codebook.Open(filepath.Join(dir, "x"))
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range []string{"", "a", "abcdefgh", "abcdefgz", "c", "\xff", head + "x", head + "10000"} {
			if at := book.Find(other); at >= 0 {
				t.Fatalf("%q, which is not there, is found at %d", other, at)
			}
		}
		for i, x := range codes {
			if got := book.At(book.Find(x)); got.Code != x || len(got.Display) != i {
				t.Fatalf("%s is found as %+v", x, got)
			}
			below := book.Below(book.Find(x))
			for _, y := range codes {
				want := x == y || above[y][x]
				if got := book.Subsumes(book.Find(x), book.Find(y)); got != want || below.Has(book.Find(y)) != want {
					t.Fatalf("%s subsumes %s: %v, want %v", x, y, got, want)
				}
			}
		}
	})
}

// FuzzBook reads files whose checksum is right, whatever else is in them: it
// must end, and not panic.
func FuzzBook(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x")
	if _, err := animals().Write(path); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:len(whole)-8])
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := codebook.Read(binary.LittleEndian.AppendUint64(slices.Clone(body), xxhash.Sum64(body)))
		if err != nil {
			return
		}
		for at := range min(b.Len(), 100) {
			c := b.At(at)
			_ = b.Find(c.Code)
			for _, p := range c.Properties {
				_ = b.Values(at, p.Code)
			}
			_, _, _, _ = b.Parents(at), b.Children(at), b.Ancestors(at), b.Subsumes(0, at)
			_ = b.Below(at)
		}
		for _, set := range b.Sets {
			_ = b.Set(set)
		}
		_ = b.Matching([]string{"do", "l"})
	})
}

// BenchmarkSubsumes asks a system as deep and wide as large terminologies are.
func BenchmarkSubsumes(b *testing.B) {
	_, book := write(b, wide(300_000))
	from, to := book.Find("000000007"), book.Find("000299999")
	b.ResetTimer()
	for b.Loop() {
		_ = book.Subsumes(from, to)
	}
}

// BenchmarkFind looks a code up.
func BenchmarkFind(b *testing.B) {
	_, book := write(b, wide(300_000))
	b.ResetTimer()
	for b.Loop() {
		_ = book.Find("000234567")
	}
}

// BenchmarkAt reads a concept.
func BenchmarkAt(b *testing.B) {
	_, book := write(b, wide(300_000))
	b.ResetTimer()
	for b.Loop() {
		_ = book.At(234567)
	}
}

// BenchmarkMatching finds concepts by a word that all have and one that few have.
func BenchmarkMatching(b *testing.B) {
	_, book := write(b, wide(300_000))
	for _, number := range []string{"2345", "234"} {
		b.Run(number, func(b *testing.B) {
			for b.Loop() {
				_ = book.Matching([]string{"concept", "wide", number})
			}
		})
	}
}

// wide is a system of n concepts in which each has two parents.
func wide(n int) *codebook.Builder {
	b := codebook.NewBuilder(codebook.Meta{URL: "http://x.org/wide", CaseSensitive: true})
	for i := range n {
		c := concept.Concept{Code: fmt.Sprintf("%09d", i), Display: fmt.Sprintf("concept number %d of a wide system", i)}
		if i == 0 {
			b.Add(c)
			continue
		}
		b.Add(c, fmt.Sprintf("%09d", i/3), fmt.Sprintf("%09d", i/5))
	}
	return b
}
