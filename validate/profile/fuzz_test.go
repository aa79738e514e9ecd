package profile_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
	"github.com/tarnhealth/tarn/validate/profile"
)

// FuzzResource validates any resource against US Core: it may be wrong, but the
// validator neither panics nor runs without bound, and an issue is somewhere.
func FuzzResource(f *testing.F) {
	examples := guidetest.USCoreExamples(f, "6.1.0")
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		if len(examples[name]) < 3000 {
			f.Add(examples[name])
		}
	}
	v := validator(guidetest.USCore(f, "6.1.0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := fhir.Parse(definition.R4().Schema, data, fhir.Limits{Depth: 64, Nodes: 5000})
		if err != nil {
			return
		}
		for _, issue := range v.Validate(tree) {
			if issue.Expression == "" || issue.Diagnostics == "" {
				t.Errorf("an issue without a place or a text: %v", issue)
			}
		}
	})
}

// FuzzProfile takes any StructureDefinition as a profile, and validates with
// what can be compiled.
func FuzzProfile(f *testing.F) {
	for _, elements := range []string{
		`{"id":"Patient.name","path":"Patient.name","min":1,"max":"1","type":[{"code":"HumanName"}]}`,
		sliced("value", "system", "closed", "true") + `,{"id":"Patient.identifier:mrn","path":"Patient.identifier","sliceName":"mrn","min":1},{"id":"Patient.identifier:mrn.system","path":"Patient.identifier.system","fixedUri":"urn:mrn"}`,
		sliced("profile", "$this.resolve()", "open", "false") + `,{"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a","type":[{"code":"Identifier","profile":["http://x/p"]}]}`,
		`{"id":"Patient.link","path":"Patient.link"},{"id":"Patient.link.other","path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["http://x/p"]}]}`,
		`{"id":"Patient.contact","path":"Patient.contact","contentReference":"#Patient"},{"id":"Patient.active","path":"Patient.active","constraint":[{"key":"x","severity":"error","human":"x","expression":"repeat(children()).exists()"}]}`,
	} {
		f.Add([]byte(`{"resourceType":"StructureDefinition","url":"http://x/p","name":"P","status":"active","kind":"resource","abstract":false,"type":"Patient","snapshot":{"element":[{"id":"Patient","path":"Patient"},` + elements + `]}}`))
	}
	patient, err := fhir.Parse(definition.R4().Schema, []byte(`{"resourceType":"Patient","meta":{"profile":["http://x/p"]},"active":true,"contained":[{"resourceType":"Patient","id":"c","meta":{"profile":["http://x/p"]}}],"identifier":[{"system":"urn:mrn","value":"1"},{"use":"old"}],"name":[{"text":"x"}],"contact":[{"name":{"text":"x"}}],"link":[{"other":{"reference":"#c"},"type":"seealso"},{"other":{"reference":"#"},"type":"seealso"}],"extension":[{"url":"http://x/p","valueString":"x"}]}`), fhir.DefaultLimits)
	if err != nil {
		f.Fatal(err)
	}
	set, err := guide.NewSet()
	if err != nil {
		f.Fatal(err)
	}
	base := invariant.New(definition.R4())
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := fhir.Parse(definition.R4().Schema, data, fhir.Limits{Depth: 64, Nodes: 5000})
		if err != nil {
			return
		}
		rules := profile.New(definition.R4(), func(resourceType, canonical string) (*fhir.Tree, error) {
			if resourceType == "StructureDefinition" && canonical == "http://x/p" {
				return tree, nil
			}
			return set.Find(resourceType, canonical)
		})
		validate.New(definition.R4(), base, rules).Validate(patient)
		rules.MustSupport(patient, func(fhir.Issue) {})
	})
}
