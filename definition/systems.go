package definition

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
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
	// Properties are values by the property's code. The concepts of a release
	// have none.
	Properties map[string][]string
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

// ReadCodeSystem reads a CodeSystem resource. One concept subsumes another by
// nesting, unless hierarchyMeaning says otherwise, and by the properties
// parent, subsumedBy and child.
// http://hl7.org/fhir/R4/codesystem-concept-properties.html
func ReadCodeSystem(root fhir.Node) *CodeSystem {
	s := &CodeSystem{
		URL: root.TextOf("url"), CaseSensitive: root.TextOf("caseSensitive") != "false",
		Complete: root.TextOf("content") == "complete",
	}
	r := systemReader{system: s, at: map[string]int{}, names: map[string]string{}}
	for p := range root.Each("property") {
		if _, name, ok := strings.Cut(p.TextOf("uri"), "http://hl7.org/fhir/concept-properties#"); ok {
			r.names[p.TextOf("code")] = name
		}
	}
	meaning := root.TextOf("hierarchyMeaning")
	r.isA = meaning == "" || meaning == "is-a"
	r.concepts(root, -1)
	for _, l := range r.links {
		child, ok := r.at[l.child]
		parent, ok2 := r.at[l.parent]
		if c := &s.Concepts[child]; ok && ok2 && !slices.Contains(c.Parents, parent) {
			c.Parents = append(c.Parents, parent)
		}
	}
	return s
}

type systemReader struct {
	system *CodeSystem
	isA    bool
	at     map[string]int
	// names are the standard names of properties with another code.
	names map[string]string
	links []conceptLink
}

type conceptLink struct{ child, parent string }

func (r *systemReader) concepts(n fhir.Node, parent int) {
	for c := range n.Each("concept") {
		at := len(r.system.Concepts)
		x := Concept{Code: c.TextOf("code")}
		if r.isA && parent >= 0 {
			x.Parents = []int{parent}
		}
		r.at[x.Code] = at
		for p := range c.Each("property") {
			r.property(&x, p)
		}
		r.system.Concepts = append(r.system.Concepts, x)
		r.concepts(c, at)
	}
}

func (r *systemReader) property(x *Concept, p fhir.Node) {
	code, value := p.TextOf("code"), p.Child("value")
	text := value.Text()
	if value.Exists() && !value.IsPrimitive() {
		text = value.TextOf("code") // of a Coding
	}
	name := r.names[code]
	if name == "" {
		name = code
	}
	switch name {
	case "parent", "subsumedBy":
		r.links = append(r.links, conceptLink{x.Code, text})
	case "child":
		r.links = append(r.links, conceptLink{text, x.Code})
	}
	if x.Properties == nil {
		x.Properties = map[string][]string{}
	}
	x.Properties[code] = append(x.Properties[code], text)
}
