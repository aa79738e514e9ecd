package profile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
	"github.com/tarnhealth/tarn/validate/profile"
)

// usCore is US Core in a version.
func usCore(t testing.TB, version string) *guide.Set {
	t.Helper()
	file, err := os.Open("../../../shared/data/definitions/us-core/hl7.fhir.us.core-" + version + ".tgz")
	if err != nil {
		t.Skip("../shared/data is absent")
	}
	defer file.Close()
	p, err := guide.Read(file, guide.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	set, err := guide.NewSet(p)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func validator(set *guide.Set, asked ...string) *validate.Validator {
	return validate.New(definition.R4(), invariant.New(definition.R4()), profile.New(definition.R4(), set.Find, asked...))
}

func TestUSCoreExamples(t *testing.T) {
	for _, version := range []string{"6.1.0", "7.0.0", "8.0.0"} {
		t.Run(version, func(t *testing.T) {
			v := validator(usCore(t, version))
			files, _ := filepath.Glob("../../../shared/data/examples/us-core/" + version + "/*.json")
			checked, bad := 0, 0
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				tree, err := fhir.Parse(definition.R4().Schema, data, fhir.DefaultLimits)
				if err != nil {
					t.Errorf("%s: %v", filepath.Base(file), err)
					continue
				}
				checked++
				wrong := false
				for _, issue := range v.Validate(tree) {
					if issue.Severity == fhir.SeverityError {
						wrong = true
						t.Errorf("%s: %s: %s", filepath.Base(file), issue.Expression, issue.Diagnostics)
					}
				}
				if wrong {
					bad++
				}
			}
			t.Logf("%d checked, %d bad", checked, bad)
		})
	}
}
