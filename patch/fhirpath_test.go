package patch_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/patch"
)

func parse(t testing.TB, text string) *fhir.Tree {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, []byte(text), fhir.DefaultLimits)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return tree
}

// parameters makes a Parameters of operations, each a line "type path part=…":
// name, index, source and destination are plain, value is members of JSON.
func parameters(t testing.TB, operations string) fhir.Node {
	t.Helper()
	var all []string
	for line := range strings.Lines(strings.TrimSpace(operations)) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 3)
		parts := []string{`{"name":"type","valueCode":"` + fields[0] + `"}`, `{"name":"path","valueString":` + strconv.Quote(fields[1]) + `}`}
		if len(fields) == 3 {
			rest, val, found := strings.Cut(fields[2], "value=")
			for field := range strings.FieldsSeq(rest) {
				name, text, _ := strings.Cut(field, "=")
				form := `"valueInteger":` + text
				if name == "name" {
					form = `"valueString":"` + text + `"`
				}
				parts = append(parts, `{"name":"`+name+`",`+form+`}`)
			}
			if found {
				parts = append(parts, `{"name":"value",`+val+`}`)
			}
		}
		all = append(all, `{"name":"operation","part":[`+strings.Join(parts, ",")+`]}`)
	}
	return parse(t, `{"resourceType":"Parameters","parameter":[`+strings.Join(all, ",")+`]}`).Root()
}

