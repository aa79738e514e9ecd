package terminology

import (
	"slices"
	"strings"
	"unicode"

	"github.com/tarnhealth/tarn/fhir"
)

// MaxExpansion is how many codes an expansion has that is not asked for in
// pages.
const MaxExpansion = 10_000

// Expand says what of a value set to list.
// http://hl7.org/fhir/R4/valueset-operation-expand.html
type Expand struct {
	// Filter keeps the codes of which code, display or a designation has words
	// that begin with each of its words.
	Filter string
	// ActiveOnly leaves out concepts that are not to be used any more,
	// SelectableOnly those that only group others.
	ActiveOnly, SelectableOnly bool
	// Exclude are systems to leave out.
	Exclude []string
	// Offset and Count cut a page out; a negative Count is no limit.
	Offset, Count int
	Versions      Versions
}

// An Expansion is a list of codes. Total is how many there are in all pages.
type Expansion struct {
	Total   int
	Entries []Entry
	// Systems are the canonical URLs, with versions, of the code systems that
	// the entries are from.
	Systems []string
}

// Expand lists the codes of the value set, in the order of its includes. More
// than MaxExpansion codes without a Count are an error of KindTooCostly.
func (v *ValueSet) Expand(x Expand) (*Expansion, error) {
	out := &Expansion{Entries: []Entry{}}
	words := wordsOf(x.Filter)
	tooMany := false
	err := v.each(scope{versions: x.Versions}, func(e Entry) bool {
		if x.ActiveOnly && e.Inactive || x.SelectableOnly && e.Abstract || slices.Contains(x.Exclude, e.System) || !e.matches(words) {
			return true
		}
		out.Total++
		if out.Total > x.Offset && (x.Count < 0 || len(out.Entries) < x.Count) {
			out.Entries = append(out.Entries, e)
		}
		if used := Canonical(e.System, e.Version); !slices.Contains(out.Systems, used) {
			out.Systems = append(out.Systems, used)
		}
		tooMany = len(out.Entries) > MaxExpansion
		return !tooMany
	})
	if tooMany {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the expansion has more than %d codes; narrow it by filter, or ask for it in pages by offset and count", MaxExpansion)
	}
	return out, err
}

// matches reports whether each word begins a word of the entry's texts.
func (e *Entry) matches(words []string) bool {
	if len(words) == 0 {
		return true
	}
	own := append(wordsOf(e.Display), strings.ToLower(e.Code))
	for _, d := range e.Designations {
		own = append(own, wordsOf(d.Value)...)
	}
	for _, word := range words {
		if !slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(o, word) }) {
			return false
		}
	}
	return true
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-'
	})
}

// In is the display of an entry in a language: a designation in it, or in a
// more special one, where there is one.
func (e *Entry) In(language string) string {
	if language == "" {
		return e.Display
	}
	for _, d := range e.Designations {
		if matchesLanguage(d.Language, language) {
			return d.Value
		}
	}
	return e.Display
}

// matchesLanguage is basic filtering of language ranges (RFC 4647, section
// 3.3.1): "de" takes in "de-CH".
func matchesLanguage(tag, asked string) bool {
	tag, asked = strings.ToLower(tag), strings.ToLower(asked)
	return tag == asked || strings.HasPrefix(tag, asked+"-")
}
