package snapshot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/release"
	"github.com/tarnhealth/tarn/guide/snapshot"
)

// profile is a profile for Patient with a differential of elements in JSON.
func profile(url, base string, elements ...string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"StructureDefinition","url":%q,"type":"Patient","derivation":"constraint","baseDefinition":%q,"differential":{"element":[%s]}}`,
		url, base, strings.Join(elements, ","))
}

const patient = "http://hl7.org/fhir/StructureDefinition/Patient"

func finder(own map[string][]byte) snapshot.Find {
	return func(canonical string) ([]byte, error) {
		if src := own[canonical]; src != nil {
			return src, nil
		}
		return release.R4().Find(canonical)
	}
}

func TestRefusals(t *testing.T) {
	root := `{"id":"Patient","path":"Patient"}`
	own := map[string][]byte{
		"http://x/a":   profile("http://x/a", "http://x/b", root),
		"http://x/b":   profile("http://x/b", "http://x/a", root),
		"http://x/bad": []byte("{"),
	}
	for name, test := range map[string]struct {
		src  []byte
		want string
	}{
		"a circle":          {own["http://x/a"], "it is based on itself"},
		"by itself":         {profile("http://x/c", "http://x/c", root), "based on http://x/c, which is not known here"},
		"no base":           {profile("http://x/c", "http://x/nothing", root), "based on http://x/nothing, which is not known here"},
		"a broken base":     {profile("http://x/c", "http://x/bad", root), "cannot be read"},
		"no differential":   {profile("http://x/c", patient), "no baseDefinition or no differential"},
		"a wrong element":   {profile("http://x/c", patient, `{"id":"Patient.fur","path":"Patient.fur"}`), "about Patient.fur, which Patient has not"},
		"a wrong choice":    {profile("http://x/c", patient, `{"id":"Patient.deceasedString","path":"Patient.deceasedString"}`), "about Patient.deceasedString"},
		"into a primitive":  {profile("http://x/c", patient, `{"id":"Patient.gender.code","path":"Patient.gender.code"}`), "about Patient.gender.code"},
		"no JSON":           {[]byte("x"), "cannot be read"},
		"deeper than types": {profile("http://x/c", patient, `{"id":"Patient.id.x.y","path":"Patient.id.x.y"}`), "goes into id"},
	} {
		_, err := snapshot.Generate(test.src, finder(own))
		if err == nil || fhir.KindOf(err) != fhir.KindUnprocessable || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestShapes says of single elements of a differential which elements they come to.
func TestShapes(t *testing.T) {
	own := map[string][]byte{
		"http://x/base": profile("http://x/base", patient, `{"id":"Patient.name","path":"Patient.name","min":1,"constraint":[{"key":"n-1","severity":"error","human":"x"}]}`),
	}
	for name, test := range map[string]struct {
		base     string
		elements []string
		want     map[string]string // facts by id; "-" for elements that are not there
	}{
		"on a profile": {"http://x/base", []string{`{"id":"Patient.name","path":"Patient.name","max":"1"}`}, map[string]string{
			"Patient.name": "1..1 HumanName [ele-1 n-1]", "Patient.name.id": "-", "Patient.gender": "0..1 code [ele-1]",
		}},
		"inside a type": {patient, []string{`{"id":"Patient.name.family","path":"Patient.name.family","min":1}`}, map[string]string{
			"Patient.name.family": "1..1 string [ele-1]", "Patient.name.given": "0..* string [ele-1]",
		}},
		"a slice": {patient, []string{
			`{"id":"Patient.name","path":"Patient.name","slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"open"}}`,
			`{"id":"Patient.name:official","path":"Patient.name","sliceName":"official","min":1}`,
			`{"id":"Patient.name:official.use","path":"Patient.name.use","fixedCode":"official"}`,
		}, map[string]string{
			"Patient.name": "0..* HumanName [ele-1]", "Patient.name:official": "1..* HumanName [ele-1]",
			"Patient.name:official.use": "0..1 code [ele-1]", "Patient.name.use": "-",
		}},
		"without ids": {patient, []string{
			`{"path":"Patient.name","slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"open"}}`,
			`{"path":"Patient.name","sliceName":"a"}`, `{"path":"Patient.name.use","min":1}`,
		}, map[string]string{"Patient.name:a": "0..* HumanName [ele-1]", "Patient.name:a.use": "1..1 code [ele-1]"}},
		"a choice by name": {patient, []string{`{"id":"Patient.deceasedBoolean","path":"Patient.deceasedBoolean","min":1}`}, map[string]string{
			"Patient.deceased[x]": "1..1 boolean [ele-1]", "Patient.deceased[x]:deceasedBoolean": "1..1 boolean [ele-1]",
		}},
		"a choice that may be other": {patient, []string{`{"id":"Patient.deceasedBoolean","path":"Patient.deceasedBoolean"}`}, map[string]string{
			"Patient.deceased[x]": "0..1 boolean,dateTime [ele-1]", "Patient.deceased[x]:deceasedBoolean": "0..1 boolean [ele-1]",
		}},
		"a slice of a slice": {patient, []string{
			`{"id":"Patient.name:a","path":"Patient.name","sliceName":"a","max":"3"}`, `{"id":"Patient.name:a/b","path":"Patient.name","sliceName":"a/b"}`,
		}, map[string]string{"Patient.name:a": "0..3 HumanName [ele-1]", "Patient.name:a/b": "0..3 HumanName [ele-1]"}},
	} {
		made, err := snapshot.Generate(profile("http://x/c", test.base, test.elements...), finder(own))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, _ := elements(t, made)
		for id, want := range test.want {
			text := "-"
			if f, ok := got[id]; ok {
				var types, keys []string
				for _, of := range f.Type {
					types = append(types, of.Code)
				}
				for _, k := range f.Constraint {
					keys = append(keys, k.Key)
				}
				text = fmt.Sprintf("%d..%s %s %v", f.Min, f.Max, strings.Join(types, ","), keys)
			}
			if text != want {
				t.Errorf("%s: %s is %q, want %q", name, id, text, want)
			}
		}
	}
}