func TestFHIRPath(t *testing.T) {
	const p = `{"resourceType":"Patient"`
	for _, c := range []struct{ name, doc, operations, want string }{
		{"add", p + `}`, `add Patient name=birthDate value="valueDate":"1930-01-01"`, p + `,"birthDate":"1930-01-01"}`},
		{"add to a list", p + `, "name": [ {"family": "A"} ] }`, `add Patient name=name value="valueHumanName":{"family":"B"}`, p + `, "name": [ {"family": "A"}, {"family":"B"} ] }`},
		{"add a first one", p + `,"active":true}`, `add Patient name=name value="valueHumanName":{"family":"B"}`, p + `,"active":true,"name":[{"family":"B"}]}`},
		{"add an anonymous type", p + `}`, `add Patient name=contact value="part":[{"name":"name","valueHumanName":{"text":"x"}},{"name":"relationship","valueCodeableConcept":{"text":"r"}},{"name":"gender","valueCode":"male"}]`, p + `,"contact":[{"name":{"text":"x"},"relationship":[{"text":"r"}],"gender":"male"}]}`},
		{"add an extension by its JSON key", p + `}`, `add Patient name=extension value="part":[{"name":"url","valueUri":"u"},{"name":"valueCode","valueCode":"x"}]`, p + `,"extension":[{"url":"u","valueCode":"x"}]}`},
		{"replace inside contained", p + `,"contained":[{"resourceType":"Organization","id":"o","name":"x"}]}`, `replace Patient.contained.where(id='o').name value="valueString":"y"`, p + `,"contained":[{"resourceType":"Organization","id":"o","name":"y"}]}`},
		{"add inside", p + `,"contact":[{"name":{"text":"a"}}]}`, `add Patient.contact[0] name=gender value="valueCode":"male"`, p + `,"contact":[{"name":{"text":"a"},"gender":"male"}]}`},
		{"add a primitive's companion", p + `,"name":[{"given":["A"]}]}`, `add Patient.name name=given value="valueString":"B","_valueString":{"id":"b"}`, p + `,"name":[{"given":["A","B"],"_given":[null,{"id":"b"}]}]}`},
		{"add an extension to a primitive", p + `,"birthDate":"1930"}`, `add Patient.birthDate name=extension value="part":[{"name":"url","valueUri":"u"},{"name":"value","valueCode":"x"}]`, p + `,"birthDate":"1930","_birthDate":{"extension":[{"url":"u","valueCode":"x"}]}}`},
		{"add a second extension to a primitive", p + `,"_birthDate":{"extension":[{"url":"u","valueCode":"x"}]}}`, `add Patient.birthDate name=extension value="part":[{"name":"url","valueUri":"v"},{"name":"value","valueCode":"y"}]`, p + `,"_birthDate":{"extension":[{"url":"u","valueCode":"x"},{"url":"v","valueCode":"y"}]}}`},
		{"add an extension to an item", p + `,"name":[{"given":["A","B"]}]}`, `add Patient.name.given[1] name=extension value="part":[{"name":"url","valueUri":"u"},{"name":"value","valueCode":"x"}]`, p + `,"name":[{"given":["A","B"],"_given":[null,{"extension":[{"url":"u","valueCode":"x"}]}]}]}`},
		{"add a choice", p + `}`, `add Patient name=deceased value="valueBoolean":true`, p + `,"deceasedBoolean":true}`},
		{"add contained", p + `}`, `add Patient name=contained value="resource":{"resourceType":"Organization","id":"o"}`, p + `,"contained":[{"resourceType":"Organization","id":"o"}]}`},
		{"insert first", p + `,"identifier":[{"value":"a"},{"value":"b"}]}`, `insert Patient.identifier index=0 value="valueIdentifier":{"value":"c"}`, p + `,"identifier":[{"value":"c"},{"value":"a"},{"value":"b"}]}`},
		{"insert last", p + `,"identifier":[{"value":"a"}]}`, `insert Patient.identifier index=1 value="valueIdentifier":{"value":"c"}`, p + `,"identifier":[{"value":"a"},{"value":"c"}]}`},
		{"insert into nothing", p + `,"active":true}`, `insert Patient.identifier index=0 value="valueIdentifier":{"value":"c"}`, p + `,"active":true,"identifier":[{"value":"c"}]}`},
		{"insert beside companions", p + `,"name":[{"given":["A"],"_given":[{"id":"a"}]}]}`, `insert Patient.name.given index=0 value="valueString":"B"`, p + `,"name":[{"given":["B","A"],"_given":[null,{"id":"a"}]}]}`},
		{"delete", p + `,"birthDate":"1930","active":true}`, `delete Patient.birthDate`, p + `,"active":true}`},
		{"delete with its companion", p + `,"birthDate":"1930","_birthDate":{"id":"x"}}`, `delete Patient.birthDate`, p + `}`},
		{"delete nothing", p + `}`, `delete Patient.birthDate`, p + `}`},
		{"delete an item", p + `,"name":[{"given":["A","B"],"_given":[null,{"id":"b"}]}]}`, `delete Patient.name.given[1]`, p + `,"name":[{"given":["A"]}]}`},
		{"delete the last one inside", p + `,"active":true,"contact":[{"name":{"text":"x"}}]}`, `delete Patient.contact.name.text`, p + `,"active":true}`},
		{"delete a primitive's extension", p + `,"name":[{"given":["A","B"],"_given":[{"id":"a"},{"extension":[{"url":"u","valueCode":"x"}]}]}]}`, `delete Patient.name.given[1].extension`, p + `,"name":[{"given":["A","B"],"_given":[{"id":"a"},null]}]}`},
		{"delete by where", p + `,"identifier":[{"system":"a","value":"1"},{"system":"b","value":"2"}]}`, `delete Patient.identifier.where(system='a')`, p + `,"identifier":[{"system":"b","value":"2"}]}`},
		{"replace", p + `,"birthDate":"1930","active":true}`, `replace Patient.birthDate value="valueDate":"1931"`, p + `,"birthDate":"1931","active":true}`},
		{"replace drops the companion", p + `,"birthDate":"1930","_birthDate":{"id":"x"}}`, `replace Patient.birthDate value="valueDate":"1931"`, p + `,"birthDate":"1931"}`},
		{"replace by a choice of another type", p + `,"deceasedBoolean":true}`, `replace Patient.deceased value="valueDateTime":"2020"`, p + `,"deceasedDateTime":"2020"}`},
		{"replace inside", p + `,"maritalStatus":{"coding":[{"code":"M"}]}}`, `replace Patient.maritalStatus.coding[0].code value="valueCode":"S"`, p + `,"maritalStatus":{"coding":[{"code":"S"}]}}`},
		{"replace inside a companion", p + `,"_birthDate":{"extension":[{"url":"u","valueCode":"x"}]}}`, `replace Patient.birthDate.extension.value value="valueCode":"y"`, p + `,"_birthDate":{"extension":[{"url":"u","valueCode":"y"}]}}`},
		{"move down", p + `,"name":[{"given":["A","B","C","D"]}]}`, `move Patient.name.given source=3 destination=1`, p + `,"name":[{"given":["A","D","B","C"]}]}`},
		{"move up, with companions", p + `,"name":[{"given":["A","B","C"],"_given":[{"id":"a"},null,null]}]}`, `move Patient.name.given source=0 destination=2`, p + `,"name":[{"given":["B","C","A"],"_given":[null,null,{"id":"a"}]}]}`},
		{"several", p + `}`, "add Patient name=active value=\"valueBoolean\":true\nreplace Patient.active value=\"valueBoolean\":false", p + `,"active":false}`},
		{"exact decimals and keys", `{ "status" : "final", "resourceType":"Observation", "code":{"text":"x"},"valueQuantity":{"value": 1.00 , "unit":"g"} }`, `replace Observation.status value="valueCode":"amended"`, `{ "status" : "amended", "resourceType":"Observation", "code":{"text":"x"},"valueQuantity":{"value": 1.00 , "unit":"g"} }`},

		{"add over", p + `,"birthDate":"1930"}`, `add Patient name=birthDate value="valueDate":"1931"`, "error: may have one only"},
		{"add over a choice", p + `,"deceasedBoolean":true}`, `add Patient name=deceased value="valueDateTime":"2020"`, "error: may have one only"},
		{"wrong type", p + `}`, `add Patient name=name value="valueAddress":{"text":"x"}`, "error: Patient.name takes HumanName, not Address"},
		{"unknown element", p + `}`, `add Patient name=shoe value="valueString":"x"`, "error: Patient has no element"},
		{"unknown element in the path", p + `}`, `replace Patient.shoe value="valueString":"x"`, "error: shoe"},
		{"no element", p + `}`, `replace Patient.birthDate value="valueDate":"1930"`, "error: selects nothing"},
		{"several elements", p + `,"name":[{"text":"a"},{"text":"b"}]}`, `delete Patient.name`, "error: selects 2 elements"},
		{"a value, no element", p + `,"name":[{"text":"a"}]}`, `delete Patient.name.count()`, "error: does not select elements"},
		{"the resource", p + `}`, `delete Patient`, "error: the resource itself"},
		{"insert too far", p + `,"name":[{"text":"a"}]}`, `insert Patient.name index=2 value="valueHumanName":{"text":"b"}`, "error: beyond its end"},
		{"insert into a part", p + `,"name":[{"text":"a"},{"text":"b"}]}`, `insert Patient.name.where(text='a') index=0 value="valueHumanName":{"text":"b"}`, "error: one whole list"},
		{"move too far", p + `,"name":[{"text":"a"}]}`, `move Patient.name source=0 destination=1`, "error: below that"},
		{"move what is no list", p + `,"active":true}`, `move Patient.active source=0 destination=0`, "error: not a list"},
		{"syntax", p + `}`, `delete Patient..x`, "error: "},
		{"another resource's context", p + `}`, `add Observation name=status value="valueCode":"final"`, "error: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := patch.FHIRPath(parse(t, c.doc), parameters(t, c.operations))
			if message, ok := strings.CutPrefix(c.want, "error: "); ok {
				if fhir.KindOf(err) != fhir.KindUnprocessable || !strings.Contains(err.Error(), message) || !strings.Contains(err.Error(), "Parameters.parameter[0]: operation 0") {
					t.Errorf("got %s, %v", got, err)
				}
				return
			}
			if err != nil || string(got) != c.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestFHIRPathRefusesWhatItCannotRead(t *testing.T) {
	for _, text := range []string{
		`{"resourceType":"Patient","active":true}`,
		`{"resourceType":"Parameters","parameter":[{"name":"op"}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"operation"}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"delete"}]}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"x"},{"name":"path","valueString":"x"}]}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"insert"},{"name":"path","valueString":"x"},{"name":"index","valueInteger":-1}]}]}`,
		`{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"what","valueCode":"insert"}]}]}`,
	} {
		_, err := patch.FHIRPath(parse(t, `{"resourceType":"Patient","active":true}`), parse(t, text).Root())
		if fhir.KindOf(err) != fhir.KindInvalid {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestFHIRPathOfNothing applies the patch of two versions that are the same.
func TestFHIRPathOfNothing(t *testing.T) {
	const doc = `{ "resourceType":"Patient","active":true}`
	got, err := patch.FHIRPath(parse(t, doc), parse(t, `{"resourceType":"Parameters"}`).Root())
	if err != nil || string(got) != doc {
		t.Errorf("got %s, %v", got, err)
	}
}

// examples are the official examples of R4.
func examples(t testing.TB) []*fhir.Tree {
	files, err := filepath.Glob("../../shared/data/examples/*.json")
	if err != nil || len(files) == 0 {
		files, _ = filepath.Glob("../../shared/data/examples/*/*.json")
	}
	if len(files) == 0 {
		t.Skip("../shared/data is absent")
	}
	var trees []*fhir.Tree
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if tree, err := fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits); err == nil {
			trees = append(trees, tree)
		}
	}
	return trees
}

// TestAddThenDelete puts an identifier into every example and takes it out
// again: the bytes must be as before.
func TestAddThenDelete(t *testing.T) {
	done := 0
	for _, tree := range examples(t) {
		root := tree.Root()
		name := root.Type().Name
		if root.Type().Element("language") == nil || root.Child("language").Exists() {
			continue
		}
		ops := parameters(t, `add `+name+` name=language value="valueCode":"en"
delete `+name+`.language`)
		got, err := patch.FHIRPath(tree, ops)
		if err != nil || string(got) != string(root.Raw()) {
			t.Fatalf("%s/%s: %v", name, root.TextOf("id"), err)
		}
		if done++; done == 200 {
			break
		}
	}
	if done < 100 {
		t.Errorf("only %d examples were tried", done)
	}
}

func FuzzFHIRPath(f *testing.F) {
	f.Add(`{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[null,{"id":"b"}]}]}`, "delete", "Patient.name.given[1]", 0)
	f.Add(`{"resourceType":"Patient","name":[{"given":["A","B"]}]}`, "move", "Patient.name.given", 1)
	f.Add(`{"resourceType":"Patient","_birthDate":{"id":"x"}}`, "replace", "Patient.birthDate", 1)
	schema := definition.R4().Schema
	f.Fuzz(func(t *testing.T, doc, kind, path string, index int) {
		tree, err := fhir.Parse(schema, []byte(doc), fhir.DefaultLimits)
		if err != nil || strings.Contains(path, "\x00") {
			return
		}
		n := strconv.Itoa(index)
		text := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":` + string(fhir.AppendString(nil, kind)) + `},
			{"name":"path","valueString":` + string(fhir.AppendString(nil, path)) + `},{"name":"name","valueString":"id"},{"name":"index","valueInteger":` + n + `},
			{"name":"source","valueInteger":` + n + `},{"name":"destination","valueInteger":0},{"name":"value","valueString":"v"}]}]}`
		ops, err := fhir.Parse(schema, []byte(text), fhir.DefaultLimits)
		if err != nil {
			return
		}
		if got, err := patch.FHIRPath(tree, ops.Root()); err == nil {
			parse(t, string(got))
		}
	})
}
