package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// searchCompartment answers GET [base]/Patient/[id]/[type]?… and
// GET [base]/Patient/[id]/*?…, and their POST forms: a search among the
// resources of a compartment. http://hl7.org/fhir/R4/http.html#vsearch
func searchCompartment(w http.ResponseWriter, r *request) error {
	if !fhir.ValidID(r.withinID) {
		return fhir.Errorf(fhir.KindNotFound, "%s/%s does not exist: an id is 1 to 64 of A-Z, a-z, 0-9, '-' and '.'", r.within, r.withinID)
	}
	pairs, err := r.searchPairs()
	if err != nil {
		return err
	}
	types := r.compartmentTypes(r.within)
	name := "*"
	if r.resourceType != "" {
		types, name = []string{r.resourceType}, r.resourceType
	}
	if r.resourceType != "" && r.compartmentMark(r.within, name) == nil {
		return fhir.Errorf(fhir.KindNotFound, "no %s is ever in the compartment of a %s", name, r.within)
	}
	keys := [][]byte{search.ReferenceKey(r.within, r.withinID)}
	return r.searchWithin(w, types, pairs, r.within+"/"+r.withinID+"/"+name, func(t string) search.Node {
		return r.inCompartment(r.within, t, keys)
	})
}

// compartmentMark is the mark that resources of a type get for being in a
// compartment, nil where they never are.
func (r *request) compartmentMark(compartment, resourceType string) *search.Param {
	return r.store.Registry().Param(resourceType, search.MarkCompartment+compartment)
}

// compartmentTypes are the resource types that can be in a compartment, sorted.
func (r *request) compartmentTypes(compartment string) []string {
	var types []string
	for _, t := range r.store.Definitions().Schema.Types {
		if t.Kind == fhir.KindResource && r.compartmentMark(compartment, t.Name) != nil {
			types = append(types, t.Name)
		}
	}
	return types
}

// inCompartment is the condition of being in the compartment of one of several
// resources, or of any where keys is nil. No resource of a type that is never
// in such a compartment fulfils it.
func (r *request) inCompartment(compartment, resourceType string, keys [][]byte) search.Node {
	mark := r.compartmentMark(compartment, resourceType)
	if mark == nil {
		return search.Or{}
	}
	terms := search.Terms{Param: mark}
	if terms.Spans = search.Exact(keys); keys == nil {
		terms.Spans = []search.Span{{From: []byte{}}}
	}
	return terms
}

// narrowPlan adds a condition to each part of a plan; nil adds none.
func narrowPlan(plan *search.Plan, narrow func(resourceType string) search.Node) {
	for i := range plan.Parts {
		part := &plan.Parts[i]
		switch node := narrow(part.Type); {
		case node == nil:
		case part.Where == nil:
			part.Where = node
		default:
			part.Where = search.And{node, part.Where}
		}
	}
}
