package definition

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// A CodeSystem is what search needs to know of a code system.
// http://hl7.org/fhir/R4/codesystem.html
type CodeSystem struct {
	URL           string
	CaseSensitive bool
	// Complete is set where Concepts are all that the system has.
	Complete bool
	Concepts []Concept
}

// A Concept is one concept of a code system.
type Concept struct {
	Code string
	// Parents are the places in Concepts of those that subsume it directly.
	Parents []int
}

// CodeSystems yields every code system of the set, in no order.
func (s *Set) CodeSystems() iter.Seq[*CodeSystem] { return maps.Values(s.systems) }

// Find is the place of a code in Concepts, -1 where the system has it not.
func (s *CodeSystem) Find(code string) int {
	return slices.IndexFunc(s.Concepts, func(c Concept) bool {
		return c.Code == code || !s.CaseSensitive && strings.EqualFold(c.Code, code)
	})
}

// Above returns the places of a concept and of all that subsume it.
func (s *CodeSystem) Above(at int) []int {
	found, seen := []int{at}, map[int]bool{at: true}
	for i := 0; i < len(found); i++ {
		for _, parent := range s.Concepts[found[i]].Parents {
			if !seen[parent] {
				seen[parent] = true
				found = append(found, parent)
			}
		}
	}
	return found
}

// Below returns the places of a concept and of all that it subsumes.
func (s *CodeSystem) Below(at int) []int {
	children := make([][]int, len(s.Concepts))
	for i, c := range s.Concepts {
		for _, parent := range c.Parents {
			children[parent] = append(children[parent], i)
		}
	}
	found, seen := []int{at}, map[int]bool{at: true}
	for i := 0; i < len(found); i++ {
		for _, child := range children[found[i]] {
			if !seen[child] {
				seen[child] = true
				found = append(found, child)
			}
		}
	}
	return found
}
