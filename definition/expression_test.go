package definition

import "testing"

func TestPartsFor(t *testing.T) {
	resources := map[string]bool{"Observation": true, "Patient": true, "PatientX": true}
	for _, test := range []struct{ expression, want string }{
		{"", ""},
		{"Patient.name", "Patient.name"},
		{"PatientX.name", ""},
		{"name", "name"},
		{"Observation.x | (Patient.y as date)|PatientX.z", "(Patient.y as date)"},
		{"(Patient.x | Patient.y).z | Observation.x", "(Patient.x | Patient.y).z"},
		{"Patient.where(x='a|b') | Observation.x", "Patient.where(x='a|b')"},
		{"Resource.id | DomainResource.text", "Resource.id | DomainResource.text"},
		{"(Observation.value as Quantity)", ""},
	} {
		if got := PartsFor(test.expression, "Patient", func(name string) bool { return resources[name] }); got != test.want {
			t.Errorf("PartsFor(%q, Patient) = %q, want %q", test.expression, got, test.want)
		}
	}
}
