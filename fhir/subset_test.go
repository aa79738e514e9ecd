package fhir_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// summary keeps what the definitions mark as summary or mandatory.
func summary(e *fhir.Element) fhir.Keep {
	if e.Summary || e.Modifier || e.Min > 0 {
		return fhir.KeepParts
	}
	return fhir.KeepNone
}

// named keeps elements by their names.
func named(names ...string) func(*fhir.Element) fhir.Keep {
	return func(e *fhir.Element) fhir.Keep {
		if slices.Contains(names, e.Name) {
			return fhir.KeepWhole
		}
		return fhir.KeepNone
	}
}

const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

func TestSubset(t *testing.T) {
	for _, c := range []struct {
		name, src string
		keep      func(*fhir.Element) fhir.Keep
		want      string
	}{
		{
			"named elements", `{"resourceType":"Patient", "id": "1","gender":"male","name" : [ {"family":"a"} ],"active":true}`, named("name"),
			`{"resourceType":"Patient","id": "1","name" : [ {"family":"a"} ],"meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"the type last", `{"id":"1","gender":"male","resourceType":"Patient"}`, named(),
			`{"id":"1","resourceType":"Patient","meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"a meta without tags", `{"resourceType":"Patient","meta":{"versionId":"1"},"gender":"male"}`, named(),
			`{"resourceType":"Patient","meta":{"versionId":"1","tag":[` + subsetted + `]}}`,
		},
		{
			"a meta with tags", `{"resourceType":"Patient","meta":{"tag":[{"code":"x"} ],"versionId":"1"}}`, named(),
			`{"resourceType":"Patient","meta":{"tag":[{"code":"x"} ,` + subsetted + `],"versionId":"1"}}`,
		},
		{
			"marked already", `{"resourceType":"Patient","meta":{"tag":[` + subsetted + `]}}`, named(),
			`{"resourceType":"Patient","meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"a choice and its companion", `{"resourceType":"Observation","_valueString":{"id":"a"},"valueString":"\u00e9","status":"final"}`, named("value"),
			`{"resourceType":"Observation","_valueString":{"id":"a"},"valueString":"\u00e9","meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"a key with escapes", `{"resourceType":"Patient","n\u0061me":[{"family":"a"}],"gender":"male"}`, named("name"),
			`{"resourceType":"Patient","n\u0061me":[{"family":"a"}],"meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"companions of a summary", `{"resourceType":"Patient","_gender":{"id":"g"},"gender":"male","_birthDate":{"id":"b"},"name":[{"given":["a"],"_given":[{"id":"x"}]},{"_given":[null,{"id":"y"}],"given":["b",null]}]}`, summary,
			`{"resourceType":"Patient","gender":"male","name":[{"given":["a"]},{"given":["b",null],"_given":[null,{"id":"y"}]}],"_birthDate":{"id":"b"},"meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"empty parts go", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"component":[{"dataAbsentReason":{"text":"x"},"code":{"text":"c"}}],"method":{"text":"x"}}`,
			func(e *fhir.Element) fhir.Keep {
				if e.Name == "component" || e.Name == "interpretation" {
					return fhir.KeepParts
				}
				return fhir.KeepNone
			},
			`{"resourceType":"Observation","meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"mandatory parts stay", `{"resourceType":"DocumentReference","content":[{"attachment":{"data":"AA=="}},{"attachment":{"data":"AA==","title":"t"}}]}`, summary,
			`{"resourceType":"DocumentReference","content":[{"attachment":{"data":"AA=="}},{"attachment":{"title":"t"}}],"meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"an extension in place of a value", `{"resourceType":"Patient","managingOrganization":{"extension":[{"url":"u","valueCode":"unknown"}]}}`, summary,
			`{"resourceType":"Patient","managingOrganization":{"extension":[{"url":"u","valueCode":"unknown"}]},"meta":{"tag":[` + subsetted + `]}}`,
		},
		{
			"resources inside stay whole", `{"resourceType":"Bundle","type":"collection","entry":[{"id":"e","resource":{"resourceType":"Patient","maritalStatus":{"text":"x"}}}]}`, summary,
			`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","maritalStatus":{"text":"x"}}}],"meta":{"tag":[` + subsetted + `]}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			schema := definition.R4().Schema
			tree, err := fhir.Parse(schema, []byte(c.src), fhir.DefaultLimits)
			if err != nil {
				t.Fatal(err)
			}
			got, err := fhir.AppendSubset([]byte("before"), tree.Source, tree.Root().Type(), c.keep)
			if err != nil || string(got) != "before"+c.want {
				t.Errorf("got  %s, %v\nwant before%s", got, err, c.want)
			}
			if _, err := fhir.Parse(schema, []byte(c.want), fhir.DefaultLimits); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSubsetOfWhatIsNone(t *testing.T) {
	patient := definition.R4().Schema.Resource("Patient")
	for _, src := range []string{
		``, `[]`, `{`, `{"resourceType":"Patient"`, `{"resourceType":"Patient","nome":1}`, `{"meta":1}`, `{"meta":{"tag":[`,
		`{"name":1}`, `{"name":[1]}`, `{"name":[{}`, `{"name":[{"family":}]}`, `{"gender":"male"`, `{"gender":`, `{"_":1}`, `{"":1}`,
	} {
		got, err := fhir.AppendSubset([]byte("before"), []byte(src), patient, summary)
		if err == nil || string(got) != "before" {
			t.Errorf("%s: %s, %v", src, got, err)
		}
	}
}

// A summary of a summary is the summary: what is cut once leaves nothing to
// cut, and the mark is not made twice.
func TestSubsetOfExamples(t *testing.T) {
	schema := definition.R4().Schema
	for _, file := range dataFiles(t, examples) {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := fhir.Parse(schema, src, fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		once, err := fhir.AppendSubset(nil, src, tree.Root().Type(), summary)
		if err != nil {
			t.Fatalf("%s: %v", filepath.Base(file), err)
		}
		twice, err := fhir.AppendSubset(nil, once, tree.Root().Type(), summary)
		if err != nil || string(twice) != string(once) {
			t.Errorf("%s: a second summary is another: %v\n%s\n%s", filepath.Base(file), err, once, twice)
		}
		if n := strings.Count(string(once), "SUBSETTED"); n < 1 {
			t.Errorf("%s: not marked", filepath.Base(file))
		}
	}
}

// FuzzSubset: of whatever Parse accepts, a subset is FHIR as well.
func FuzzSubset(f *testing.F) {
	for _, src := range []string{
		`{"resourceType":"Patient","_gender":{"id":"g"},"name":[{"given":["a",null],"_given":[null,{"id":"y"}]}],"active":true}`,
		`{"meta":{"tag":[{"code":"x"}]},"contact":[{"gender":"male"}],"resourceType":"Patient","link":[{"other":{"reference":"a"},"type":"refer"}]}`,
		`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Binary"}}]}`,
	} {
		f.Add([]byte(src))
	}
	schema := definition.R4().Schema
	f.Fuzz(func(t *testing.T, src []byte) {
		tree, err := fhir.Parse(schema, src, fhir.DefaultLimits)
		if err != nil {
			return
		}
		for _, keep := range []func(*fhir.Element) fhir.Keep{summary, named("name", "entry", "gender")} {
			got, err := fhir.AppendSubset(nil, tree.Root().Raw(), tree.Root().Type(), keep)
			if err != nil {
				t.Fatalf("%s: %v", src, err)
			}
			if _, err := fhir.Parse(schema, got, fhir.DefaultLimits); err != nil {
				t.Fatalf("%s\n%s: %v", src, got, err)
			}
		}
	})
}

func BenchmarkSubset(b *testing.B) {
	src, err := os.ReadFile(filepath.Join(filepath.Dir(examples), "Patient-example.json"))
	if err != nil {
		b.Skip("../shared/data is absent")
	}
	patient := definition.R4().Schema.Resource("Patient")
	for name, keep := range map[string]func(*fhir.Element) fhir.Keep{"summary": summary, "elements": named("name", "birthDate")} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				if buf, err = fhir.AppendSubset(buf[:0], src, patient, keep); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
