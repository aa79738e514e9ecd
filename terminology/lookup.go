package terminology

import (
	"slices"

	"github.com/tarnhealth/tarn/fhir"
)

// Details are what a code system says of one code.
// http://hl7.org/fhir/R4/codesystem-operation-lookup.html
type Details struct {
	System       *CodeSystem
	Concept      *Concept
	Properties   []Property
	Designations []Designation
}

// Lookup tells what is known of a code. Of its properties it tells those named,
// or all where none is; parent, child, inactive and definition are properties
// that every concept may have.
func (s *CodeSystem) Lookup(code string, properties []string) (*Details, error) {
	c, err := s.concept(code)
	if err != nil {
		return nil, err
	}
	d := &Details{System: s, Concept: c}
	wanted := func(name string) bool { return len(properties) == 0 || slices.Contains(properties, name) }
	if wanted("designation") {
		d.Designations = c.Designations
	}
	add := func(p Property) {
		known := slices.ContainsFunc(c.Properties, func(o Property) bool { return o.Code == p.Code && o.Text == p.Text })
		if wanted(p.Code) && !known {
			d.Properties = append(d.Properties, p)
		}
	}
	for _, p := range c.Properties {
		if wanted(p.Code) {
			d.Properties = append(d.Properties, p)
		}
	}
	if c.Definition != "" {
		add(Property{Code: "definition", Kind: "string", Text: c.Definition})
	}
	if c.Inactive {
		add(Property{Code: "inactive", Kind: "boolean", Text: "true"})
	}
	for _, code := range s.codes(c.Parents) {
		add(Property{Code: "parent", Kind: "code", Text: code})
	}
	for _, code := range s.codes(c.Children) {
		add(Property{Code: "child", Kind: "code", Text: code})
	}
	return d, nil
}

// Subsumption is how one concept relates to another: "equivalent", "subsumes",
// "subsumed-by" or "not-subsumed".
// http://hl7.org/fhir/R4/codesystem-operation-subsumes.html
func (s *CodeSystem) Subsumption(a, b string) (string, error) {
	for _, code := range []string{a, b} {
		if _, err := s.concept(code); err != nil {
			return "", err
		}
	}
	left, right := s.Find(a), s.Find(b)
	switch {
	case left == right:
		return "equivalent", nil
	case s.Subsumes(left, right):
		return "subsumes", nil
	case s.Subsumes(right, left):
		return "subsumed-by", nil
	case !s.Complete():
		return "", fhir.Errorf(fhir.KindUnprocessable, "whether %q subsumes %q is not known: not all of %s is known here, its content is %q", a, b, s.URL, s.Content)
	}
	return "not-subsumed", nil
}
