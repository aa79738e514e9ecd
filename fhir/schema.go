package fhir

import "fmt"

// A Schema says which types exist and which properties each may have. Package
// definition fills it from StructureDefinitions; the reader, the validator and
// FHIRPath consult it. A Schema is immutable once Seal has returned.
type Schema struct {
	// Release is the FHIR version, for example "4.0.1".
	Release string
	// Types lists every type; Type.Index is its place here.
	Types []*Type
	// Properties lists every JSON property of every type; Property.Index is
	// its place here. Index 0 is reserved for "no property" (a root).
	Properties []*Property

	byName map[string]*Type
}

// A TypeKind says what a type is built from.
type TypeKind uint8

// The kinds of types.
const (
	KindPrimitive TypeKind = iota + 1 // string, date, code … and xhtml
	KindComplex                       // HumanName, Period, Extension …
	KindBackbone                      // Patient.contact: an anonymous nested type
	KindResource                      // Patient, Bundle …
	KindAbstract                      // Resource, DomainResource, Element, BackboneElement
)

// A Type is one FHIR type: a resource, a data type, a primitive or an
// anonymous nested type.
type Type struct {
	// Name is the type's name: "Patient", "HumanName", "string". For a nested
	// type it is the element's path: "Patient.contact".
	Name string
	Kind TypeKind
	// Base is the name of the type that this one specializes, "" for none.
	Base string
	// Index is the type's place in Schema.Types.
	Index int
	// JSON is the JSON form of a primitive: JSONString, JSONNumber or
	// JSONBool. Zero for other kinds.
	JSON JSONKind
	// Elements are all elements in definition order, inherited ones first.
	Elements []*Element
	// Constraints are the invariants of the type itself (those on its root
	// element), for package validate.
	Constraints []Constraint

	keys    keyTable
	derived []*Type
}

// JSONKind is the JSON form of a primitive value.
type JSONKind uint8

// The JSON forms of primitive values.
const (
	JSONString JSONKind = iota + 1
	JSONNumber
	JSONBool
)

// Unbounded is the Max of an element that may repeat without limit ("*").
const Unbounded = -1

// An Element is one element of a type, as its ElementDefinition says.
type Element struct {
	// Name is the element's name without "[x]": "value", "birthDate".
	Name string
	// Path is the definition's path: "Observation.value[x]".
	Path string
	// Min and Max are the cardinality; Max is Unbounded for "*".
	Min, Max int
	// Choice is set for value[x] elements.
	Choice bool
	// Types are the allowed types, one unless Choice is set.
	Types []TypeRef
	// Properties are the element's JSON properties in the order of Types:
	// one unless Choice is set.
	Properties []*Property
	// Index is the element's place in its type's Elements.
	Index int

	Summary  bool
	Modifier bool
	// Binding is nil where the element has none.
	Binding     *Binding
	Constraints []Constraint
	// MaxLength is the greatest number of characters, 0 for no limit.
	MaxLength int
	// Fixed and Pattern are the JSON text of fixed[x] and pattern[x], "" for none.
	Fixed, Pattern string
}

// A TypeRef is one allowed type of an element.
type TypeRef struct {
	Type *Type
	// Targets are the resource types that a Reference or canonical may point
	// to; empty for any.
	Targets []string
}

// A Property is one JSON key of a type: "birthDate", or "valueQuantity" for
// the Quantity form of value[x].
type Property struct {
	JSON    string
	Element *Element
	// Type is the type of the value.
	Type *Type
	// Ref is the entry of Element.Types that the property stands for.
	Ref *TypeRef
	// Index is the property's place in Schema.Properties.
	Index int
	// Owner is the type that has the property.
	Owner *Type
}

// BindingStrength says how binding a value set is.
// http://hl7.org/fhir/R4/valueset-binding-strength.html
type BindingStrength uint8

// The binding strengths.
const (
	BindingExample BindingStrength = iota + 1
	BindingPreferred
	BindingExtensible
	BindingRequired
)

// A Binding ties a coded element to a value set.
type Binding struct {
	Strength BindingStrength
	// ValueSet is the canonical URL, with "|version" where the definition has one.
	ValueSet string
}

// A Constraint is one invariant, with its FHIRPath expression.
type Constraint struct {
	Key        string // "pat-1"
	Error      bool   // severity error; otherwise a warning
	Human      string
	Expression string
}

// Type returns the named type, or nil where there is none.
func (s *Schema) Type(name string) *Type { return s.byName[name] }

// Resource returns the named resource type, or nil where the name is unknown
// or is not that of a concrete resource.
func (s *Schema) Resource(name string) *Type {
	if t := s.byName[name]; t != nil && t.Kind == KindResource {
		return t
	}
	return nil
}

// Property returns the property with a JSON key, or nil.
func (t *Type) Property(key []byte) *Property { return t.keys.find(key) }

// Derived are the types that specialize this one, directly or not.
func (t *Type) Derived() []*Type { return t.derived }

// Element returns the element with a name ("value" for value[x]), or nil.
func (t *Type) Element(name string) *Element {
	for _, e := range t.Elements {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Seal numbers the types and properties and builds the look-up tables. It
// must be called once, after the last type is added and before any use. It
// panics where a type has more than 256 elements, which none of FHIR's has.
func (s *Schema) Seal() {
	s.byName = make(map[string]*Type, len(s.Types))
	s.Properties = append(s.Properties[:0], &Property{})
	for i, t := range s.Types {
		t.Index = i
		s.byName[t.Name] = t
		s.sealType(t)
	}
	for _, t := range s.Types {
		base := s.byName[t.Base]
		for depth := 0; base != nil && depth < maxBases; depth++ {
			base.derived = append(base.derived, t)
			base = s.byName[base.Base]
		}
	}
}

// maxBases bounds how many types one specializes, so that a circle ends.
const maxBases = 16

func (s *Schema) sealType(t *Type) {
	if len(t.Elements) > maxElements {
		panic(fmt.Sprintf("fhir: type %s has %d elements; the greatest number is %d", t.Name, len(t.Elements), maxElements))
	}
	var own []*Property
	for i, e := range t.Elements {
		e.Index = i
		for _, p := range e.Properties {
			p.Index = len(s.Properties)
			p.Owner = t
			s.Properties = append(s.Properties, p)
			own = append(own, p)
		}
	}
	t.keys = newKeyTable(own)
}
