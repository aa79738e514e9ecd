package validate

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/published"
)

func parse(t testing.TB, src []byte) *fhir.Tree {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
	if err != nil {
		t.Fatalf("%v in %.200s", err, src)
	}
	return tree
}

// broken lists the official examples that break base R4 and how, with the
// number of issues; the definitions agree with the validator.
var broken = map[string]struct {
	count int
	first string
}{
	// DeviceMetric.parent is Reference(Device).
	"DeviceMetric-example.json": {1, `value DeviceMetric.parent.reference: "DeviceDefinition/dc102" is of type DeviceDefinition`},
	// DeviceUseStatement.reasonReference does not list Procedure.
	"DeviceUseStatement-example.json": {1, `value DeviceUseStatement.reasonReference[0].reference: "Procedure/example" is of type Procedure`},
	// MedicationRequest.dispenseRequest.performer is Reference(Organization).
	"MedicationRequest-medrx0301.json": {1, `value MedicationRequest.dispenseRequest.performer.reference: "Practitioner/f001" is of type Practitioner`},
	// Observation.performer does not list Encounter.
	"Observation-clinical-gender.json": {1, `value Observation.performer[0].reference: "Encounter/example" is of type Encounter`},
	// The ids of resources are not those of their fullUrls.
	"Bundle-10bb101f-a121-4264-a920-67be9cb82c74.json": {1, `value Bundle.entry[2].fullUrl: "http://acme.com/ehr/fhir/Patient/pat12" ends with the id pat12`},
	"Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe.json": {1, `value Bundle.entry[3].fullUrl: "http://acme.com/ehr/fhir/Patient/pat12" ends with the id pat12`},
	"Bundle-lri-example.json":                          {16, `value Bundle.entry[1].fullUrl: "http://test.fhir.org/r4/Observation/lri-gramstain1" ends with the id lri-gramstain1`},
	// Questionnaire.item.linkId is 1..1, also in nested items.
	"Questionnaire-qs1.json": {32, `required Questionnaire.item[0].item[0].linkId: Questionnaire.item must have "linkId"`},
}

func TestOfficialExamples(t *testing.T) {
	v := New(definition.R4())
	files := published.Glob(t, "examples/r4-official/*.json")
	for _, file := range files {
		src := published.Read(t, file)
		issues := v.Validate(parse(t, src))
		want, isBroken := broken[filepath.Base(file)]
		if isBroken && len(issues) == want.count && strings.Contains(show(issues[0]), want.first) {
			continue
		}
		if isBroken {
			t.Errorf("%s: %d issues, want %d, the first %s", file, len(issues), want.count, want.first)
		}
		for _, issue := range issues {
			t.Errorf("%s: %s", filepath.Base(file), show(issue))
		}
	}
	if len(files) != 754 {
		t.Errorf("%d examples, want 754", len(files))
	}
}

func TestSynthea(t *testing.T) {
	v := New(definition.R4())
	count := 0
	for _, file := range published.Glob(t, "synthea/dev/ndjson/*.ndjson.gz") {
		for n, line := range published.Lines(t, file) {
			count++
			for _, issue := range v.Validate(parse(t, line)) {
				t.Errorf("%s line %d: %s", filepath.Base(file), n+1, show(issue))
			}
		}
	}
	if count < 30_000 {
		t.Errorf("only %d resources were validated", count)
	}
}

func TestSyntheaBundles(t *testing.T) {
	v := New(definition.R4())
	files := published.Glob(t, "synthea/dev/bundles/*.json.gz")
	for _, file := range files {
		for _, issue := range v.Validate(parse(t, published.Read(t, file))) {
			t.Errorf("%s: %s", filepath.Base(file), show(issue))
		}
	}
	if len(files) != 102 {
		t.Errorf("%d bundles, want 102", len(files))
	}
}
