package terminology

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology/concept"
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
	last    *CodeSystem
}

// Expand lists the codes of the value set, in the order of its includes. More
// than MaxExpansion codes without a Count are an error of KindTooCostly.
func (v *ValueSet) Expand(x Expand) (*Expansion, error) {
	out := &Expansion{Entries: []Entry{}}
	words := concept.Words(x.Filter)
	tooMany := false
	in := scope{versions: x.Versions, listing: &listing{tests: map[*clause][]test{}, filter: x.Filter, words: words}}
	err := v.each(in, func(i *item) bool {
		inactive, abstract := i.flags()
		if x.ActiveOnly && inactive || x.SelectableOnly && abstract || slices.Contains(x.Exclude, i.system()) || !i.found && len(words) > 0 && !i.matches(words) {
			return true
		}
		out.Total++
		out.use(i)
		if out.Total > x.Offset && (x.Count < 0 || len(out.Entries) < x.Count) {
			out.Entries = append(out.Entries, i.entry())
		}
		tooMany = len(out.Entries) > MaxExpansion
		return !tooMany
	})
	if tooMany {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the expansion has more than %d codes; narrow it by filter, or ask for it in pages by offset and count", MaxExpansion)
	}
	return out, err
}

// Codes are all codes of the value set, by system. More than limit are an error
// of KindTooCostly.
func (v *ValueSet) Codes(limit int) (map[string]map[string]bool, error) {
	all, n := map[string]map[string]bool{}, 0
	err := v.each(scope{listing: &listing{tests: map[*clause][]test{}}}, func(i *item) bool {
		c := i.coding()
		if all[c.System] == nil {
			all[c.System] = map[string]bool{}
		}
		all[c.System][c.Code] = true
		n++
		return n <= limit
	})
	if err == nil && n > limit {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the value set %s has more than %d codes", v.URL, limit)
	}
	return all, err
}

// use takes note of the code system of an item.
func (x *Expansion) use(i *item) {
	if i.lazy && x.last == i.m.system {
		return
	}
	c := i.e.Coding
	if i.lazy {
		x.last = i.m.system
		c = Coding{System: x.last.URL, Version: x.last.Version}
	}
	if used := Canonical(c.System, c.Version); !slices.Contains(x.Systems, used) {
		x.Systems = append(x.Systems, used)
	}
}

func (i *item) matches(words []string) bool {
	e := i.entry()
	return e.matches(words)
}

// matches reports whether each word begins a word of the entry's texts.
func (e *Entry) matches(words []string) bool {
	if len(words) == 0 {
		return true
	}
	own := append(concept.Words(e.Display), strings.ToLower(e.Code))
	for _, d := range e.Designations {
		own = append(own, concept.Words(d.Value)...)
	}
	for _, word := range words {
		if !slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(o, word) }) {
			return false
		}
	}
	return true
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
