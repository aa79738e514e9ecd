package terminology

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A Wanted is a value that a property of a concept is to have.
type Wanted struct{ Property, Value string }

// A Match is a concept that has some of what is wanted.
type Match struct {
	Coding Coding
	// Unmatched is what it does not have.
	Unmatched []Wanted
}

// MaxMatches is how many concepts FindMatches finds.
const MaxMatches = 100

// FindMatches finds the concepts that have all that is wanted or, where there are
// none, those that have the most of it; at most MaxMatches. For people it does not
// mind upper and lower case and spaces, for machines (exact) it does.
// http://hl7.org/fhir/R4/codesystem-operation-find-matches.html
func (s *CodeSystem) FindMatches(wanted []Wanted, exact bool) ([]Match, error) {
	if s.concepts == nil || !s.Complete() && s.concepts.Len() == 0 {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the concepts of %s cannot be searched here: its content is %q", s.URL, s.Content)
	}
	same := func(a, b string) bool { return a == b }
	if !exact {
		same = alike
	}
	best := 1
	var found []member
	for at := range s.concepts.Len() {
		m := member{system: s, at: at}
		n := len(wanted) - len(m.lacks(wanted, same))
		if n > best {
			best, found = n, found[:0]
		}
		if n == best && len(found) < MaxMatches {
			found = append(found, m)
		}
	}
	var matches []Match
	for _, m := range found {
		matches = append(matches, Match{m.entry().Coding, m.lacks(wanted, same)})
	}
	return matches, nil
}

// lacks is what a concept does not have.
func (m member) lacks(wanted []Wanted, same func(a, b string) bool) (lacks []Wanted) {
	for _, w := range wanted {
		if !slices.ContainsFunc(m.values(w.Property), func(v string) bool { return same(v, w.Value) }) {
			lacks = append(lacks, w)
		}
	}
	return lacks
}

// alike reports whether two texts are the same but for case and spaces.
func alike(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}
