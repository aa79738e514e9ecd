// Package codebook owns the compact form of large code systems: a file that is
// mapped into memory, not read into it, and in which a code is found, and
// whether it subsumes another, in about a microsecond.
//
// A file has, in this order:
//
//	"TARNBOOK", format version (4 bytes), length of the header (4 bytes)
//	the header, JSON: what system it is, property codes, uses, set names,
//	  where each section is
//	codes     a text table: the codes in byte order; a concept's place is its
//	          number here
//	texts     a text table: every other text, each once, in byte order
//	flags     one byte a concept: inactive, abstract
//	records   a list of byte strings, one a concept: numbers of display and
//	          definition, designations (language, use, text), properties (code,
//	          text)
//	parents, children, ancestors
//	          lists of places, one list a concept; ancestors has all, however far
//	words     a text table: the words of displays and designations
//	postings  lists of places, one list a word
//	sets      lists of places, one list a named set
//	checksum  8 bytes, xxHash64 of all before
//
// Numbers are little endian. A text table is front-coded in blocks of 16; a list
// of places is the differences of ascending places as variable-length numbers.
//
// Open reads a whole file once to compare its checksum: a damaged or cut file is
// refused. It leaves to others: which publisher's files a book is made from
// (terminology/distribution), and what is asked about codes (terminology).
package codebook

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/tarnhealth/tarn/terminology/concept"
)

const (
	magic  = "TARNBOOK"
	format = 1
	// fixed is what stands before the header.
	fixed = len(magic) + 8
)

// ErrDamaged says that a file is not a codebook, or not as it was written.
var ErrDamaged = errors.New("the file is damaged, or no codebook")

// Meta says what code system a book has.
type Meta struct {
	// URL is the system's canonical URL.
	URL     string `json:"url"`
	Version string `json:"version"`
	Name    string `json:"name"`
	Title   string `json:"title,omitempty"`
	// Source is the publisher's form that it was read from: "loinc" …
	Source        string `json:"source"`
	CaseSensitive bool   `json:"caseSensitive"`
	// Hierarchy is set where some concepts subsume others.
	Hierarchy bool `json:"hierarchy"`
	// Concepts is how many there are.
	Concepts int `json:"concepts"`
	// Properties are the codes and types of the properties of concepts.
	Properties []PropertyKind `json:"properties,omitempty"`
	// Sets are the names of the sets of concepts that the publisher defines, in
	// byte order.
	Sets []string `json:"sets,omitempty"`
}

// A PropertyKind is a property that concepts have: its code and the FHIR type of
// its values.
type PropertyKind struct {
	Code string `json:"code"`
	Kind string `json:"kind"`
}

type header struct {
	Meta
	Languages []string         `json:"languages,omitempty"`
	Uses      []concept.Coding `json:"uses,omitempty"`
	// Sections are offsets from the end of the header, and lengths.
	Sections map[string][2]int64 `json:"sections"`
}

// A Book is an open file. It is immutable and safe for concurrent use. The file
// stays mapped until nothing refers to the book.
type Book struct {
	header
	codes, texts, words                          table
	parents, children, ancestors, postings, sets lists
	records                                      lists
	flags                                        []byte
	made                                         atomic.Value
}

// Made is what was made of the book first: make is called once or, by callers at
// the same time, some times, and always makes one type.
func (b *Book) Made(make func() any) any {
	if made := b.made.Load(); made != nil {
		return made
	}
	b.made.CompareAndSwap(nil, make())
	return b.made.Load()
}

const (
	flagInactive = 1 << iota
	flagAbstract
)

