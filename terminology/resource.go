package terminology

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// listed are the concepts of a CodeSystem resource, in its order.
type listed struct {
	all []listedConcept
	// folded is set where codes are the same in upper and lower case.
	folded bool
	places map[string]int
}

type listedConcept struct {
	Concept
	parents, children []int
}

func (l *listed) Len() int { return len(l.all) }

func (l *listed) key(code string) string {
	if l.folded {
		return strings.ToLower(code)
	}
	return code
}

func (l *listed) Find(code string) int {
	if at, ok := l.places[l.key(code)]; ok {
		return at
	}
	return -1
}

func (l *listed) At(at int) Concept     { return l.all[at].Concept }
func (l *listed) Code(at int) string    { return l.all[at].Code }
func (l *listed) Parents(at int) []int  { return l.all[at].parents }
func (l *listed) Children(at int) []int { return l.all[at].children }

func (l *listed) Flags(at int) (inactive, abstract bool) {
	return l.all[at].Inactive, l.all[at].Abstract
}

func (l *listed) Values(at int, property string) []string {
	return valuesOf(&l.all[at].Concept, property)
}

func (l *listed) Subsumes(ancestor, descendant int) bool {
	if ancestor == descendant {
		return true
	}
	seen := map[int]bool{descendant: true}
	for next := []int{descendant}; len(next) > 0; {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		for _, parent := range l.all[at].parents {
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
	}
	l := &listed{folded: !s.CaseSensitive, places: map[string]int{}}
	s.concepts = l
	s.properties = map[string]bool{}
	r := systemReader{into: l, standard: map[string]string{}, properties: s.properties}
	for p := range root.Each("property") {
		s.properties[p.TextOf("code")] = true
		if name, ok := strings.CutPrefix(p.TextOf("uri"), standard); ok {
			r.standard[p.TextOf("code")] = name
		}
	}
	meaning := root.TextOf("hierarchyMeaning")
	r.nested = meaning == "" || meaning == "is-a"
	r.concepts(root, -1)
	for _, k := range r.links {
		r.link(l.Find(k.parent), l.Find(k.child))
	}
	return s
}

type systemReader struct {
	into   *listed
	nested bool
	// standard are the standard names of properties by their codes.
	standard map[string]string
	// properties are the codes of those that concepts have.
	properties map[string]bool
	links      []struct{ parent, child string }
}

func (r *systemReader) concepts(n fhir.Node, parent int) {
	for c := range n.Each("concept") {
		at := len(r.into.all)
		x := Concept{Code: c.TextOf("code"), Display: c.TextOf("display"), Definition: c.TextOf("definition")}
		for p := range c.Each("property") {
			r.property(&x, p)
		}
		for d := range c.Each("designation") {
			x.Designations = append(x.Designations, readDesignation(d))
		}
		r.into.all = append(r.into.all, listedConcept{Concept: x})
		r.into.places[r.into.key(x.Code)] = at
		if r.nested && parent >= 0 {
			r.link(parent, at)
		}
		r.concepts(c, at)
	}
}

func (r *systemReader) link(parent, child int) {
	if parent < 0 || child < 0 || slices.Contains(r.into.all[child].parents, parent) {
		return
	}
	p, c := &r.into.all[parent], &r.into.all[child]
	p.children = append(p.children, child)
	c.parents = append(c.parents, parent)
}

func (r *systemReader) property(x *Concept, n fhir.Node) {
	p := readProperty(n)
	x.Properties = append(x.Properties, p)
	r.properties[p.Code] = true
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

func readProperty(n fhir.Node) Property {
	value := n.Child("value")
	p := Property{Code: n.TextOf("code"), Kind: value.Type().Name, Text: value.Text()}
	if p.Kind == "Coding" {
		p.Coding = readCoding(value)
		p.Text = p.Coding.Code
	}
	return p
}

func readDesignation(n fhir.Node) Designation {
	return Designation{Language: n.TextOf("language"), Value: n.TextOf("value"), Use: readCoding(n.Child("use"))}
}

func readCoding(n fhir.Node) Coding {
	return Coding{System: n.TextOf("system"), Version: n.TextOf("version"), Code: n.TextOf("code"), Display: n.TextOf("display")}
}
