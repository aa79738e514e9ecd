package search

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// A valueType is a FHIR type as search tells them apart.
type valueType uint8

const (
	valueOther valueType = iota
	valueString
	valueCode
	valueURI
	valueCanonical
	valueID
	valueBoolean
	valueDate
	valueNumber
	valuePeriod
	valueTiming
	valueQuantity
	valueMoney
	valueRange
	valueCoding
	valueCodeableConcept
	valueIdentifier
	valueContactPoint
	valueHumanName
	valueAddress
	valueReference
	valueExtension
	valueResource
)

var valueTypes = map[string]valueType{
	"string": valueString, "markdown": valueString, "http://hl7.org/fhirpath/System.String": valueString,
	"code": valueCode, "id": valueID, "boolean": valueBoolean,
	"uri": valueURI, "url": valueURI, "oid": valueURI, "uuid": valueURI, "canonical": valueCanonical,
	"date": valueDate, "dateTime": valueDate, "instant": valueDate, "Period": valuePeriod, "Timing": valueTiming,
	"decimal": valueNumber, "integer": valueNumber, "positiveInt": valueNumber, "unsignedInt": valueNumber,
	"Quantity": valueQuantity, "SimpleQuantity": valueQuantity, "MoneyQuantity": valueQuantity,
	"Age": valueQuantity, "Duration": valueQuantity, "Count": valueQuantity, "Distance": valueQuantity,
	"Money": valueMoney, "Range": valueRange,
	"Coding": valueCoding, "CodeableConcept": valueCodeableConcept, "Identifier": valueIdentifier,
	"ContactPoint": valueContactPoint, "HumanName": valueHumanName, "Address": valueAddress,
	"Reference": valueReference, "Extension": valueExtension,
}

func valueTypesOf(schema *fhir.Schema) []valueType {
	types := make([]valueType, len(schema.Types))
	for i, t := range schema.Types {
		types[i] = valueTypes[t.Name]
		if t.Kind == fhir.KindResource {
			types[i] = valueResource
		}
	}
	return types
}

// impliedSystems finds, for each property of type code whose required value
// set takes its codes from one system, the hash of that system.
func impliedSystems(set *definition.Set) []uint64 {
	systems := make([]uint64, len(set.Schema.Properties))
	for i, p := range set.Schema.Properties {
		if p.Element == nil || p.Type.Name != "code" {
			continue
		}
		b := p.Element.Binding
		if b == nil || b.Strength != fhir.BindingRequired {
			continue
		}
		if v := set.ValueSet(b.ValueSet); v != nil && len(v.Codes) == 1 && len(v.Open) == 0 {
			for system := range v.Codes {
				systems[i] = hashSystem([]byte(system))
			}
		}
	}
	return systems
}

// implied is the hash of the system that a property's codes have, 0 for none.
func (r *Registry) implied(p *fhir.Property) uint64 {
	if p == nil {
		return 0
	}
	return r.systems[p.Index]
}

// ucumSystem is the system of units, which the definitions do not describe.
const ucumSystem = "http://unitsofmeasure.org"

var ucumHash = hashSystem([]byte(ucumSystem))

// exactSystems are the hashes of the case-sensitive code systems.
func exactSystems(set *definition.Set) map[uint64]bool {
	exact := map[uint64]bool{ucumHash: true}
	for s := range set.CodeSystems() {
		if s.CaseSensitive {
			exact[hashSystem([]byte(s.URL))] = true
		}
	}
	return exact
}

// impliedBy lists the implied systems of the code elements that an expression
// made of plain paths selects; bare is set where one of them has none.
func (r *Registry) impliedBy(expression, resourceType string) (hashes []uint64, bare bool) {
	for path := range strings.SplitSeq(expression, " | ") {
		steps := strings.Split(strings.Trim(path, "() "), ".")
		t := r.Definitions.Schema.Type(resourceType)
		var last *fhir.Element
		for _, step := range steps[1:] {
			if t == nil {
				break
			}
			if last = t.Element(step); last == nil {
				break
			}
			t = last.Types[0].Type
		}
		if last == nil {
			continue
		}
		for _, p := range last.Properties {
			h := r.implied(p)
			bare = bare || h == 0 && p.Type.Name == "code"
			if h != 0 && !slices.Contains(hashes, h) {
				hashes = append(hashes, h)
			}
		}
	}
	return hashes, bare
}
