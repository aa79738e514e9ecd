package profile_test

import (
	"regexp"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/internal/published"
)

// TestSynthea checks a published Synthea sample, which declares US Core 3.1.1.
func TestSynthea(t *testing.T) {
	files := published.Glob(t, "synthea/dev/ndjson/*.ndjson.gz")
	v := validator(guidetest.USCore(t, "3.1.1"))
	place := regexp.MustCompile(`\[\d+\]`)
	found, checked := map[string]int{}, 0
	for _, file := range files {
		lines := published.Lines(t, file)
		for _, line := range lines[:min(len(lines), 1000)] {
			tree, err := fhir.Parse(definition.R4().Schema, line, fhir.DefaultLimits)
			if err != nil {
				t.Fatal(err)
			}
			checked++
			for _, issue := range v.Validate(tree) {
				if issue.Severity == fhir.SeverityError {
					found[place.ReplaceAllString(issue.Expression, "")+": "+issue.Diagnostics]++
				}
			}
		}
	}
	// The sample has an ethnicity among the races: 2135-2 is Hispanic or
	// Latino, which is not in the value set.
	const known = "Patient.extension.extension.value: urn:oid:2.16.840.1.113883.6.238|2135-2 is not in the value set http://hl7.org/fhir/us/core/ValueSet/omb-race-category, which is required here (USCoreRaceExtension)"
	if found[known] == 0 {
		t.Error("the sample's ethnicities among the races are not found")
	}
	delete(found, known)
	for text, n := range found {
		t.Errorf("%d times %s", n, text)
	}
	if checked < 10_000 {
		t.Errorf("only %d resources were checked", checked)
	}
}

func BenchmarkUSCorePatient(b *testing.B)     { benchmark(b, "Patient") }
func BenchmarkUSCoreObservation(b *testing.B) { benchmark(b, "Observation") }

func benchmark(b *testing.B, resourceType string) {
	v := validator(guidetest.USCore(b, "3.1.1"))
	tree, err := fhir.Parse(definition.R4().Schema, published.Lines(b, "synthea/dev/ndjson/"+resourceType+".ndjson.gz")[0], fhir.DefaultLimits)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		v.Validate(tree)
	}
}
