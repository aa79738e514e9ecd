package terminology_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	codes "github.com/tarnhealth/tarn/search/terminology"
	"github.com/tarnhealth/tarn/terminology"
)

const animals = `{"resourceType":"CodeSystem","url":"http://x.org/animals","status":"active","content":"complete","caseSensitive":true,
 "property":[{"code":"up","uri":"http://hl7.org/fhir/concept-properties#parent","type":"code"},{"code":"legs","type":"integer"}],
 "concept":[{"code":"animal","concept":[{"code":"mammal","concept":[{"code":"dog","property":[{"code":"legs","valueInteger":4}]},{"code":"whale"}]},{"code":"bird","property":[{"code":"legs","valueInteger":2}]}]},
  {"code":"pet","property":[{"code":"up","valueCode":"animal"}]},{"code":"lapdog","property":[{"code":"up","valueCode":"dog"},{"code":"up","valueCode":"pet"},{"code":"legs","valueInteger":4}]}]}`

// Q13: the codes of value sets that a data store holds.
func TestExpand(t *testing.T) {
	include := func(what string) string { return `"compose":{"include":[` + what + `]}` }
	filter := func(property, op, value string) string {
		return include(`{"system":"http://x.org/animals","filter":[{"property":"` + property + `","op":"` + op + `","value":"` + value + `"}]}`)
	}
	for _, test := range []struct{ set, want string }{
		{include(`{"system":"http://any","concept":[{"code":"a"},{"code":"b"}]}`), "a b"},
		{include(`{"system":"http://x.org/animals"}`), "animal bird dog lapdog mammal pet whale"},
		{filter("concept", "is-a", "mammal"), "dog lapdog mammal whale"},
		{filter("concept", "descendent-of", "mammal"), "dog lapdog whale"},
		{filter("concept", "is-not-a", "mammal"), "animal bird pet"},
		{filter("concept", "generalizes", "lapdog"), "animal dog lapdog mammal pet"},
		{filter("concept", "in", "dog, bird"), "bird dog"},
		{filter("concept", "not-in", "dog,bird"), "animal lapdog mammal pet whale"},
		{filter("code", "regex", ".*d.*"), "bird dog lapdog"},
		{filter("legs", "=", "4"), "dog lapdog"},
		{filter("legs", "exists", "false"), "animal mammal pet whale"},
		{`"compose":{"include":[{"system":"http://x.org/animals"}],"exclude":[{"system":"http://x.org/animals","filter":[{"property":"concept","op":"is-a","value":"mammal"}]}]}`, "animal bird pet"},
		{include(`{"system":"http://x.org/animals","valueSet":["http://x.org/pets"]}`), "dog lapdog"},
		{include(`{"valueSet":["http://x.org/pets"]}`), "cat dog lapdog"},
		{include(`{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","filter":[{"property":"concept","op":"is-a","value":"_ActEncounterCode"}]}`),
			"ACUTE AMB EMER FLD HH IMP NONAC OBSENC PRENC SS VR _ActEncounterCode"},
		{`"expansion":{"timestamp":"2020-01-01","contains":[{"system":"s","code":"a","abstract":true,"contains":[{"system":"s","code":"b"}]}]}`, "a b"},
		{include(`{"system":"http://snomed.info/sct"}`) + `,"expansion":{"timestamp":"2020-01-01","contains":[{"system":"s","code":"b"}]}`, "b"},
		{include(`{"system":"http://snomed.info/sct"}`), "error: takes codes from http://snomed.info/sct, whose concepts are not known"},
		{include(`{"valueSet":["http://x.org/none"]}`), "error: the value set http://x.org/none is not known"},
		{include(`{"valueSet":["http://x.org/itself"]}`), "error: include each other more than 16 deep"},
		{include(`{"valueSet":["http://hl7.org/fhir/ValueSet/mimetypes"]}`), "error: the code system urn:ietf:bcp:13 is not known"},
		{filter("concept", "is-a", "fish"), `error: filters by "fish", which is not a code of http://x.org/animals`},
		{filter("concept", "~", "fish"), `error: the operator "~"`},
		{filter("code", "regex", "("), "error: not a regular expression"},
		{include(`{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","filter":[{"property":"status","op":"=","value":"active"}]}`), ""},
		{`"status":"active"`, "error: neither compose nor expansion"},
	} {
		set := `{"resourceType":"ValueSet","url":"http://x.org/set",` + test.set + `}`
		source := sourceOf(t, animals, set,
			`{"resourceType":"ValueSet","url":"http://x.org/itself","compose":{"include":[{"valueSet":["http://x.org/itself"]}]}}`,
			`{"resourceType":"ValueSet","url":"http://x.org/pets","compose":{"include":[{"system":"http://x.org/animals","concept":[{"code":"dog"},{"code":"lapdog"}]},{"system":"http://b","concept":[{"code":"cat"}]}]}}`)
		if got := expansion(source); !matches(got, test.want) {
			t.Errorf("%s expands to %q, want %q", set, got, test.want)
		}
	}
}

