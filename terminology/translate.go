package terminology

import (
	"slices"

	"github.com/tarnhealth/tarn/fhir"
)

// A ConceptMap is a ConceptMap resource as answers need it.
// http://hl7.org/fhir/R4/conceptmap.html
type ConceptMap struct {
	URL, Source, Target string
	groups              []mapGroup
	service             *Service
}

type mapGroup struct {
	source, target, sourceVersion, targetVersion string
	elements                                     []mapElement
	unmapped                                     unmapped
}

type mapElement struct {
	code, display string
	targets       []mapTarget
}

type mapTarget struct {
	code, display, equivalence string
	dependsOn, product         []Dependency
}

// unmapped says what becomes of a code that a group has no element for.
type unmapped struct{ mode, code, display, url string }

// A Dependency is another element that a mapping needs or makes.
type Dependency struct {
	Property string
	Coding   Coding
}

// ReadMap reads a ConceptMap resource.
func (s *Service) ReadMap(root fhir.Node) *ConceptMap {
	m := &ConceptMap{URL: root.TextOf("url"), Source: root.Child("source").Text(), Target: root.Child("target").Text(), service: s}
	for g := range root.Each("group") {
		group := mapGroup{
			source: g.TextOf("source"), target: g.TextOf("target"),
			sourceVersion: g.TextOf("sourceVersion"), targetVersion: g.TextOf("targetVersion"),
		}
		if u := g.Child("unmapped"); u.Exists() {
			group.unmapped = unmapped{u.TextOf("mode"), u.TextOf("code"), u.TextOf("display"), u.TextOf("url")}
		}
		for e := range g.Each("element") {
			group.elements = append(group.elements, readElement(e))
		}
		m.groups = append(m.groups, group)
	}
	return m
}

func readElement(n fhir.Node) mapElement {
	e := mapElement{code: n.TextOf("code"), display: n.TextOf("display")}
	for t := range n.Each("target") {
		target := mapTarget{code: t.TextOf("code"), display: t.TextOf("display"), equivalence: t.TextOf("equivalence")}
		for d := range t.Each("dependsOn") {
			target.dependsOn = append(target.dependsOn, readDependency(d))
		}
		for d := range t.Each("product") {
			target.product = append(target.product, readDependency(d))
		}
		e.targets = append(e.targets, target)
	}
	return e
}

func readDependency(n fhir.Node) Dependency {
	return Dependency{n.TextOf("property"), Coding{System: n.TextOf("system"), Code: n.TextOf("value"), Display: n.TextOf("display")}}
}

// A Translation is a code that another translates to.
type Translation struct {
	Equivalence string
	Coding      Coding
	Product     []Dependency
	// Map is the URL of the map that says so.
	Map string
}

// A Translate says what to translate.
// http://hl7.org/fhir/R4/conceptmap-operation-translate.html
type Translate struct {
	Codings []Coding
	// TargetSystem keeps the translations to one system, "" for all.
	TargetSystem string
	// Dependencies are the other elements that are known.
	Dependencies []Dependency
	// Reverse goes from targets to sources.
	Reverse bool
}

// Translate finds what codes translate to; nothing where the map does not say.
func (m *ConceptMap) Translate(x Translate) ([]Translation, error) { return m.translate(x, 0) }

func (m *ConceptMap) translate(x Translate, depth int) ([]Translation, error) {
	if depth > maxNesting {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "concept maps refer to each other for unmapped codes more than %d deep, at %s", maxNesting, m.URL)
	}
	var found []Translation
	for i := range m.groups {
		for _, c := range x.Codings {
			some, err := m.inGroup(&m.groups[i], c, x, depth)
			if err != nil {
				return nil, err
			}
			found = append(found, some...)
		}
	}
	return found, nil
}

func (m *ConceptMap) inGroup(g *mapGroup, c Coding, x Translate, depth int) ([]Translation, error) {
	if x.Reverse {
		return m.reversed(g, c, x), nil
	}
	if g.source != "" && c.System != "" && g.source != c.System || x.TargetSystem != "" && g.target != x.TargetSystem {
		return nil, nil
	}
	at := slices.IndexFunc(g.elements, func(e mapElement) bool { return e.code == c.Code })
	if at < 0 {
		return m.withoutElement(g, c, x, depth)
	}
	var found []Translation
	for _, t := range g.elements[at].targets {
		if depends(t.dependsOn, x.Dependencies) {
			found = append(found, Translation{t.equivalence, Coding{System: g.target, Version: g.targetVersion, Code: t.code, Display: t.display}, t.product, m.URL})
		}
	}
	return found, nil
}

// depends reports whether all that a mapping needs is known.
func depends(needed, known []Dependency) bool {
	for _, n := range needed {
		if !slices.ContainsFunc(known, func(k Dependency) bool {
			return k.Property == n.Property && k.Coding.Code == n.Coding.Code && (n.Coding.System == "" || k.Coding.System == n.Coding.System)
		}) {
			return false
		}
	}
	return true
}

func (m *ConceptMap) withoutElement(g *mapGroup, c Coding, x Translate, depth int) ([]Translation, error) {
	switch g.unmapped.mode {
	case "provided":
		return []Translation{{"equal", Coding{System: g.target, Version: g.targetVersion, Code: c.Code, Display: c.Display}, nil, m.URL}}, nil
	case "fixed":
		return []Translation{{"inexact", Coding{System: g.target, Version: g.targetVersion, Code: g.unmapped.code, Display: g.unmapped.display}, nil, m.URL}}, nil
	case "other-map":
		other, err := m.service.ConceptMap(g.unmapped.url)
		if err != nil {
			return nil, err
		}
		x.Codings = []Coding{c}
		return other.translate(x, depth+1)
	}
	return nil, nil
}

// opposite is the equivalence seen from the other side.
// http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html
var opposite = map[string]string{
	"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes",
}

func (m *ConceptMap) reversed(g *mapGroup, c Coding, x Translate) []Translation {
	if g.target != "" && c.System != "" && g.target != c.System || x.TargetSystem != "" && g.source != x.TargetSystem {
		return nil
	}
	var found []Translation
	for _, e := range g.elements {
		for _, t := range e.targets {
			if t.code != c.Code {
				continue
			}
			equivalence := t.equivalence
			if other := opposite[equivalence]; other != "" {
				equivalence = other
			}
			found = append(found, Translation{equivalence, Coding{System: g.source, Version: g.sourceVersion, Code: e.code, Display: e.display}, nil, m.URL})
		}
	}
	return found
}
