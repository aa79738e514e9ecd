package profile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
	"github.com/tarnhealth/tarn/validate/profile"
)

func validator(set *guide.Set, asked ...string) *validate.Validator {
	return validate.New(definition.R4(), invariant.New(definition.R4()), profile.New(definition.R4(), set.Find, asked...))
}

// TestUSCoreExamples checks every example of six versions of US Core: those that
// break a rule are known by name.
func TestUSCoreExamples(t *testing.T) {
	for _, version := range published.USCoreVersions {
		t.Run(version, func(t *testing.T) {
			v := validator(guidetest.USCore(t, version))
			examples := guidetest.USCoreExamples(t, version)
			for name, data := range examples {
				tree, err := fhir.Parse(definition.R4().Schema, data, fhir.DefaultLimits)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				var found []string
				for _, issue := range v.Validate(tree) {
					if issue.Severity == fhir.SeverityError {
						found = append(found, issue.Expression+": "+issue.Diagnostics)
					}
				}
				known := faulty[version+"/"+name]
				for _, text := range known {
					at := slices.IndexFunc(found, func(f string) bool { return strings.Contains(f, text) })
					if at < 0 {
						t.Errorf("%s: %q is not found", name, text)
						continue
					}
					found = slices.Delete(found, at, at+1)
				}
				for _, text := range found {
					t.Errorf("%s: %s", name, text)
				}
			}
			if len(examples) < 84 {
				t.Errorf("only %d examples were checked", len(examples))
			}
		})
	}
}

const wrongEndpoint = "Bundle.entry[2].fullUrl: \"http://52.90.126.238:8080/fhir/baseDstu3/Endpoint/Endpoint-71\" ends with the id Endpoint-71, but that of the resource is 71"

// faulty are the examples of the guides that break a rule, and which.
var faulty = map[string][]string{
	// The profile demands the code L/min of a value set that does not have it.
	"3.1.1/Observation-satO2-fiO2.json": {"Observation.component[0].value: http://unitsofmeasure.org|L/min is not in the value set"},
	"3.1.1/Bundle-uscore-mo3.json":      {`Bundle.entry[1].fullUrl: "/Medication/uscore-med2" is not absolute`},
	"4.0.0/Bundle-uscore-mo3.json":      {`Bundle.entry[1].fullUrl: "/Medication/uscore-med2" is not absolute`},
	// The ids of resources are not those of their fullUrls.
	"3.1.1/Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json": {wrongEndpoint},
	"4.0.0/Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json": {wrongEndpoint},
	"5.0.1/Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json": {wrongEndpoint},
	"6.1.0/Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json": {wrongEndpoint},
	"6.1.0/Bundle-docref-example-2.json":                     {`Bundle.entry[2].fullUrl: "http://example.org/DocumentReference/discharge-summary789" ends with the id discharge-summary789, but that of the resource is discharge`},
	// Two dots stand for what was left out.
	"3.1.1/DiagnosticReport-cardiology-report.json": {`DiagnosticReport.presentedForm[0].hash: "EQH/..AgME" is not a valid base64Binary`},
	// Entities of HTML are none of XML (http://hl7.org/fhir/R4/narrative.html#xhtml).
	"5.0.1/Procedure-defib-implant.json": {"Procedure.text.div: the narrative is not well-formed XHTML: XML syntax error on line 1: invalid character entity &reg;"},
	"5.0.1/Encounter-example-1.json":     {"Encounter.text.div: the narrative is not well-formed XHTML: XML syntax error on line 1: invalid character entity &reg;"},
}
