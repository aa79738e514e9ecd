package terminology

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/concept"
)

// The parts of what is known of concepts.
type (
	// A Coding is a code with where it is from.
	Coding = concept.Coding
	// A Concept is one concept of a code system.
	Concept = concept.Concept
	// A Property is a property of a concept.
	Property = concept.Property
	// A Designation is another text for a concept.
	Designation = concept.Designation
)

// A CodeSystem is a code system as answers need it: of a CodeSystem resource, of
// a loaded terminology, or one that another server has. It is immutable.
// http://hl7.org/fhir/R4/codesystem.html
type CodeSystem struct {
	URL, Version, Name, Title string
	// Content is "complete" where all concepts that the system has are known,
	// "grammar" where a rule makes its codes, "external" where another server
	// is asked.
	Content       string
	CaseSensitive bool
	// Supplements are the canonical URLs of what was merged into it.
	Supplements []string

	concepts concepts
	// properties are those that it defines or its concepts have.
	properties map[string]bool
	// grammar tells of codes that concepts has not.
	grammar func(code string) (Concept, bool)
	remote  Remote
}

// concepts are those of a code system, at places from 0 to Len()-1.
type concepts interface {
	Len() int
	// Find is the place of a code, -1 where there is none.
	Find(code string) int
	At(at int) Concept
	Flags(at int) (inactive, abstract bool)
	// Parents and Children are what subsumes a concept directly, and what it
	// subsumes.
	Parents(at int) []int
	Children(at int) []int
	// Subsumes reports whether one concept is the other or an ancestor of it.
	Subsumes(ancestor, descendant int) bool
	// Values are the values of one of a concept's own properties, as text.
	Values(at int, property string) []string
}

// below is implemented by concepts that list all descendants themselves.
type below interface{ Below(at int) concept.Bits }

// sets is implemented by concepts among which the publisher defines sets.
type sets interface {
	Set(name string) concept.Bits
}

// matching is implemented by concepts that are found by words.
type matching interface {
	Matching(words []string) concept.Bits
}

// ofBook is the code system of a loaded terminology, made once for each book.
func ofBook(b *codebook.Book) *CodeSystem {
	return b.Made(func() any { return readBook(b) }).(*CodeSystem)
}

func readBook(b *codebook.Book) *CodeSystem {
	s := &CodeSystem{
		URL: b.URL, Version: b.Version, Name: b.Name, Title: b.Title,
		Content: "complete", CaseSensitive: b.CaseSensitive, concepts: b,
		properties: map[string]bool{},
	}
	for _, p := range b.Properties {
		s.properties[p.Code] = true
	}
	if s.URL == ucumURL {
		s.grammar, s.Content = unitOfMeasure, contentGrammar
	}
	return s
}

// Complete reports whether the system's concepts are all known and can be listed.
func (s *CodeSystem) Complete() bool { return s.Content == "complete" }

// A member is one concept of a system.
type member struct {
	system *CodeSystem
	// at is its place, -1 where it has none; then known is what is known of it.
	at    int
	known *Concept
}

// member finds the concept of a code. It is an error of KindNotFound where the
// system has no such code.
func (s *CodeSystem) member(code string) (member, error) {
	if s.concepts != nil {
		if at := s.concepts.Find(code); at >= 0 {
			return member{system: s, at: at}, nil
		}
	}
	if s.grammar != nil {
		if c, ok := s.grammar(code); ok {
			return member{s, -1, &c}, nil
		}
	}
	if s.remote != nil {
		c, err := s.remote.Lookup(Coding{System: s.URL, Version: s.Version, Code: code})
		if err != nil {
			return member{}, err
		}
		return member{s, -1, c}, nil
	}
	if s.grammar != nil {
		return member{}, fhir.Errorf(fhir.KindUnprocessable, "%q is no code of %s that is known here", code, s.URL)
	}
	if !s.Complete() {
		return member{}, fhir.Errorf(fhir.KindNotFound, "the code %q is not among the concepts of %s that are known here; its content is %q", code, s.URL, s.Content)
	}
	return member{}, fhir.Errorf(fhir.KindNotFound, "the code system %s has no code %q", s.URL, code)
}

