package validate

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

const data = "../../shared/data"

func parse(t testing.TB, src []byte) *fhir.Tree {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
	if err != nil {
		t.Fatalf("%v in %.200s", err, src)
	}
	return tree
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	if _, err := os.Stat(data); err != nil {
		t.Skip("../shared/data is absent")
	}
	files, err := filepath.Glob(filepath.Join(data, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file matches %s: %v", pattern, err)
	}
	return files
}

// unzip is the content of a gzipped file.
func unzip(t testing.TB, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// lines are the lines of a gzipped file.
func lines(t testing.TB, file string) [][]byte {
	t.Helper()
	return bytes.Split(bytes.TrimSpace(unzip(t, file)), []byte{'\n'})
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
	files := glob(t, "examples/r4-official/*.json")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
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
	for _, file := range glob(t, "synthea/dev/ndjson/*.ndjson.gz") {
		for n, line := range lines(t, file) {
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
	files := glob(t, "synthea/dev/bundles/*.json.gz")
	for _, file := range files {
		for _, issue := range v.Validate(parse(t, unzip(t, file))) {
			t.Errorf("%s: %s", filepath.Base(file), show(issue))
		}
	}
	if len(files) != 102 {
		t.Errorf("%d bundles, want 102", len(files))
	}
}
