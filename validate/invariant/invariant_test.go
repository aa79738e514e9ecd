package invariant_test

import (
	"path"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
)

func check(t testing.TB, v *validate.Validator, resource []byte) []fhir.Issue {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, resource, fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	return v.Validate(tree)
}

func TestBrokenInvariants(t *testing.T) {
	v := validate.New(definition.R4(), invariant.New(definition.R4()))
	const text = `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}`
	for _, test := range []struct{ resource, key, at string }{
		{`{"resourceType":"Patient",` + text + `}`, "", ""},
		{`{"resourceType":"Patient"}`, "", ""},
		{`{"resourceType":"Patient",` + text + `,"contact":[{"gender":"male"}]}`, "pat-1", "Patient.contact[0]"},
		{`{"resourceType":"Patient",` + text + `,"contact":[{"name":{"text":"x"}}]}`, "", ""},
		{`{"resourceType":"Patient",` + text + `,"telecom":[{"value":"1"}]}`, "cpt-2", "Patient.telecom[0]"},
		{`{"resourceType":"Patient",` + text + `,"name":[{"period":{"start":"2020","end":"2019"},"text":"x"}]}`, "per-1", "Patient.name[0].period"},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"}}`, "txt-1", "Patient.text.div"},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> </div>"}}`, "txt-2", "Patient.text.div"},
		{`{"resourceType":"Observation",` + text + `,"status":"final","code":{"text":"x"},"valueString":"x","dataAbsentReason":{"text":"x"}}`, "obs-6", "Observation"},
		{`{"resourceType":"Observation",` + text + `,"status":"final","code":{"text":"x"},"valueQuantity":{"value":1,"code":"mg"}}`, "qty-3", "Observation.value"},
		{`{"resourceType":"Observation",` + text + `,"status":"final","code":{"text":"x"},"subject":{"reference":"#x"}}`, "ref-1", "Observation.subject"},
		{`{"resourceType":"Observation",` + text + `,"status":"final","code":{"text":"x"},"contained":[{"resourceType":"Patient","id":"p"}]}`, "dom-3", "Observation"},
		{`{"resourceType":"Bundle","type":"collection","entry":[{"search":{"mode":"match"},"resource":{"resourceType":"Basic","code":{"text":"x"},` + text + `}}]}`, "bdl-2", "Bundle"},
		{`{"resourceType":"ValueSet",` + text + `,"status":"draft","compose":{"include":[{"version":"1"}]}}`, "vsd-1", "ValueSet.compose.include[0]"},
		{`{"resourceType":"Questionnaire",` + text + `,"status":"draft","item":[{"linkId":"1","type":"group"}]}`, "que-1", "Questionnaire.item[0]"},
	} {
		found := check(t, v, []byte(test.resource))
		if test.key == "" {
			for _, issue := range found {
				t.Errorf("%s: %s: %s", test.resource, issue.Expression, issue.Diagnostics)
			}
			continue
		}
		ok := false
		for _, issue := range found {
			ok = ok || strings.Contains(issue.Diagnostics, "("+test.key+")") && issue.Expression == test.at
		}
		if !ok {
			t.Errorf("%s: no issue of %s at %s: %v", test.resource, test.key, test.at, found)
		}
	}
}

// faulty are the published examples that break rules of R4, with the first of
// those.
var faulty = map[string]string{
	"ActivityDefinition/blood-tubes-supply":        "(txt-2)",
	"ActivityDefinition/heart-valve-replacement":   "(txt-2)",
	"EventDefinition/example":                      "(txt-2)",
	"Questionnaire/zika-virus-exposure-assessment": "(txt-2)",
	"Bundle/10bb101f-a121-4264-a920-67be9cb82c74":  "ends with the id pat12, but that of the resource is pat2",
	"Bundle/3a0707d3-549e-4467-b8b8-5a2ab3800efe":  "ends with the id pat12, but that of the resource is pat2",
	"Bundle/lri-example":                           "ends with the id lri-gramstain1, but that of the resource is gramstain1",
	"DeviceMetric/example":                         "allowed: Device",
	"DeviceUseStatement/example":                   "which may not be referred to here",
	"MedicationRequest/medrx0301":                  "allowed: Organization",
	"Observation/clinical-gender":                  "which may not be referred to here",
	"Questionnaire/qs1":                            "must have \"linkId\"",
}

// TestOfficialExamples checks the published examples: what breaks a rule is
// known by name.
func TestOfficialExamples(t *testing.T) {
	v := validate.New(definition.R4(), invariant.New(definition.R4()))
	for _, line := range published.Lines(t, "examples/r4-official/all-examples.ndjson.gz") {
		tree, err := fhir.Parse(definition.R4().Schema, line, fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		name := tree.Root().Type().Name + "/" + tree.Root().TextOf("id")
		first := ""
		for _, issue := range v.Validate(tree) {
			if issue.Severity == fhir.SeverityError {
				first = issue.Expression + ": " + issue.Diagnostics
				break
			}
		}
		if want := faulty[name]; (want == "") != (first == "") || !strings.Contains(first, want) {
			t.Errorf("%s: %q, want %q", name, first, want)
		}
	}
}

// TestSynthea checks the resources of a published Synthea sample.
func TestSynthea(t *testing.T) {
	v := validate.New(definition.R4(), invariant.New(definition.R4()))
	found := map[string]int{}
	for _, file := range published.Glob(t, "synthea/dev/ndjson/*.ndjson.gz") {
		all := published.Lines(t, file)
		for _, line := range all[:min(len(all), 300)] {
			for _, issue := range check(t, v, line) {
				if issue.Severity == fhir.SeverityError {
					found[path.Base(file)+" "+issue.Diagnostics]++
				}
			}
		}
	}
	for text, n := range found {
		t.Errorf("%d times %s", n, text)
	}
}

func BenchmarkObservation(b *testing.B) {
	all := published.Lines(b, "synthea/dev/ndjson/Observation.ndjson.gz")
	tree, err := fhir.Parse(definition.R4().Schema, all[0], fhir.DefaultLimits)
	if err != nil {
		b.Fatal(err)
	}
	for name, v := range map[string]*validate.Validator{
		"structure": validate.New(definition.R4()), "invariants": validate.New(definition.R4(), invariant.New(definition.R4())),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Validate(tree)
			}
		})
	}
}