func matches(got, want string) bool {
	if text, ok := strings.CutPrefix(want, "error: "); ok {
		return strings.HasPrefix(got, "error: ") && strings.Contains(got, text)
	}
	return got == want
}

func expansion(s *codes.Source) string {
	v, err := s.ValueSet("http://x.org/set")
	if err != nil {
		return "error: " + err.Error()
	}
	var all []string
	for _, some := range v.Codes {
		all = append(all, slices.Collect(maps.Keys(some))...)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func sourceOf(t *testing.T, resources ...string) *codes.Source {
	t.Helper()
	stored := map[string]*fhir.Tree{}
	for _, src := range resources {
		tree, err := fhir.Parse(definition.R4().Schema, []byte(src), fhir.DefaultLimits)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		stored[tree.Root().Type().Name+" "+tree.Root().TextOf("url")] = tree
	}
	return &codes.Source{Service: terminology.New(func(resourceType, url string) (*fhir.Tree, error) {
		return stored[resourceType+" "+url], nil
	})}
}

// TestRelated: what a stored code system that refers to codes it lacks, and has
// a circle, says is above and below its codes.
func TestRelated(t *testing.T) {
	source := sourceOf(t, animals,
		`{"resourceType":"CodeSystem","url":"http://x.org/circle","caseSensitive":false,"content":"fragment","concept":[
		{"code":"a","property":[{"code":"parent","valueCode":"b"},{"code":"parent","valueCode":"nowhere"}]},
		{"code":"b","property":[{"code":"child","valueCode":"c"},{"code":"parent","valueCode":"a"}],"concept":[{"code":"c"}]}]}`,
		`{"resourceType":"CodeSystem","url":"http://x.org/parts","hierarchyMeaning":"part-of","content":"complete","concept":[{"code":"a","concept":[{"code":"b"}]}]}`)
	for _, test := range []struct {
		system, code string
		above        bool
		want         string
	}{
		{"http://x.org/animals", "mammal", false, "dog lapdog mammal whale"},
		{"http://x.org/animals", "lapdog", true, "animal dog lapdog mammal pet"},
		{"http://x.org/circle", "C", true, "a b c"},
		{"http://x.org/circle", "a", false, "a b c"},
		{"http://x.org/parts", "a", false, "a"},
		{"http://x.org/animals", "fish", false, `error: "fish" is not a code of http://x.org/animals`},
		{"http://x.org/none", "a", false, ""},
		{"http://snomed.info/sct", "1", false, ""},
		{"http://unitsofmeasure.org", "mg/dL", true, "mg/dL"},
	} {
		codes, err := source.Related(test.system, test.code, test.above)
		slices.Sort(codes)
		got := strings.Join(codes, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}
