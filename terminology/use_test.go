package terminology_test

import (
	"testing"

	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/codebook"
)

// TestUse: a service that was made of a library alone comes to know what is
// loaded, as bindings of profiles do.
func TestUse(t *testing.T) {
	book := clinical(t)
	s := terminology.New(nil)
	fever := terminology.Coding{System: "http://snomed.info/sct", Code: "11"}
	set, err := s.ValueSet("http://hl7.org/fhir/ValueSet/body-site")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := set.Has(fever); ok || err == nil {
		t.Errorf("before: %v, %v", ok, err)
	}
	s.Use(terminology.Options{Books: func(canonical string) *codebook.Book {
		if canonical == book.URL {
			return book
		}
		return nil
	}})
	set, err = s.ValueSet("http://snomed.info/sct?fhir_vs=isa/10")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := set.Has(fever); !ok || err != nil {
		t.Errorf("after: %v, %v", ok, err)
	}
}
