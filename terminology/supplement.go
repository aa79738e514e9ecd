package terminology

import (
	"maps"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// contentSupplement is the content of a CodeSystem that adds to another.
// http://hl7.org/fhir/R4/codesystem.html#supplements
const contentSupplement = "supplement"

// A supplement is what one adds to the concepts of a code system, by code.
type supplement struct {
	of    string
	extra map[string]extra
	// properties are those that it defines or uses.
	properties map[string]bool
}

type extra struct {
	properties   []Property
	designations []Designation
}

// supplemented merges supplements into a code system; those of other systems are
// left alone.
func (s *Service) supplemented(system *CodeSystem, canonicals []string) (*CodeSystem, error) {
	merged := *system
	for _, canonical := range canonicals {
		add, err := s.supplement(canonical)
		if err != nil {
			return nil, err
		}
		url, version, _ := strings.Cut(add.of, "|")
		if url != system.URL || version != "" && version != system.Version || slices.Contains(merged.Supplements, canonical) {
			continue
		}
		if system.concepts == nil {
			return nil, fhir.Errorf(fhir.KindUnprocessable, "the supplement %s cannot be merged into %s: its concepts are not here", canonical, system.URL)
		}
		before := merged
		merged.Supplements = append(slices.Clone(merged.Supplements), canonical)
		merged.properties = maps.Clone(add.properties)
		maps.Copy(merged.properties, before.properties)
		merged.concepts = &extended{concepts: merged.concepts, code: before.codeAt, fold: !system.CaseSensitive, extra: add.extra}
	}
	return &merged, nil
}

// supplement finds a supplement by its canonical URL.
func (s *Service) supplement(canonical string) (*supplement, error) {
	stored, err := s.find("CodeSystem", canonical)
	if err != nil {
		return nil, err
	}
	if stored.Tree == nil {
		return nil, fhir.Errorf(fhir.KindNotFound, "the supplement %s is not known; a CodeSystem resource with that url would make it known", canonical)
	}
	tree, err := stored.Tree()
	if err != nil {
		return nil, err
	}
	root := tree.Root()
	if root.TextOf("content") != contentSupplement || root.TextOf("supplements") == "" {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the code system %s is no supplement: its content is %q and it supplements %q", canonical, root.TextOf("content"), root.TextOf("supplements"))
	}
	add := &supplement{of: root.TextOf("supplements"), extra: map[string]extra{}, properties: map[string]bool{}}
	for p := range root.Each("property") {
		add.properties[p.TextOf("code")] = true
	}
	add.read(root, root.TextOf("language"))
	return add, nil
}

// read takes the concepts of a supplement. A display is a designation in the
// supplement's language: the system's own display stands.
func (s *supplement) read(n fhir.Node, language string) {
	for c := range n.Each("concept") {
		code := c.TextOf("code")
		x := s.extra[code]
		if display := c.TextOf("display"); display != "" {
			x.designations = append(x.designations, Designation{Language: language, Value: display})
		}
		for d := range c.Each("designation") {
			x.designations = append(x.designations, readDesignation(d))
		}
		for p := range c.Each("property") {
			x.properties = append(x.properties, readProperty(p))
			s.properties[p.TextOf("code")] = true
		}
		s.extra[code] = x
		s.read(c, language)
	}
}

// extended are concepts with a supplement.
type extended struct {
	concepts
	code  func(at int) string
	fold  bool
	extra map[string]extra
}

// Code is the code at a place.
func (x *extended) Code(at int) string { return x.code(at) }

func (x *extended) of(at int) extra {
	code := x.code(at)
	if found, ok := x.extra[code]; ok || !x.fold {
		return found
	}
	for other, found := range x.extra {
		if strings.EqualFold(other, code) {
			return found
		}
	}
	return extra{}
}

func (x *extended) At(at int) Concept {
	c, add := x.concepts.At(at), x.of(at)
	c.Designations = slices.Concat(c.Designations, add.designations)
	c.Properties = slices.Concat(c.Properties, add.properties)
	return c
}

func (x *extended) Values(at int, property string) []string {
	all := x.concepts.Values(at, property)
	for _, p := range x.of(at).properties {
		if p.Code == property {
			all = append(all, p.Text)
		}
	}
	return all
}
