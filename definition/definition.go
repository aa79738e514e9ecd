// Package definition owns FHIR definitions as data: the schema of types and
// elements, search parameters, compartments, operations and the code lists
// that required bindings need. R4 4.0.1 is embedded as a packed table of facts
// (r4.bin, made by go generate from the published hl7.fhir.r4.core package).
//
// It leaves to others: reading resources (fhir), checking them (validate) and
// what a search parameter's expression selects (search, with fhirpath).
package definition

import "github.com/tarnhealth/tarn/fhir"

// A Set is one release's definitions. It is immutable.
type Set struct {
	// Source says what the set was packed from.
	Source Source
	// Expansions says which package the codes of value sets came from.
	Expansions Source
	Schema     *fhir.Schema
	// Operations are the release's operation definitions, by code then type.
	Operations []*Operation

	params       map[string]map[string]*SearchParameter
	compartments map[string]*Compartment
	codes        map[string]*ValueSet
	systems      map[string]*CodeSystem
}

// A Source identifies the package that a set was packed from.
type Source struct {
	Name, Version string
	SHA256        string // of the package archive, lower-case hex
}

// ParamType is a search parameter's type.
// http://hl7.org/fhir/R4/valueset-search-param-type.html
type ParamType uint8

// The search parameter types.
const (
	ParamNumber ParamType = iota + 1
	ParamDate
	ParamString
	ParamToken
	ParamReference
	ParamComposite
	ParamQuantity
	ParamURI
	ParamSpecial
)

// A SearchParameter is one parameter as it applies to one resource type: a
// definition with three base types gives three of these.
type SearchParameter struct {
	Code string // "birthdate"
	// Base is the resource type it applies to; parameters of Resource and
	// DomainResource are repeated for each concrete type.
	Base string
	URL  string
	Type ParamType
	// Expression is the FHIRPath expression, already cut down to the parts
	// that can apply to Base; "" for the parameters without one (_text …).
	Expression string
	// Target lists the resource types that a reference parameter may point
	// to; empty for other types.
	Target []string
	// Component lists a composite's parts.
	Component []Component
	// Description is the definition's own one-sentence description.
	Description string
	// Ordinal numbers the parameters of a set from 0 without gaps.
	Ordinal int
	// Bases are the resource types that the parameter of a data store applies
	// to, Base among them; nil for the parameters of a release.
	Bases []string
	// Served are further resource types that a data store's parameter names,
	// on which the release's own parameter of that code means the same.
	Served []string
	// Rules are what a data store's parameter demands of searches; nil for
	// nothing.
	Rules *Rules
}

// Rules say what a search may do with a parameter.
// http://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.multipleOr
type Rules struct {
	// SingleOr allows one value only where the parameter stands, SingleAnd
	// one occurrence in a search.
	SingleOr, SingleAnd bool
	// Comparators ("eq", "gt"), Modifiers ("exact", "type") and Chains (codes
	// of parameters of what is referred to) are what is allowed; nil for all.
	Comparators, Modifiers, Chains []string
}

// A Component is one part of a composite parameter.
type Component struct {
	Param      *SearchParameter
	Expression string // relative to what the composite's expression selects
}

// A Compartment says which resources belong to, say, one Patient.
// http://hl7.org/fhir/R4/compartmentdefinition.html
type Compartment struct {
	Code string // "Patient"
	// Params maps a resource type to the codes of the reference parameters
	// that put a resource into the compartment. "{def}" stands for the
	// resource itself.
	Params map[string][]string
}

// An Operation is one OperationDefinition's facts.
type Operation struct {
	Code                   string // "everything"
	URL                    string
	System, Type, Instance bool
	Resource               []string
	AffectsState           bool
}

// A ValueSet is the codes of a value set that a required binding names.
type ValueSet struct {
	URL string
	// Codes maps a system to its codes in the set.
	Codes map[string]map[string]bool
	// Open lists systems of which the set takes in every code although the
	// package does not enumerate them (BCP 47, MIME types, UCUM): such codes
	// can be checked by form only.
	Open []string
}

// SearchParameter returns a resource type's parameter, or nil.
func (s *Set) SearchParameter(resourceType, code string) *SearchParameter {
	return s.params[resourceType][code]
}

// SearchParameters returns a resource type's parameters by code. The map must
// not be changed.
func (s *Set) SearchParameters(resourceType string) map[string]*SearchParameter {
	return s.params[resourceType]
}

// Compartment returns the compartment of a resource type ("Patient"), or nil.
func (s *Set) Compartment(code string) *Compartment { return s.compartments[code] }

// ValueSet returns a value set by canonical URL, with or without "|version",
// or nil where the set does not hold it.
func (s *Set) ValueSet(url string) *ValueSet {
	if v := s.codes[url]; v != nil {
		return v
	}
	for i := len(url) - 1; i >= 0; i-- {
		if url[i] == '|' {
			return s.codes[url[:i]]
		}
	}
	return nil
}

// CodeSystem returns what is known of a code system, or nil.
func (s *Set) CodeSystem(url string) *CodeSystem { return s.systems[url] }

// Has reports whether the set has a value for the code in the system; an
// empty system matches any system (an element of type code names none).
func (v *ValueSet) Has(system, code string) bool {
	if system != "" {
		return v.Codes[system][code]
	}
	for _, codes := range v.Codes {
		if codes[code] {
			return true
		}
	}
	return false
}
