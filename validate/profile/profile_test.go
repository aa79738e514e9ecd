package profile_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
)

func issues(t *testing.T, set *guide.Set, resource string, asked ...string) []fhir.Issue {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, []byte(resource), fhir.DefaultLimits)
	if err != nil {
		t.Fatalf("%v in %s", err, resource)
	}
	return validator(set, asked...).Validate(tree)
}

// expect checks that an issue with a text is at a path, or that there is no
// error where path is "".
func expect(t *testing.T, name string, found []fhir.Issue, path, text string) {
	t.Helper()
	ok := path == ""
	for _, issue := range found {
		if path == "" && issue.Severity == fhir.SeverityError {
			t.Errorf("%s: %s: %s", name, issue.Expression, issue.Diagnostics)
		}
		ok = ok || issue.Expression == path && strings.Contains(issue.Diagnostics, text)
	}
	if !ok {
		t.Errorf("%s: nothing at %s with %q: %v", name, path, text, found)
	}
}

// TestBrokenExamples breaks examples of US Core in one way each.
func TestBrokenExamples(t *testing.T) {
	set := usCore(t, "6.1.0")
	read := func(name string) string {
		data, err := os.ReadFile("../../../shared/data/examples/us-core/6.1.0/" + name + ".json")
		if err != nil {
			t.Skip("../shared/data is absent")
		}
		var b bytes.Buffer
		if err := json.Compact(&b, data); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	patient, pressure := read("Patient-example"), read("Observation-blood-pressure")
	for name, test := range map[string]struct{ resource, old, new, path, text string }{
		"patient":                {patient, "", "", "", ""},
		"no name":                {patient, `"name":[`, `"contact":[{"name":{"text":"x"}}],"photo":[],"name":[`, "", ""},
		"a race outside the set": {patient, `"code":"2106-3"`, `"code":"9999-9"`, "Patient.extension[0].extension[0].value", "9999-9 was not checked against the required value set"},
		"a race without text":    {patient, `"url":"text","valueString":"Mixed"`, `"url":"txt","valueString":"Mixed"`, "Patient.extension[0].extension", "text"},
		"no gender":              {patient, `"gender":"female",`, ``, "Patient.gender", "must be there"},
		"no value of identifier": {patient, `"value":"1032702"`, `"period":{"start":"2020"}`, "Patient.identifier[0].value", "must be there"},
		"pressure":               {pressure, "", "", "", ""},
		"no systolic":            {pressure, `"code":"8480-6"`, `"code":"1-8"`, "Observation.component", "systolic"},
		"another unit":           {pressure, `"code":"mm[Hg]"}},{`, `"code":"kPa"}},{`, "Observation.component[0].value.code", "mm[Hg]"},
		"no category":            {pressure, `"code":"vital-signs"`, `"code":"laboratory"`, "Observation.category", "VSCat"},
		"another code":           {pressure, `"code":"85354-9"`, `"code":"29463-7"`, "Observation.code", "85354-9"},
		"another type":           {pressure, `"resourceType":"Observation"`, `"resourceType":"Observation"`, "", ""},
		"a foreign subject":      {pressure, `"reference":"Patient/example"`, `"reference":"Group/example"`, "Observation.subject", "may not be referred to"},
	} {
		if test.old != "" && !strings.Contains(test.resource, test.old) {
			t.Errorf("%s: the example has no %s", name, test.old)
			continue
		}
		broken := strings.Replace(test.resource, test.old, test.new, 1)
		expect(t, name, issues(t, set, strings.Replace(broken, `"photo":[],`, "", 1)), test.path, test.text)
	}
	declared := `{"resourceType":"Patient","meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|3.0.0","http://hl7.org/fhir/us/core/StructureDefinition/us-core-blood-pressure"]},"name":[{"text":"x"}]}`
	expect(t, "an unknown version", issues(t, set, declared), "Patient.meta.profile[0]", "is not known")
	expect(t, "a profile of another type", issues(t, set, declared), "Patient.meta.profile[1]", "is for Observation, not for Patient")
	expect(t, "asked", issues(t, set, `{"resourceType":"Patient","name":[{"text":"x"}]}`, "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"), "Patient.identifier", "must be there")
	expect(t, "asked for what is not known", issues(t, set, `{"resourceType":"Patient","name":[{"text":"x"}]}`, "http://x/y"), "Patient", "the profile http://x/y is not known")
}

// own makes a guide of one profile on Patient and one on Extension.
func own(t *testing.T, elements string) *guide.Set {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for name, content := range map[string]string{
		"package/package.json": `{"name":"own","version":"1.0.0","fhirVersions":["4.0.1"]}`,
		"package/StructureDefinition-p.json": `{"resourceType":"StructureDefinition","url":"http://x/p","name":"P","status":"active","fhirVersion":"4.0.1","kind":"resource","abstract":false,"type":"Patient","derivation":"constraint",
			"snapshot":{"element":[{"id":"Patient","path":"Patient"},` + elements + `]}}`,
		"package/StructureDefinition-e.json": `{"resourceType":"StructureDefinition","url":"http://x/e","name":"E","status":"active","fhirVersion":"4.0.1","kind":"complex-type","abstract":false,"type":"Extension","derivation":"constraint",
			"snapshot":{"element":[{"id":"Extension","path":"Extension"},{"id":"Extension.url","path":"Extension.url","fixedUri":"http://x/e"},{"id":"Extension.value[x]","path":"Extension.value[x]","min":1,"type":[{"code":"boolean"}]}]}}`,
	} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if w.Close() != nil || zip.Close() != nil {
		t.Fatal("the archive is not written")
	}
	p, err := guide.Read(&b, guide.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	set, err := guide.NewSet(p)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func sliced(kind, path, rules, ordered string) string {
	return fmt.Sprintf(`{"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":%q,"path":%q}],"rules":%q,"ordered":%s}}`, kind, path, rules, ordered)
}

// TestRules tries each kind of rule on profiles of its own.
func TestRules(t *testing.T) {
	const mrn = `,{"id":"Patient.identifier:mrn","path":"Patient.identifier","sliceName":"mrn","min":1,"max":"1"},{"id":"Patient.identifier:mrn.system","path":"Patient.identifier.system","min":1,"fixedUri":"urn:mrn"},{"id":"Patient.identifier:mrn.value","path":"Patient.identifier.value","min":1}`
	const ssn = `,{"id":"Patient.identifier:ssn","path":"Patient.identifier","sliceName":"ssn","max":"1","patternIdentifier":{"system":"urn:ssn"}}`
	id := func(list string) string { return `{"resourceType":"Patient","identifier":[` + list + `]}` }
	const m, s, o = `{"system":"urn:mrn","value":"1"}`, `{"system":"urn:ssn","value":"2"}`, `{"system":"urn:other","value":"3"}`
	for name, test := range map[string]struct{ elements, resource, path, text string }{
		"slices by value":    {sliced("value", "system", "open", "false") + mrn + ssn, id(m + "," + s + "," + o), "", ""},
		"a slice is missing": {sliced("value", "system", "open", "false") + mrn + ssn, id(s + "," + o), "Patient.identifier", "the slice mrn must be there"},
		"a slice too many":   {sliced("value", "system", "open", "false") + mrn + ssn, id(m + "," + s + "," + s), "Patient.identifier", "the slice ssn may be there 1 times at most, not 2"},
		"inside a slice":     {sliced("value", "system", "open", "false") + mrn, id(`{"system":"urn:mrn"}`), "Patient.identifier[0].value", "must be there"},
		"closed":             {sliced("value", "system", "closed", "false") + mrn + ssn, id(m + "," + o), "Patient.identifier[1]", "of none of the slices mrn, ssn"},
		"ordered":            {sliced("value", "system", "open", "true") + mrn + ssn, id(s + "," + m), "Patient.identifier[1]", "comes too late"},
		"open at the end":    {sliced("value", "system", "openAtEnd", "false") + mrn + ssn, id(o + "," + m), "Patient.identifier[1]", "comes too late"},
		"by pattern":         {sliced("pattern", "$this", "open", "false") + ssn + `,{"id":"Patient.identifier:ssn.period","path":"Patient.identifier.period","min":1}`, id(s), "Patient.identifier[0].period", "must be there"},
		"by existence":       {sliced("exists", "period", "open", "false") + `,{"id":"Patient.identifier:old","path":"Patient.identifier","sliceName":"old","max":"0"},{"id":"Patient.identifier:old.period","path":"Patient.identifier.period","min":1}`, id(`{"system":"a","period":{"start":"2020"}}`), "Patient.identifier", "the slice old may not be there"},
		"by a code of a set": {sliced("value", "use", "open", "false") + `,{"id":"Patient.identifier:usual","path":"Patient.identifier","sliceName":"usual","max":"0"},{"id":"Patient.identifier:usual.use","path":"Patient.identifier.use","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/identifier-use"}}`, id(`{"system":"a","use":"old"}`), "Patient.identifier", "the slice usual may not be there"},
		"by type": {`{"id":"Patient.deceased[x]","path":"Patient.deceased[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"closed"},"type":[{"code":"boolean"},{"code":"dateTime"}]},{"id":"Patient.deceased[x]:deceasedBoolean","path":"Patient.deceased[x]","sliceName":"deceasedBoolean","type":[{"code":"boolean"}]}`,
			`{"resourceType":"Patient","deceasedDateTime":"2020"}`, "Patient.deceased", "of none of the slices"},
		"a choice without a type": {`{"id":"Patient.deceased[x]","path":"Patient.deceased[x]","type":[{"code":"boolean"}]}`, `{"resourceType":"Patient","deceasedDateTime":"2020"}`, "Patient.deceased", "may not be of type dateTime; allowed: boolean"},
		"a fixed value":           {`{"id":"Patient.active","path":"Patient.active","fixedBoolean":true}`, `{"resourceType":"Patient","active":false}`, "Patient.active", `must be "true"`},
		"a fixed structure":       {`{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","fixedCodeableConcept":{"text":"x"}}`, `{"resourceType":"Patient","maritalStatus":{"id":"y","text":"x"}}`, "Patient.maritalStatus", "must be"},
		"a pattern":               {`{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","patternCodeableConcept":{"coding":[{"code":"M"}]}}`, `{"resourceType":"Patient","maritalStatus":{"coding":[{"code":"S"}]}}`, "Patient.maritalStatus", "must have"},
		"a pattern that is there": {`{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","patternCodeableConcept":{"coding":[{"code":"M"}]}}`, `{"resourceType":"Patient","maritalStatus":{"coding":[{"code":"S"},{"code":"M","display":"x"}],"text":"y"}}`, "", ""},
		"not allowed":             {`{"id":"Patient.photo","path":"Patient.photo","max":"0"}`, `{"resourceType":"Patient","photo":[{"title":"x"}]}`, "Patient.photo", "may not be there"},
		"too long":                {`{"id":"Patient.language","path":"Patient.language","maxLength":2}`, `{"resourceType":"Patient","language":"de-CH"}`, "Patient.language", "2 characters at most"},
		"an invariant":            {`{"id":"Patient.name","path":"Patient.name","type":[{"code":"HumanName"}],"constraint":[{"key":"own-1","severity":"error","human":"No nicknames","expression":"use != 'nickname'"}]}`, `{"resourceType":"Patient","name":[{"use":"nickname","text":"x"}]}`, "Patient.name[0]", "No nicknames (own-1) (P)"},
		"a weak invariant":        {`{"id":"Patient.name","path":"Patient.name","type":[{"code":"HumanName"}],"constraint":[{"key":"own-1","severity":"warning","human":"No nicknames","expression":"use != 'nickname'"}]}`, `{"resourceType":"Patient","name":[{"use":"nickname","text":"x"}]}`, "", ""},
		"an extension":            {`{"id":"Patient.extension","path":"Patient.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},{"id":"Patient.extension:e","path":"Patient.extension","sliceName":"e","min":1,"type":[{"code":"Extension","profile":["http://x/e"]}]}`, `{"resourceType":"Patient","extension":[{"url":"http://x/f","valueBoolean":true}]}`, "Patient.extension", "the slice e must be there"},
		"an extension's value":    {`{"id":"Patient.active","path":"Patient.active"}`, `{"resourceType":"Patient","extension":[{"url":"http://x/e","valueString":"x"}]}`, "Patient.extension[0].value", "may not be of type string; allowed: boolean"},
		"an unknown modifier":     {`{"id":"Patient.active","path":"Patient.active"}`, `{"resourceType":"Patient","modifierExtension":[{"url":"http://x/g","valueString":"x"}]}`, "Patient.modifierExtension[0]", "may change what the resource means"},
		"a profile as extension":  {`{"id":"Patient.active","path":"Patient.active"}`, `{"resourceType":"Patient","extension":[{"url":"http://x/p","valueString":"x"}]}`, "Patient.extension[0]", "not of an extension"},
		"a binding":               {`{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/marital-status"}}`, `{"resourceType":"Patient","maritalStatus":{"text":"x"}}`, "Patient.maritalStatus", "a text without a code is not in the value set"},
		"an extensible binding":   {`{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"strength":"extensible","valueSet":"http://hl7.org/fhir/ValueSet/marital-status"}}`, `{"resourceType":"Patient","maritalStatus":{"coding":[{"system":"urn:x","code":"y"}]}}`, "Patient.maritalStatus", "unless it has none that fits"},
		"a contained resource":    {`{"id":"Patient.active","path":"Patient.active","min":1}`, `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","meta":{"profile":["http://x/p"]}}}]}`, "Bundle.entry[0].resource.active", "must be there"},
	} {
		asked := []string{"http://x/p"}
		if strings.Contains(test.resource, "Bundle") {
			asked = nil
		}
		expect(t, name, issues(t, own(t, test.elements), test.resource, asked...), test.path, test.text)
	}
}

// TestUnusableProfiles: what is wrong with a definition is said, and nothing is
// taken for valid.
func TestUnusableProfiles(t *testing.T) {
	for elements, text := range map[string]string{
		`{"id":"Patient.name:x","path":"Patient.name"}`:                                     "has the slice Patient.name:x of nothing",
		`{"id":"Patient.a.b","path":"Patient.a.b"}`:                                         "has no parent",
		`{"id":"Other","path":"Other"}`:                                                     "has two roots",
		`{"id":"Patient.contact","path":"Patient.contact","contentReference":"#Patient.x"}`: "which is not there",
	} {
		expect(t, elements, issues(t, own(t, elements), `{"resourceType":"Patient"}`, "http://x/p"), "Patient", text)
	}
}
