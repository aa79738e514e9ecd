package rest

import (
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/search"
)

// TestClinicalDates checks that the table names date parameters of types in
// the patient compartment, and supporting types that lie in none.
func TestClinicalDates(t *testing.T) {
	registry, err := search.New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	for name, code := range clinicalDates {
		if p := registry.Param(name, code); p == nil || p.Def.Type != definition.ParamDate {
			t.Errorf("%s.%s is no date parameter", name, code)
		}
		if registry.Param(name, search.MarkCompartment+"Patient") == nil {
			t.Errorf("%s is in no patient's compartment", name)
		}
	}
	for _, name := range supporting {
		if registry.Param(name, search.MarkType) == nil || registry.Param(name, search.MarkCompartment+"Patient") != nil {
			t.Errorf("%s is not a type, or is in patients' compartments", name)
		}
	}
}
