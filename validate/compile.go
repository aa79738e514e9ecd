package validate

import (
	"slices"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// elementSet is a set of Element.Index values of one type.
type elementSet [4]uint64

func (s *elementSet) add(i int)      { s[uint(i)/64%4] |= 1 << (uint(i) % 64) }
func (s *elementSet) has(i int) bool { return s[uint(i)/64%4]>>(uint(i)%64)&1 == 1 }
func (s *elementSet) empty() bool    { return *s == elementSet{} }
func (s *elementSet) remove(i int)   { s[uint(i)/64%4] &^= 1 << (uint(i) % 64) }
func (s *elementSet) holds(o *elementSet) bool {
	return o[0]&^s[0]|o[1]&^s[1]|o[2]&^s[2]|o[3]&^s[3] == 0
}

// typeCheck is what there is to check of a value as a whole.
type typeCheck struct {
	required elementSet
	resource bool
	// id is the Element.Index of "id", -1 where the type has none.
	id int
	// value and extension are those of Extension's two elements, -1 for
	// every other type.
	value, extension int
}

// what says how a property's values are checked, apart from being walked.
type what uint8

const (
	checkNothing what = iota
	checkFormat       // of a primitive
	checkCode
	checkCoding
	checkConcept
	checkReference
	checkContained
)

// propertyCheck is what there is to check of a property's values.
type propertyCheck struct {
	element   int // Element.Index
	what      what
	primitive bool
	typeName  string
	form      func(text string) (problem string) // of a primitive
	max       int                                // 0 for no limit
	maxLength int
	codes     *codes
	targets   []string
}

// codes is a value set in the form that checks use.
type codes struct {
	set *definition.ValueSet
	// any has the codes of all systems, for elements of type code.
	any map[string]bool
}

type compiler struct {
	set   *definition.Set
	codes map[string]*codes // by value set URL
}

func (c *compiler) typeCheck(t *fhir.Type) typeCheck {
	out := typeCheck{resource: t.Kind == fhir.KindResource, id: -1, value: -1, extension: -1}
	for _, e := range t.Elements {
		if e.Min > 0 {
			out.required.add(e.Index)
		}
		if e.Name == "id" {
			out.id = e.Index
		}
	}
	if t.Name == "Extension" {
		out.value, out.extension = t.Element("value").Index, t.Element("extension").Index
	}
	return out
}

func (c *compiler) propertyCheck(p *fhir.Property) propertyCheck {
	if p.Element == nil { // the root's
		return propertyCheck{}
	}
	out := propertyCheck{
		element:   p.Element.Index,
		typeName:  p.Type.Name,
		primitive: p.Type.Kind == fhir.KindPrimitive,
		maxLength: p.Element.MaxLength,
		codes:     c.required(p.Element),
	}
	if out.primitive {
		out.form = fhir.FormOf(p.Type.Name)
	}
	if p.Element.Max > 1 {
		out.max = p.Element.Max
	}
	switch {
	case out.codes != nil && out.primitive:
		out.what = checkCode
	case out.codes != nil && p.Type.Name == "Coding":
		out.what = checkCoding
	case out.codes != nil && p.Type.Name == "CodeableConcept":
		out.what = checkConcept
	case out.primitive && p.Type.Name != "boolean":
		out.what = checkFormat
	case p.Type.Name == "Reference":
		out.what, out.targets = checkReference, p.Ref.Targets
	case p.Element.Name == "contained" && p.Owner.Kind == fhir.KindResource:
		out.what = checkContained
	}
	return out
}

// required is the value set of a required binding, nil where there is none or
// its codes are not known.
func (c *compiler) required(e *fhir.Element) *codes {
	if e.Binding == nil || e.Binding.Strength != fhir.BindingRequired {
		return nil
	}
	set := c.set.ValueSet(e.Binding.ValueSet)
	if set == nil {
		return nil
	}
	if known, ok := c.codes[set.URL]; ok {
		return known
	}
	out := &codes{set: set, any: map[string]bool{}}
	for _, ofSystem := range set.Codes {
		for code := range ofSystem {
			out.any[code] = true
		}
	}
	c.codes[set.URL] = out
	return out
}

// open reports whether the set takes in every code of a system; an empty
// system matches any.
func (c *codes) open(system string) bool {
	return len(c.set.Open) > 0 && (system == "" || slices.Contains(c.set.Open, system))
}
