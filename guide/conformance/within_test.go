package conformance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/guidetest"
)

// TestExtensionsOfVersions: an extension is what the package of the profile that
// a resource declares says, where several versions are beside each other.
func TestExtensionsOfVersions(t *testing.T) {
	of := func(version, valueType string) guidetest.Package {
		return guidetest.Package{Name: "a", Version: version, Resources: []string{
			strings.Replace(differential("http://x/p", "http://hl7.org/fhir/StructureDefinition/Patient", `{"id":"Patient","path":"Patient"}`), "1.0.0", version, 1),
			fmt.Sprintf(`{"resourceType":"StructureDefinition","url":"http://x/e","version":%q,"name":"E","status":"active","kind":"complex-type","abstract":false,"type":"Extension",
"context":[{"type":"element","expression":"Patient"}],"baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension","derivation":"constraint","differential":{"element":[
{"id":"Extension.url","path":"Extension.url","fixedUri":"http://x/e"},{"id":"Extension.value[x]","path":"Extension.value[x]","type":[{"code":%q}]}]}}`, version, valueType),
		}}
	}
	g := guides(t, conformance.Settings{}, of("1.0.0", "string"), of("2.0.0", "code"))
	for declared, want := range map[string][]string{"http://x/p|1.0.0": nil, "http://x/p|2.0.0": {"Patient.extension[0].value"}, "http://x/p": {"Patient.extension[0].value"}} {
		got := errors(t, g, `{"resourceType":"Patient","meta":{"profile":["`+declared+`"]},"extension":[{"url":"http://x/e","valueString":"a"}]}`)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", declared, got, want)
		}
	}
}

// TestAggregation: references lead where they have to.
func TestAggregation(t *testing.T) {
	const organization = `{"resourceType":"Organization","id":"o","name":"O"}`
	for _, test := range []struct{ modes, patient, want string }{
		{`"contained"`, `"managingOrganization":{"reference":"Organization/o"}`, "Patient.managingOrganization"},
		{`"contained"`, `"contained":[` + organization + `],"managingOrganization":{"reference":"#o"}`, ""},
		{`"contained"`, `"managingOrganization":{"display":"O"}`, ""},
		{`"referenced"`, `"contained":[` + organization + `],"managingOrganization":{"reference":"#o"}`, "Patient.managingOrganization"},
		{`"referenced","bundled"`, `"managingOrganization":{"reference":"Organization/o"}`, ""},
		{`"bundled"`, `"managingOrganization":{"reference":"Organization/o"}`, ""}, // its Bundle is not at hand
	} {
		g := aggregated(t, test.modes)
		var want []string
		if test.want != "" {
			want = []string{test.want}
		}
		if got := errors(t, g, `{"resourceType":"Patient","meta":{"profile":["http://x/p"]},`+test.patient+`}`); !slices.Equal(got, want) {
			t.Errorf("%s: %s: %q, want %q", test.modes, test.patient, got, want)
		}
	}
	bundle := func(id string) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://y/Patient/p","resource":{"resourceType":"Patient","id":"p","meta":{"profile":["http://x/p"]},
"managingOrganization":{"reference":"Organization/` + id + `"}}},{"fullUrl":"http://y/Organization/o","resource":` + organization + `}]}`
	}
	g := aggregated(t, `"bundled"`)
	if got := errors(t, g, bundle("o")); got != nil {
		t.Errorf("to another entry: %q", got)
	}
	if got := errors(t, g, bundle("other")); !slices.Equal(got, []string{"Bundle.entry[0].resource.managingOrganization"}) {
		t.Errorf("to no entry: %q", got)
	}
}

func aggregated(t *testing.T, modes string) *conformance.Guides {
	return guides(t, conformance.Settings{}, guidetest.Package{Name: "a", Version: "1.0.0", Resources: []string{
		differential("http://x/p", "http://hl7.org/fhir/StructureDefinition/Patient",
			`{"id":"Patient.managingOrganization","path":"Patient.managingOrganization","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization"],"aggregation":[`+modes+`]}]}`),
	}})
}

// TestSlicesKeepWhatIsSliced: what US Core says of all identifiers of a
// practitioner holds for those of the slice NPI.
func TestSlicesKeepWhatIsSliced(t *testing.T) {
	g, err := conformance.New(guidetest.USCore(t, "3.1.1"), conformance.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	got := errors(t, g, `{"resourceType":"Practitioner","meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-practitioner"]},"name":[{"family":"A"}],
"identifier":[{"system":"http://hl7.org/fhir/sid/us-npi"}]}`)
	if want := []string{"Practitioner.identifier[0].value"}; !slices.Equal(got, want) {
		t.Errorf("errors at %q, want %q", got, want)
	}
}