// concept is what is known of it.
func (m member) concept() Concept {
	if m.known != nil {
		return *m.known
	}
	return m.system.concepts.At(m.at)
}

func (m member) flags() (inactive, abstract bool) {
	if m.known != nil {
		return m.known.Inactive, m.known.Abstract
	}
	return m.system.concepts.Flags(m.at)
}

func (m member) entry() Entry {
	c := m.concept()
	return Entry{
		Coding:   Coding{System: m.system.URL, Version: m.system.Version, Code: c.Code, Display: c.Display},
		Inactive: c.Inactive, Abstract: c.Abstract, Definition: c.Definition, Designations: c.Designations,
	}
}

// values are the values of a concept's property, as text. The elements of a
// concept are properties too.
// http://hl7.org/fhir/R4/codesystem.html#defined-props
func (m member) values(property string) []string {
	switch property {
	case "concept", "code":
		return []string{m.concept().Code}
	case "display":
		return []string{m.concept().Display}
	case "definition":
		return []string{m.concept().Definition}
	case "parent":
		return m.codes(concepts.Parents)
	case "child":
		return m.codes(concepts.Children)
	case "inactive":
		if inactive, _ := m.flags(); inactive {
			return []string{"true"}
		}
		return []string{"false"}
	}
	if m.known == nil {
		return m.system.concepts.Values(m.at, property)
	}
	return valuesOf(m.known, property)
}

func valuesOf(c *Concept, property string) (all []string) {
	for _, p := range c.Properties {
		if p.Code == property {
			all = append(all, p.Text)
		}
	}
	return all
}

// codes are the codes beside a concept.
func (m member) codes(which func(concepts, int) []int) (all []string) {
	if m.at < 0 {
		return nil
	}
	for _, at := range which(m.system.concepts, m.at) {
		all = append(all, m.system.codeAt(at))
	}
	return all
}

func (s *CodeSystem) codeAt(at int) string {
	if b, ok := s.concepts.(interface{ Code(at int) string }); ok {
		return b.Code(at)
	}
	return s.concepts.At(at).Code
}

// same reports whether two texts are one code of the system.
func (s *CodeSystem) same(a, b string) bool {
	return a == b || s != nil && !s.CaseSensitive && strings.EqualFold(a, b)
}

// belowOf are a concept and all that it subsumes.
func (s *CodeSystem) belowOf(at int) concept.Bits {
	if b, ok := s.concepts.(below); ok {
		return b.Below(at)
	}
	return s.reached(at, s.concepts.Children)
}

// aboveOf are a concept and all that subsume it.
func (s *CodeSystem) aboveOf(at int) concept.Bits { return s.reached(at, s.concepts.Parents) }

// reached are the places reached from one over and over, itself included.
func (s *CodeSystem) reached(at int, next func(int) []int) concept.Bits {
	seen := concept.NewBits(s.concepts.Len())
	seen.Add(at)
	for queue := []int{at}; len(queue) > 0; {
		at, queue = queue[len(queue)-1], queue[:len(queue)-1]
		for _, other := range next(at) {
			if !seen.Has(other) {
				seen.Add(other)
				queue = append(queue, other)
			}
		}
	}
	return seen
}

// Empty reports whether nothing is known of the system's codes.
func (s *CodeSystem) Empty() bool {
	return s.remote == nil && s.grammar == nil && (s.concepts == nil || s.concepts.Len() == 0)
}

// Hierarchical reports whether some of the concepts subsume others.
func (s *CodeSystem) Hierarchical() bool {
	if s.concepts == nil {
		return false
	}
	for at := range s.concepts.Len() {
		if len(s.concepts.Parents(at)) > 0 {
			return true
		}
	}
	return false
}
