// Package need owns which elements a resource must have for an expression to
// select anything in it, so that most expressions need not be evaluated.
package need

import (
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// A Set is a set of a type's elements, by Element.Index. Most of a
// type's parameters select elements that a given resource does not have: two
// words of bits tell so without evaluating their expressions.
type Set [4]uint64

// Add adds an element.
func (s *Set) Add(e *fhir.Element) { s[e.Index>>6&3] |= 1 << (e.Index & 63) }

// Meets reports whether the sets have an element in common.
func (s *Set) Meets(t *Set) bool {
	return s[0]&t[0]|s[1]&t[1]|s[2]&t[2]|s[3]&t[3] != 0
}

// In is the set of the elements that a resource has.
func In(root fhir.Node) (s Set) {
	for c := root.First(); c.Exists(); c = c.Next() {
		s.Add(c.Element())
	}
	return s
}

// Of finds out what a parameter's expression begins with; a composite of
// the resource itself needs all that its components begin with.
func Of(t *fhir.Type, def *definition.SearchParameter) []Set {
	if def.Expression != t.Name {
		if s, ok := startsOf(t, def.Expression, t.Name+"."); ok {
			return []Set{s}
		}
		return nil
	}
	var needs []Set
	for _, c := range def.Component {
		if s, ok := startsOf(t, c.Expression, ""); ok {
			needs = append(needs, s)
		}
	}
	return needs
}

// startsOf is the set of the elements that an expression of alternatives begins
// with; ok is false where one does not begin with the head and an element.
func startsOf(t *fhir.Type, expression, head string) (s Set, ok bool) {
	for path := range strings.SplitSeq(expression, "|") {
		path, ok = strings.CutPrefix(strings.TrimLeft(path, "( "), head)
		if !ok {
			for _, base := range []string{"Resource.", "DomainResource."} {
				if !ok {
					path, ok = strings.CutPrefix(path, base)
				}
			}
		}
		n := 0
		for n < len(path) && (isLetter(path[n]) || path[n] >= '0' && path[n] <= '9') {
			n++
		}
		e := t.Element(path[:n])
		if !ok || e == nil || n < len(path) && path[n] == '(' {
			return s, false
		}
		s.Add(e)
	}
	return s, true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
