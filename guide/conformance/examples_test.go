package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/internal/published"
)

// usCore is US Core in a version, as it is in a data store.
func usCore(t *testing.T, version string) *conformance.Guides {
	t.Helper()
	g, err := conformance.New(guidetest.USCore(t, version), conformance.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestExamples: with R4's own profiles and extensions known, the examples of US
// Core and those of R4 have no more errors than are theirs.
func TestExamples(t *testing.T) {
	g := usCore(t, "6.1.0")
	checked := 0
	for name, src := range guidetest.USCoreExamples(t, "6.1.0") {
		tree, err := fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checked++
		g.Check(tree, func(i fhir.Issue) {
			if i.Severity == fhir.SeverityError {
				t.Errorf("%s: %s: %s", name, i.Expression, i.Diagnostics)
			}
		})
	}
	if checked < 100 {
		t.Errorf("only %d examples were checked", checked)
	}
}

func TestReleaseExamples(t *testing.T) {
	broken := map[string][]string{}
	for _, line := range published.Lines(t, "examples/r4-official/all-examples.ndjson.gz") {
		tree, err := fhir.Parse(definition.R4().Schema, line, fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		root := tree.Root()
		conformance.None().Check(tree, func(i fhir.Issue) {
			if i.Severity == fhir.SeverityError {
				name := root.Type().Name + "/" + root.TextOf("id")
				broken[name] = append(broken[name], i.Expression+": "+i.Diagnostics)
			}
		})
	}
	for name, issues := range broken {
		if !slices.Contains(brokenExamples, name) {
			t.Errorf("%s:\n\t%s", name, strings.Join(issues, "\n\t"))
		}
	}
}

// brokenExamples break profiles or definitions of extensions of R4.
var brokenExamples = []string{}
