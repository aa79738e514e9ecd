package search

import (
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// A Custom is a search parameter that a data store has beside those of its
// definitions.
type Custom struct {
	Def *definition.SearchParameter
	// Generation tells entries of one meaning of the parameter from those of
	// another: it is part of Param.Key, and of the key of MarkPresent. It
	// grows whenever the definition changes.
	Generation int
}

// ReadDefinition reads a SearchParameter resource. An expression that does not
// compile, a code that a type has already, and what the resource type's
// definition cannot mean are errors of KindUnprocessable, located in the
// resource.
// http://hl7.org/fhir/R4/searchparameter.html
func (r *Registry) ReadDefinition(tree *fhir.Tree) (*definition.SearchParameter, error) {
	return nil, fhir.Errorf(fhir.KindNotSupported, "search parameters cannot be defined yet")
}

// With is the registry with custom parameters added. It shares the parameters
// of r, which stays as it is.
func (r *Registry) With(custom []Custom) (*Registry, error) {
	if len(custom) == 0 {
		return r, nil
	}
	return nil, fhir.Errorf(fhir.KindNotSupported, "search parameters cannot be defined yet")
}