// Open maps a file. A damaged one is refused with ErrDamaged.
func Open(path string) (*Book, error) {
	data, release, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	b, err := read(data)
	if err != nil {
		release()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	runtime.AddCleanup(b, func(release func()) { release() }, release)
	return b, nil
}

// read makes a book of the bytes of a file.
func read(data []byte) (*Book, error) {
	if len(data) < fixed+8 || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint32(data[len(magic):]); v != format {
		return nil, fmt.Errorf("%w: it is of format %d, and this program reads %d; load the terminology again", ErrDamaged, v, format)
	}
	body, sum := data[:len(data)-8], binary.LittleEndian.Uint64(data[len(data)-8:])
	if xxhash.Sum64(body) != sum {
		return nil, fmt.Errorf("%w: its checksum is not right", ErrDamaged)
	}
	length := int64(binary.LittleEndian.Uint32(data[len(magic)+4:]))
	rest := body[fixed:]
	if length > int64(len(rest)) {
		return nil, fmt.Errorf("%w: its header is cut", ErrDamaged)
	}
	b := &Book{}
	if err := json.Unmarshal(rest[:length], &b.header); err != nil {
		return nil, fmt.Errorf("%w: its header: %v", ErrDamaged, err)
	}
	if err := b.take(rest[length:]); err != nil {
		return b, err
	}
	b.codes.guide()
	return b, nil
}

// take finds the sections.
func (b *Book) take(data []byte) error {
	var failed error
	section := func(name string) []byte {
		at := b.Sections[name]
		if at[0] < 0 || at[1] < 0 || at[0] > int64(len(data)) || at[1] > int64(len(data))-at[0] {
			failed = fmt.Errorf("%w: its section %s is cut", ErrDamaged, name)
			return nil
		}
		return data[at[0] : at[0]+at[1]]
	}
	b.flags = section("flags")
	for name, to := range map[string]*table{"codes": &b.codes, "texts": &b.texts, "words": &b.words} {
		if err := to.open(section(name)); err != nil && failed == nil {
			failed = fmt.Errorf("section %s: %w", name, err)
		}
	}
	n := b.Concepts
	for name, to := range map[string]struct {
		*lists
		count int
	}{
		"records": {&b.records, n}, "parents": {&b.parents, n}, "children": {&b.children, n}, "ancestors": {&b.ancestors, n},
		"postings": {&b.postings, b.words.n}, "sets": {&b.sets, len(b.Meta.Sets)},
	} {
		if err := to.open(section(name)); err != nil && failed == nil {
			failed = fmt.Errorf("section %s: %w", name, err)
		}
		if to.n != to.count && failed == nil {
			failed = fmt.Errorf("%w: its section %s has %d lists, not %d", ErrDamaged, name, to.n, to.count)
		}
	}
	if failed == nil && (n < 0 || b.codes.n != n || len(b.flags) != n) {
		failed = fmt.Errorf("%w: it has %d codes and says %d", ErrDamaged, b.codes.n, n)
	}
	return failed
}

// Len is how many concepts there are.
func (b *Book) Len() int { return b.Concepts }

// Find is the place of a code, -1 where the system has it not.
func (b *Book) Find(code string) int {
	defer runtime.KeepAlive(b)
	at := b.codes.find(code)
	if at < 0 && !b.CaseSensitive {
		at = b.codes.find(strings.ToUpper(code))
	}
	return at
}

// Code is the code at a place.
func (b *Book) Code(at int) string {
	defer runtime.KeepAlive(b)
	return b.codes.at(at)
}

// Flags are whether a concept is inactive and abstract.
func (b *Book) Flags(at int) (inactive, abstract bool) {
	defer runtime.KeepAlive(b)
	if at < 0 || at >= len(b.flags) {
		return false, false
	}
	return b.flags[at]&flagInactive != 0, b.flags[at]&flagAbstract != 0
}

// At is the concept at a place.
func (b *Book) At(at int) concept.Concept {
	defer runtime.KeepAlive(b)
	c := concept.Concept{Code: b.codes.at(at)}
	c.Inactive, c.Abstract = b.Flags(at)
	r := cursor{b.records.bytes(at)}
	c.Display, c.Definition = b.text(r.next()), b.text(r.next())
	for n := r.count(3); n > 0; n-- {
		language, use, text := r.next(), r.next(), r.next()
		c.Designations = append(c.Designations, concept.Designation{Language: pick(b.Languages, language), Use: pick(b.Uses, use), Value: b.text(text)})
	}
	for n := r.count(2); n > 0; n-- {
		kind, text := pick(b.Meta.Properties, r.next()), b.text(r.next())
		c.Properties = append(c.Properties, concept.Property{Code: kind.Code, Kind: kind.Kind, Text: text})
	}
	return c
}

// text is the text of a number, where 0 is none.
func (b *Book) text(n int) string {
	if n <= 0 {
		return ""
	}
	return b.texts.at(n - 1)
}

// pick is an element of a list, the zero value where there is none.
func pick[T any](list []T, at int) (none T) {
	if at < 0 || at >= len(list) {
		return none
	}
	return list[at]
}

// Display is the display of the concept at a place.
func (b *Book) Display(at int) string {
	defer runtime.KeepAlive(b)
	r := cursor{b.records.bytes(at)}
	return b.text(r.next())
}

// Values are the values of one property of a concept.
func (b *Book) Values(at int, property string) []string {
	defer runtime.KeepAlive(b)
	wanted := slices.IndexFunc(b.Meta.Properties, func(p PropertyKind) bool { return p.Code == property })
	if wanted < 0 {
		return nil
	}
	r := cursor{b.records.bytes(at)}
	r.next()
	r.next()
	for n := r.count(3); n > 0; n-- {
		r.next()
		r.next()
		r.next()
	}
	var all []string
	for n := r.count(2); n > 0; n-- {
		kind, text := r.next(), r.next()
		if kind == wanted {
			all = append(all, b.text(text))
		}
	}
	return all
}

// Parents are the places of what subsumes a concept directly.
func (b *Book) Parents(at int) []int { defer runtime.KeepAlive(b); return b.places(&b.parents, at) }

// Children are the places of what a concept subsumes directly.
func (b *Book) Children(at int) []int { defer runtime.KeepAlive(b); return b.places(&b.children, at) }

func (b *Book) places(l *lists, at int) (all []int) {
	for place := range l.each(at) {
		if place >= b.Concepts {
			break
		}
		all = append(all, place)
	}
	return all
}

// Subsumes reports whether the concept at one place is that at the other or an
// ancestor of it.
func (b *Book) Subsumes(ancestor, descendant int) bool {
	defer runtime.KeepAlive(b)
	if ancestor == descendant {
		return true
	}
	for place := range b.ancestors.each(descendant) {
		if place >= ancestor {
			return place == ancestor
		}
	}
	return false
}

// Ancestors are the places of all that subsume a concept, but for itself.
func (b *Book) Ancestors(at int) []int { defer runtime.KeepAlive(b); return b.places(&b.ancestors, at) }

// Below are a concept and all that it subsumes.
func (b *Book) Below(at int) concept.Bits {
	defer runtime.KeepAlive(b)
	found := concept.NewBits(b.Concepts)
	if at < 0 || at >= b.Concepts {
		return found
	}
	found.Add(at)
	queue := []int{at}
	for len(queue) > 0 {
		next := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for child := range b.children.each(next) {
			if child < b.Concepts && !found.Has(child) {
				found.Add(child)
				queue = append(queue, child)
			}
		}
	}
	return found
}

// Set are the concepts of a set that the publisher defines, nil where there is
// none of that name.
func (b *Book) Set(name string) concept.Bits {
	defer runtime.KeepAlive(b)
	at, ok := slices.BinarySearch(b.Meta.Sets, name)
	if !ok {
		return nil
	}
	found := concept.NewBits(b.Concepts)
	b.mark(found, &b.sets, at)
	return found
}

// mark puts a list into a set.
func (b *Book) mark(found concept.Bits, l *lists, at int) {
	c := cursor{l.bytes(at)}
	for place := 0; len(c.rest) > 0; {
		if step := c.rest[0]; step < 0x80 { // as nearly all are, in lists that are long
			place += int(step)
			c.rest = c.rest[1:]
		} else {
			place += c.next()
		}
		if place >= b.Concepts {
			return
		}
		found.Add(place)
	}
}
