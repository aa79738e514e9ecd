package search

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/literal"
)

const paramList = "_list"

// list reads _list: the resources that one of some Lists has as an item. Lists
// that have a name instead of an id are not offered.
// http://hl7.org/fhir/R4/search.html#list
func (p *parser) list(values []string) (Node, *fhir.Error) {
	ids := make([]string, len(values))
	for i, v := range values {
		if strings.HasPrefix(v, "$") {
			return nil, fhir.Errorf(fhir.KindNotSupported, "the list %s is not offered: _list takes the ids of List resources", v)
		}
		ids[i] = strings.TrimPrefix(chars.Unescape(v), "List/")
		if !literal.IsID([]byte(ids[i])) {
			return nil, fhir.Errorf(fhir.KindInvalid, "the value %q of _list is not the id of a List", v)
		}
	}
	return Has{Param: p.registry.Param("List", "item"), Where: IDs{IDs: sortedSet(ids)}}, nil
}

// CompartmentNode is the condition that a resource of a type is in the
// compartment of one resource ("Patient", its id). ok is false for a type that
// can never be in such a compartment, and for a compartment that there is not.
// http://hl7.org/fhir/R4/compartmentdefinition.html
func (r *Registry) CompartmentNode(compartment, id, resourceType string) (n Node, ok bool) {
	p := r.Param(resourceType, MarkCompartment+compartment)
	if p == nil {
		return nil, false
	}
	return Terms{Param: p, Spans: []Span{Exactly(ReferenceKey(compartment, id))}}, true
}
