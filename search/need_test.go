package search

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/search/need"
)

// A parameter that mayHaveValues rules out must select nothing in any example.
func TestNeedsLoseNothing(t *testing.T) {
	files, _ := filepath.Glob("../../shared/data/examples/r4-official/*.json")
	if len(files) == 0 {
		t.Skip("../../shared/data is absent")
	}
	r, err := New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	skipped, indexed := 0, 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := fhir.Parse(r.Definitions.Schema, src, fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		root := tree.Root()
		present := need.In(root)
		for _, p := range r.resources[root.Type().Index].params {
			switch {
			case p.kind == nil, p.words:
			case p.mayHaveValues(&present):
				indexed++
			default:
				skipped++
				x := &indexer{registry: r, param: p}
				if x.values(p.expr, p.kind, root); len(x.spans) > 0 {
					t.Errorf("%s: %s is left out but has %d keys", file, p.Key(), len(x.spans))
				}
			}
		}
	}
	if skipped < indexed/2 {
		t.Errorf("only %d of %d parameters are left out", skipped, skipped+indexed)
	}
}

func TestImpliedSystems(t *testing.T) {
	r, err := New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ resourceType, code, system string }{
		{"Patient", "gender", "http://hl7.org/fhir/administrative-gender"},
		{"Observation", "status", "http://hl7.org/fhir/observation-status"},
		{"Observation", "code", ""},
		{"Patient", "language", ""},
	}
	for _, tt := range tests {
		implied := r.Param(tt.resourceType, tt.code).implied
		if tt.system == "" && len(implied) > 0 || tt.system != "" && (len(implied) != 1 || implied[0] != hashSystem([]byte(tt.system))) {
			t.Errorf("%s.%s implies %x", tt.resourceType, tt.code, implied)
		}
	}
}

// TestParametersCompile compiles what New leaves for later.
func TestParametersCompile(t *testing.T) {
	r, err := New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	broken := *r
	broken.Params = []*Param{{Code: "x", Type: "Patient", expr: fhirpath.Later(r.Definitions.Schema, "Patient.nmae")}}
	if err := broken.Check(); err == nil || !strings.Contains(err.Error(), `search parameter x of Patient: `) || !strings.Contains(err.Error(), "nmae") {
		t.Errorf("Check of a misspelt expression: %v", err)
	}
}

func BenchmarkNew(b *testing.B) {
	set := definition.R4()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(set); err != nil {
			b.Fatal(err)
		}
	}
}
