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
	m, err := s.member(code)
	if err != nil {
		return nil, err
	}
	c := m.concept()
	d := &Details{System: s, Concept: &c}
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
	if wanted("parent") {
		for _, code := range m.codes(concepts.Parents) {
			add(Property{Code: "parent", Kind: "code", Text: code})
		}
	}
	if wanted("child") {
		for _, code := range m.codes(concepts.Children) {
			add(Property{Code: "child", Kind: "code", Text: code})
		}
	}
	return d, nil
}

// The outcomes of Subsumption.
const (
	Equivalent  = "equivalent"
	Subsumes    = "subsumes"
	SubsumedBy  = "subsumed-by"
	NotSubsumed = "not-subsumed"
)

// Subsumption is how one concept relates to another: Equivalent, Subsumes,
// SubsumedBy or NotSubsumed.
// http://hl7.org/fhir/R4/codesystem-operation-subsumes.html
func (s *CodeSystem) Subsumption(a, b string) (string, error) {
	if s.remote != nil {
		return s.remote.Subsumes(Coding{System: s.URL, Version: s.Version, Code: a}, Coding{System: s.URL, Version: s.Version, Code: b})
	}
	left, err := s.member(a)
	if err != nil {
		return "", err
	}
	right, err := s.member(b)
	if err != nil {
		return "", err
	}
	switch {
	case left.at < 0 || right.at < 0: // codes that a rule makes have no hierarchy
		if s.same(a, b) {
			return Equivalent, nil
		}
		return NotSubsumed, nil
	case left.at == right.at:
		return Equivalent, nil
	case s.concepts.Subsumes(left.at, right.at):
		return Subsumes, nil
	case s.concepts.Subsumes(right.at, left.at):
		return SubsumedBy, nil
	case !s.Complete() && s.grammar == nil:
		return "", fhir.Errorf(fhir.KindUnprocessable, "whether %q subsumes %q is not known: not all of %s is known here, its content is %q", a, b, s.URL, s.Content)
	}
	return NotSubsumed, nil
}

// Related are the codes of a concept and of all that it subsumes, or of all that
// subsume it; at most limit, and one more where there are more.
func (s *CodeSystem) Related(code string, above bool, limit int) ([]string, error) {
	if s.remote != nil {
		return s.relatedElsewhere(code, above, limit)
	}
	m, err := s.member(code)
	if err != nil {
		return nil, err
	}
	if m.at < 0 {
		return []string{m.concept().Code}, nil
	}
	found := s.belowOf
	if above {
		found = s.aboveOf
	}
	var all []string
	bits := found(m.at)
	for at := range s.concepts.Len() {
		if bits.Has(at) && len(all) <= limit {
			all = append(all, s.codeAt(at))
		}
	}
	return all, nil
}

func (s *CodeSystem) relatedElsewhere(code string, above bool, limit int) ([]string, error) {
	operator := "is-a"
	if above {
		operator = "generalizes"
	}
	entries, err := s.remote.List(Part{System: s.URL, Version: s.Version, Filters: []Filter{{Property: "concept", Operator: operator, Value: code}}}, "", limit+1)
	var all []string
	for _, e := range entries {
		all = append(all, e.Code)
	}
	return all, err
}
