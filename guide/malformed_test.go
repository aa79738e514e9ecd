package guide_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/internal/published"
)

// TestMalformed refuses packages with definitions that are none, and says which
// they are and why; other files may be of any kind.
func TestMalformed(t *testing.T) {
	const whole = `{"resourceType":"StructureDefinition","url":"http://x/a","name":"A","status":"draft","kind":"resource","abstract":false,"type":"Patient"}`
	const index = `{"index-version":1,"files":[{"filename":"a-profile.json","resourceType":"StructureDefinition"},{"filename":"someone.json","resourceType":"Patient"}]}`
	half := whole[:len(whole)/2]
	for name, test := range map[string]struct {
		files []string
		want  string // of the error; "" for none
	}{
		"whole":                     {[]string{"StructureDefinition-a.json", whole}, ""},
		"with a byte order mark":    {[]string{"StructureDefinition-a.json", "\xef\xbb\xbf" + whole}, ""},
		"cut":                       {[]string{"StructureDefinition-a.json", half}, "StructureDefinition-a.json: it is not JSON: unexpected end of JSON input, after "},
		"empty":                     {[]string{"ValueSet-a.json", ""}, "ValueSet-a.json: it is not JSON"},
		"with more after it":        {[]string{"CodeSystem-a.json", whole + "}"}, "CodeSystem-a.json: it is not JSON"},
		"of no type":                {[]string{"SearchParameter-a.json", `{"url":"http://x/a"}`}, "SearchParameter-a.json: it has no resourceType"},
		"no object":                 {[]string{"ConceptMap-a.json", `[]`}, "ConceptMap-a.json: it has no resourceType"},
		"two":                       {[]string{"ConceptMap-a.json", `[]`, "ConceptMap-b.json", `1`}, "ConceptMap-a.json: it has no resourceType (and 1 other files)"},
		"one of R5":                 {[]string{"ActorDefinition-a.json", `{"resourceType":"ActorDefinition"}`, "ValueSet-r5.json", `{"resourceType":"ValueSet","scope":{}}`}, ""},
		"listed before":             {[]string{".index.json", index, "a-profile.json", half}, "a-profile.json: it is not JSON"},
		"listed after":              {[]string{"a-profile.json", half, ".index.json", index}, "a-profile.json: it is not JSON"},
		"listed as another":         {[]string{".index.json", index, "someone.json", half}, ""},
		"not listed":                {[]string{"a-profile.json", half}, ""},
		"of other kinds":            {[]string{"spec.json", `{"a":1}`, "StructureDefinition-a.openapi.json", `{"openapi":"3.0.2"}`, "StructureDefinition-a.schema.json", `{}`, "StructureDefinition-a.sch", "<a/>"}, ""},
		"in other folders":          {[]string{"example/StructureDefinition-a.json", half, "openapi/ValueSet-a.json", "{}"}, ""},
		"an index that is not read": {[]string{".index.json", "{", "someone.json", half}, ""},
	} {
		files := []string{"package/package.json", manifest("a", "1.0.0", "")}
		for i, text := range test.files {
			if i%2 == 0 {
				text = "package/" + text
			}
			files = append(files, text)
		}
		data := archive(t, files...).Bytes()
		_, err := guide.Read(bytes.NewReader(data), guide.DefaultLimits)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
		kept, err := guide.Reread(bytes.NewReader(data), guide.DefaultLimits)
		if err != nil {
			t.Errorf("%s: accepted before, and now: %v", name, err)
		} else if test.want != "" && len(kept.Skipped) == 0 {
			t.Errorf("%s: accepted before, and nothing is said of it", name)
		}
	}
}

// TestPublishedPackages: FHIR's own packages for R4 have no malformed files.
func TestPublishedPackages(t *testing.T) {
	for _, name := range []string{published.R4Core, "definitions/r4-core-package/hl7.fhir.r4.expansions.tgz"} {
		file, err := os.Open(published.Path(t, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		p, err := guide.Read(file, guide.DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(p.Entries) < 500 {
			t.Errorf("%s has %d definitions", name, len(p.Entries))
		}
	}
}
