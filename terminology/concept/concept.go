// Package concept owns what is said of one concept of a code system, wherever
// that comes from: a CodeSystem resource, or a file of a loaded terminology.
//
// It leaves to others: where concepts are kept (terminology,
// terminology/codebook) and what is asked about them (terminology).
package concept

import (
	"iter"
	"math/bits"
	"strings"
	"unicode"
)

// A Coding is a code with where it is from.
type Coding struct {
	System, Version, Code, Display string
}

// A Concept is one concept of a code system. What subsumes it is known by the
// system.
type Concept struct {
	Code, Display, Definition string
	Properties                []Property
	Designations              []Designation
	// Inactive is set for a concept that is not to be used any more, Abstract
	// for one that only groups others.
	Inactive, Abstract bool
}

// A Property is a property of a concept. Kind is the FHIR type of its value
// ("code", "Coding", "boolean"); Text is a primitive value.
type Property struct {
	Code, Kind, Text string
	Coding           Coding
}

// A Designation is another text for a concept.
type Designation struct {
	Language, Value string
	Use             Coding
}

// Words are the words of a text by which concepts are found: in lower case, of
// letters, digits and hyphens.
func Words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-'
	})
}

// Bits are a set of concepts by their places.
type Bits []uint64

// NewBits makes an empty set for places from 0 to n-1.
func NewBits(n int) Bits { return make(Bits, (n+63)/64) }

// Add puts a place into the set; it must be one that the set was made for.
func (b Bits) Add(at int) { b[at>>6] |= 1 << (at & 63) }

// Remove takes a place out of the set.
func (b Bits) Remove(at int) {
	if b.Has(at) {
		b[at>>6] &^= 1 << (at & 63)
	}
}

// Has reports whether a place is in the set.
func (b Bits) Has(at int) bool {
	return at >= 0 && at>>6 < len(b) && b[at>>6]&(1<<(at&63)) != 0
}

// All yields the places in the set, in their order. Those that are removed
// meanwhile may still come.
func (b Bits) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range b {
			for ; word != 0; word &= word - 1 {
				if !yield(i<<6 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}
