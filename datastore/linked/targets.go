package linked

import (
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
)

// Targets are what the Persons of a user link to.
type targets struct {
	user  string // "Patient/123"
	least authz.Assurance
	base  string
	// patients and related are ids of Patients and RelatedPersons.
	patients, related []string
}

// add takes the links of a Person. One that is not the user must link to it as
// surely as to the others.
func (t *targets) add(person fhir.Node) {
	if person.TextOf("active") == "false" || person.Child("modifierExtension").Exists() {
		return
	}
	is := "Person/"+person.TextOf("id") == t.user
	var patients, related []string
	for link := range person.Each("link") {
		if assurance(link) < t.least || link.Child("modifierExtension").Exists() {
			continue
		}
		ref := fhir.ParseReference(link.Child("target").TextOf("reference"), t.base)
		if ref.Kind != fhir.RefRelative {
			continue
		}
		is = is || ref.Type+"/"+ref.ID == t.user
		switch ref.Type {
		case "Patient":
			patients = append(patients, ref.ID)
		case "RelatedPerson":
			related = append(related, ref.ID)
		}
	}
	if is {
		t.patients, t.related = append(t.patients, patients...), append(t.related, related...)
	}
}

// assurance is that of a link: one that does not say is of little confidence.
func assurance(link fhir.Node) authz.Assurance {
	if a, err := authz.ParseAssurance(link.TextOf("assurance")); err == nil && a > 1 {
		return a
	}
	return 1
}
