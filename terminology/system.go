package terminology

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A CodeSystem is a CodeSystem resource as answers need it. It is immutable.
// http://hl7.org/fhir/R4/codesystem.html
type CodeSystem struct {
	URL, Version, Name, Title string
	// Content is "complete" where Concepts are all that the system has.
	Content       string
	CaseSensitive bool
	Concepts      []Concept
	places        map[string]int
}

// A Concept is one concept of a code system.
type Concept struct {
	Code, Display, Definition string
	// Parents and Children are places in Concepts: what subsumes it directly,
	// and what it subsumes.
	Parents, Children []int
	Properties        []Property
	Designations      []Designation
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

// standard is the base of the properties that have a meaning of their own.
// http://hl7.org/fhir/R4/codesystem-concept-properties.html
const standard = "http://hl7.org/fhir/concept-properties#"

// ReadSystem reads a CodeSystem resource. One concept subsumes another by
// nesting, unless hierarchyMeaning says otherwise, and by the properties
// parent, subsumedBy and child.
func ReadSystem(root fhir.Node) *CodeSystem {
	s := &CodeSystem{
		URL: root.TextOf("url"), Version: root.TextOf("version"), Name: root.TextOf("name"), Title: root.TextOf("title"),
		Content: root.TextOf("content"), CaseSensitive: root.TextOf("caseSensitive") != "false",
		places: map[string]int{},
	}
	r := systemReader{system: s, standard: map[string]string{}}
	for p := range root.Each("property") {
		if name, ok := strings.CutPrefix(p.TextOf("uri"), standard); ok {
			r.standard[p.TextOf("code")] = name
		}
	}
	meaning := root.TextOf("hierarchyMeaning")
	r.nested = meaning == "" || meaning == "is-a"
	r.concepts(root, -1)
	for _, l := range r.links {
		r.link(s.Find(l.parent), s.Find(l.child))
	}
	return s
}

type systemReader struct {
	system *CodeSystem
	nested bool
	// standard are the standard names of properties by their codes.
	standard map[string]string
	links    []struct{ parent, child string }
}

func (r *systemReader) concepts(n fhir.Node, parent int) {
	for c := range n.Each("concept") {
		at := len(r.system.Concepts)
		x := Concept{Code: c.TextOf("code"), Display: c.TextOf("display"), Definition: c.TextOf("definition")}
		for p := range c.Each("property") {
			r.property(&x, p)
		}
		for d := range c.Each("designation") {
			x.Designations = append(x.Designations, readDesignation(d))
		}
		r.system.Concepts = append(r.system.Concepts, x)
		r.system.places[r.system.key(x.Code)] = at
		if r.nested && parent >= 0 {
			r.link(parent, at)
		}
		r.concepts(c, at)
	}
}

func (r *systemReader) link(parent, child int) {
	if parent < 0 || child < 0 || slices.Contains(r.system.Concepts[child].Parents, parent) {
		return
	}
	p, c := &r.system.Concepts[parent], &r.system.Concepts[child]
	p.Children = append(p.Children, child)
	c.Parents = append(c.Parents, parent)
}

func (r *systemReader) property(x *Concept, n fhir.Node) {
	value := n.Child("value")
	p := Property{Code: n.TextOf("code"), Kind: value.Type().Name, Text: value.Text()}
	if p.Kind == "Coding" {
		p.Coding = readCoding(value)
		p.Text = p.Coding.Code
	}
	x.Properties = append(x.Properties, p)
	name := r.standard[p.Code]
	if name == "" {
		name = p.Code
	}
	switch name {
	case "parent", "subsumedBy":
		r.links = append(r.links, struct{ parent, child string }{p.Text, x.Code})
	case "child":
		r.links = append(r.links, struct{ parent, child string }{x.Code, p.Text})
	case "inactive":
		x.Inactive = x.Inactive || p.Text == "true"
	case "status":
		x.Inactive = x.Inactive || p.Text == "retired" || p.Text == "inactive"
	case "notSelectable", "abstract":
		x.Abstract = x.Abstract || p.Text == "true"
	}
}

func readDesignation(n fhir.Node) Designation {
	return Designation{Language: n.TextOf("language"), Value: n.TextOf("value"), Use: readCoding(n.Child("use"))}
}

func readCoding(n fhir.Node) Coding {
	return Coding{System: n.TextOf("system"), Version: n.TextOf("version"), Code: n.TextOf("code"), Display: n.TextOf("display")}
}

// key is how a code is found.
func (s *CodeSystem) key(code string) string {
	if s.CaseSensitive {
		return code
	}
	return strings.ToLower(code)
}

// Find is the place of a code in Concepts, -1 where the system has it not.
func (s *CodeSystem) Find(code string) int {
	if at, ok := s.places[s.key(code)]; ok {
		return at
	}
	return -1
}

// Complete reports whether the system's concepts are all known.
func (s *CodeSystem) Complete() bool { return s.Content == "complete" }

// concept is the concept of a code. It is an error of KindNotFound where the
// system has no such code.
func (s *CodeSystem) concept(code string) (*Concept, error) {
	if at := s.Find(code); at >= 0 {
		return &s.Concepts[at], nil
	}
	if !s.Complete() {
		return nil, fhir.Errorf(fhir.KindNotFound, "the code %q is not among the concepts of %s that are known here; its content is %q", code, s.URL, s.Content)
	}
	return nil, fhir.Errorf(fhir.KindNotFound, "the code system %s has no code %q", s.URL, code)
}

// Subsumes reports whether the concept at one place is that at the other or an
// ancestor of it.
func (s *CodeSystem) Subsumes(ancestor, descendant int) bool {
	if ancestor == descendant {
		return true
	}
	seen := map[int]bool{descendant: true}
	next := []int{descendant}
	for len(next) > 0 {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		for _, parent := range s.Concepts[at].Parents {
			if parent == ancestor {
				return true
			}
			if !seen[parent] {
				seen[parent] = true
				next = append(next, parent)
			}
		}
	}
	return false
}

// related are the places reached from one over Children or Parents, itself
// first.
func (s *CodeSystem) related(at int, next func(*Concept) []int) map[int]bool {
	seen := map[int]bool{at: true}
	queue := []int{at}
	for i := 0; i < len(queue); i++ {
		for _, other := range next(&s.Concepts[queue[i]]) {
			if !seen[other] {
				seen[other] = true
				queue = append(queue, other)
			}
		}
	}
	return seen
}

func children(c *Concept) []int { return c.Children }
func parents(c *Concept) []int  { return c.Parents }

// values are the values of a concept's property, as text. The elements of a
// concept are properties too.
// http://hl7.org/fhir/R4/codesystem.html#defined-props
func (s *CodeSystem) values(at int, property string) []string {
	c := &s.Concepts[at]
	switch property {
	case "concept", "code":
		return []string{c.Code}
	case "display":
		return []string{c.Display}
	case "definition":
		return []string{c.Definition}
	case "parent":
		return s.codes(c.Parents)
	case "child":
		return s.codes(c.Children)
	case "inactive":
		if c.Inactive {
			return []string{"true"}
		}
		return []string{"false"}
	}
	var all []string
	for _, p := range c.Properties {
		if p.Code == property {
			all = append(all, p.Text)
		}
	}
	return all
}

func (s *CodeSystem) codes(places []int) []string {
	var all []string
	for _, at := range places {
		all = append(all, s.Concepts[at].Code)
	}
	return all
}
