package profile_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
	"github.com/tarnhealth/tarn/validate/profile"
)

const usCorePackages = "../../../shared/data/definitions/us-core/hl7.fhir.us.core-"

// usCore is US Core in a version.
func usCore(t testing.TB, version string) *guide.Set {
	t.Helper()
	file, err := os.Open(usCorePackages + version + ".tgz")
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

// usCoreExamples are the examples in a package of US Core, by file name.
func usCoreExamples(t testing.TB, version string) map[string][]byte {
	t.Helper()
	file, err := os.Open(usCorePackages + version + ".tgz")
	if err != nil {
		t.Skip("../shared/data is absent")
	}
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for archive := tar.NewReader(unzip); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if path.Dir(header.Name) != "package/example" || path.Ext(header.Name) != ".json" {
			continue
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		var is struct{ ResourceType string }
		if json.Unmarshal(data, &is); is.ResourceType != "" { // the rest is the package's own index
			all[path.Base(header.Name)] = data
		}
	}
}

var usCoreVersions = []string{"3.1.1", "4.0.0", "5.0.1", "6.1.0", "7.0.0", "8.0.0"}

// TestUSCoreExamples checks every example of six versions of US Core: those that
// break a rule are known by name.
func TestUSCoreExamples(t *testing.T) {
	for _, version := range usCoreVersions {
		t.Run(version, func(t *testing.T) {
			v := validator(usCore(t, version))
			examples := usCoreExamples(t, version)
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