// TestContent goes into an element that has the content of another.
func TestContent(t *testing.T) {
	src := strings.NewReplacer(`"type":"Patient"`, `"type":"Questionnaire"`).Replace(string(profile("http://x/q", "http://hl7.org/fhir/StructureDefinition/Questionnaire",
		`{"id":"Questionnaire.item.item.text","path":"Questionnaire.item.item.text","min":1}`)))
	made, err := snapshot.Generate([]byte(src), finder(nil))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := elements(t, made)
	if f := got["Questionnaire.item.item.text"]; f.Min != 1 || f.Max != "1" {
		t.Errorf("Questionnaire.item.item.text is %+v", f)
	}
	if f := got["Questionnaire.item.text"]; f.Min != 0 {
		t.Errorf("Questionnaire.item.text is %+v", f)
	}
	if f := got["Questionnaire.item.item"]; f.ContentReference != "" || len(f.Type) != 1 {
		t.Errorf("Questionnaire.item.item is %+v", f)
	}
}

// FuzzGenerate looks for differentials that break the generator.
func FuzzGenerate(f *testing.F) {
	f.Add("Patient.name:a.use", "Patient.name.use", "a", `[{"code":"HumanName"}]`)
	f.Add("Patient.deceasedBoolean", "Patient.deceased[x]", "", `[{"code":"boolean","profile":["http://x/c"]}]`)
	f.Add("Patient.contact.name.period.start.id", "", "a/b", `{}`)
	f.Add("..:.:", "", "", `0`)
	f.Fuzz(func(t *testing.T, id, path, slice, types string) {
		src := profile("http://x/c", patient, fmt.Sprintf(`{"id":%q,"path":%q,"sliceName":%q,"type":%s}`, id, path, slice, types))
		_, _ = snapshot.Generate(src, finder(map[string][]byte{"http://x/c": src}))
	})
}
