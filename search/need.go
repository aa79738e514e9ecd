package search

import (
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// An elementSet is a set of a type's elements, by Element.Index. Most of a
// type's parameters select elements that a given resource does not have: two
// words of bits tell so without evaluating their expressions.
type elementSet [4]uint64

func (s *elementSet) add(e *fhir.Element) { s[e.Index>>6&3] |= 1 << (e.Index & 63) }

func (s *elementSet) meets(t *elementSet) bool {
	return s[0]&t[0]|s[1]&t[1]|s[2]&t[2]|s[3]&t[3] != 0
}

// presentIn is the set of the elements that a resource has.
func presentIn(root fhir.Node) (s elementSet) {
	for c := range root.Children() {
		s.add(c.Element())
	}
	return s
}

// mayHaveValues is false where the resource lacks an element without which
// the parameter selects nothing.
func (p *Param) mayHaveValues(present *elementSet) bool {
	for i := range p.needs {
		if !p.needs[i].meets(present) {
			return false
		}
	}
	return true
}

// needsOf finds out what a parameter's expression begins with; a composite of
// the resource itself needs all that its components begin with.
func needsOf(t *fhir.Type, def *definition.SearchParameter) []elementSet {
	if isComputed(def.Expression) {
		return nil
	}
	if def.Expression != t.Name {
		if s, ok := startsOf(t, def.Expression, t.Name+"."); ok {
			return []elementSet{s}
		}
		return nil
	}
	var needs []elementSet
	for _, c := range def.Component {
		if s, ok := startsOf(t, c.Expression, ""); ok {
			needs = append(needs, s)
		}
	}
	return needs
}

// startsOf is the set of the elements that an expression of alternatives begins
// with; ok is false where one does not begin with the head and an element.
func startsOf(t *fhir.Type, expression, head string) (s elementSet, ok bool) {
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
		s.add(e)
	}
	return s, true
}
