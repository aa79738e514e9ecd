package profile_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/validate/profile"
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
	set := guidetest.USCore(t, "6.1.0")
	read := func(name string) string {
		var b bytes.Buffer
		if err := json.Compact(&b, published.Read(t, "examples/us-core/6.1.0/"+name+".json")); err != nil {
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
	return packageOf(t, map[string]string{
		"StructureDefinition-p.json": `{"resourceType":"StructureDefinition","url":"http://x/p","name":"P","status":"active","fhirVersion":"4.0.1","kind":"resource","abstract":false,"type":"Patient","derivation":"constraint",
			"snapshot":{"element":[{"id":"Patient","path":"Patient"},` + elements + `]}}`,
		"StructureDefinition-e.json": `{"resourceType":"StructureDefinition","url":"http://x/e","name":"E","status":"active","fhirVersion":"4.0.1","kind":"complex-type","abstract":false,"type":"Extension","derivation":"constraint",
			"snapshot":{"element":[{"id":"Extension","path":"Extension"},{"id":"Extension.url","path":"Extension.url","fixedUri":"http://x/e"},{"id":"Extension.value[x]","path":"Extension.value[x]","min":1,"type":[{"code":"boolean"}]}]}}`,
	})
}

// packageOf makes a guide of files.
func packageOf(t *testing.T, files map[string]string) *guide.Set {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	files["package.json"] = `{"name":"own","version":"1.0.0","fhirVersions":["4.0.1"]}`
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
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

// extended makes a guide whose extension http://x/e has contexts and invariants
// of them, a modifier where that is set.
func extended(t *testing.T, contexts string, modifier bool) *guide.Set {
	t.Helper()
	return packageOf(t, map[string]string{"StructureDefinition-e.json": fmt.Sprintf(`{"resourceType":"StructureDefinition","url":"http://x/e","name":"E","status":"active","fhirVersion":"4.0.1","kind":"complex-type","abstract":false,"type":"Extension","derivation":"constraint",%s,
		"snapshot":{"element":[{"id":"Extension","path":"Extension","isModifier":%t},{"id":"Extension.url","path":"Extension.url","fixedUri":"http://x/e"}]}}`, contexts, modifier)})
}

// TestContexts tries where extensions may be.
func TestContexts(t *testing.T) {
	const e = `[{"url":"http://x/e","valueString":"v"}]`
	onName := `{"resourceType":"Patient","gender":"male","name":[{"family":"x","extension":` + e + `}]}`
	onRoot := `{"resourceType":"Patient","extension":` + e + `}`
	onFamily := `{"resourceType":"Patient","name":[{"family":"x","_family":{"extension":` + e + `}}]}`
	onValue := `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1,"extension":` + e + `}}`
	inside := `{"resourceType":"Patient","extension":[{"url":"http://x/outer","extension":` + e + `}]}`
	at := func(kind, expression string) string {
		return fmt.Sprintf(`"context":[{"type":%q,"expression":%q}]`, kind, expression)
	}
	for name, test := range map[string]struct{ contexts, resource, path, text string }{
		"a type":                   {at("element", "HumanName"), onName, "", ""},
		"another type":             {at("element", "Address"), onName, "Patient.name[0].extension[0]", "may not be on Patient.name; it is for Address"},
		"a path":                   {at("element", "Patient.name"), onName, "", ""},
		"another path":             {at("element", "Patient.contact"), onName, "Patient.name[0].extension[0]", "may not be on Patient.name"},
		"a path of a type":         {at("element", "HumanName.family"), onFamily, "", ""},
		"a path through types":     {at("element", "Patient.name.family"), onFamily, "", ""},
		"a primitive":              {at("element", "string"), onFamily, "", ""},
		"a resource":               {at("element", "Patient"), onRoot, "", ""},
		"another resource":         {at("element", "Person"), onRoot, "Patient.extension[0]", "may not be on Patient; it is for Person"},
		"any resource":             {at("element", "DomainResource"), onRoot, "", ""},
		"any element":              {at("element", "Element"), onName, "", ""},
		"a resource, on a part":    {at("element", "Patient"), onName, "Patient.name[0].extension[0]", "may not be on"},
		"a choice":                 {at("element", "Observation.value[x]"), onValue, "", ""},
		"a form of a choice":       {at("element", "Observation.valueQuantity"), onValue, "", ""},
		"a URL":                    {at("element", "http://hl7.org/fhir/StructureDefinition/Patient#Patient.name"), onName, "", ""},
		"the URL of a type":        {at("element", "http://hl7.org/fhir/StructureDefinition/Patient"), onRoot, "", ""},
		"a profile that is not":    {at("element", "http://x/unknown#Patient.name"), onName, "", ""},
		"an extension":             {at("extension", "http://x/outer"), inside, "", ""},
		"another extension":        {at("extension", "http://x/other"), inside, "Patient.extension[0].extension[0]", "may not be on"},
		"an extension, on a name":  {at("extension", "http://x/outer"), onName, "Patient.name[0].extension[0]", "may not be on"},
		"FHIRPath":                 {at("fhirpath", "Patient.name.where(family = 'x')"), onName, "", ""},
		"FHIRPath of another":      {at("fhirpath", "Patient.name.where(family = 'y')"), onName, "Patient.name[0].extension[0]", "may not be on Patient.name"},
		"one of several":           {`"context":[{"type":"element","expression":"Address"},{"type":"element","expression":"HumanName"}]`, onName, "", ""},
		"an invariant":             {at("element", "Element") + `,"contextInvariant":["family = 'y'"]`, onName, "Patient.name[0].extension[0]", "only where family = 'y'"},
		"an invariant of itself":   {at("element", "Element") + `,"contextInvariant":["%extension.value = 'v' and family = 'x'"]`, onName, "", ""},
		"an invariant that is not": {at("element", "Element") + `,"contextInvariant":["nothing("]`, onName, "Patient.name[0].extension[0]", "cannot be evaluated"},
		"a modifier that is none":  {at("element", "Element"), `{"resourceType":"Patient","modifierExtension":` + e + `}`, "Patient.modifierExtension[0]", "is no modifier extension; write it as extension"},
	} {
		expect(t, name, issues(t, extended(t, test.contexts, false), test.resource), test.path, test.text)
	}
	modifier := extended(t, at("element", "Element"), true)
	expect(t, "a modifier as extension", issues(t, modifier, onRoot), "Patient.extension[0]", "is a modifier extension; write it as modifierExtension")
	expect(t, "a modifier", issues(t, modifier, `{"resourceType":"Patient","modifierExtension":`+e+`}`), "", "")
}

// TestMustSupport: what must be supported and is absent is told, apart from what
// is wrong.
func TestMustSupport(t *testing.T) {
	set := own(t, `{"id":"Patient.name","path":"Patient.name","mustSupport":true},{"id":"Patient.name.family","path":"Patient.name.family","mustSupport":true},{"id":"Patient.gender","path":"Patient.gender","mustSupport":true},`+
		sliced("value", "system", "open", "false")+`,{"id":"Patient.identifier:mrn","path":"Patient.identifier","sliceName":"mrn","mustSupport":true},{"id":"Patient.identifier:mrn.system","path":"Patient.identifier.system","fixedUri":"urn:mrn"},{"id":"Patient.identifier:mrn.value","path":"Patient.identifier.value","mustSupport":true}`)
	for resource, want := range map[string][]string{
		`{"resourceType":"Patient","name":[{"family":"x"},{"text":"y"}],"identifier":[{"system":"urn:mrn"}]}`:                {"Patient.name[1].family", "Patient.gender", "Patient.identifier[0].value"},
		`{"resourceType":"Patient","gender":"male"}`:                                                                         {"Patient.name", "Patient.identifier"},
		`{"resourceType":"Patient","gender":"male","name":[{"family":"x"}],"identifier":[{"system":"urn:mrn","value":"1"}]}`: nil,
	} {
		tree, err := fhir.Parse(definition.R4().Schema, []byte(resource), fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		profile.New(definition.R4(), set.Find, "http://x/p").MustSupport(tree, func(i fhir.Issue) {
			got = append(got, i.Expression)
			if i.Severity != fhir.SeverityInformation {
				t.Errorf("%s is %s", i.Expression, i.Severity)
			}
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", resource, got, want)
		}
		expect(t, resource, issues(t, set, resource, "http://x/p"), "", "")
	}
}

// TestReferredProfiles: what a reference is to, in the same resource or Bundle,
// conforms to one of the target profiles.
func TestReferredProfiles(t *testing.T) {
	set := own(t, `{"id":"Patient.active","path":"Patient.active","min":1},{"id":"Patient.link","path":"Patient.link"},{"id":"Patient.link.other","path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["http://x/p"]}]}`)
	bundle := func(active string) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1","meta":{"profile":["http://x/p"]},"active":true,"link":[{"type":"seealso","other":{"reference":"Patient/2"}}]}},
			{"fullUrl":"http://a/Patient/2","resource":{"resourceType":"Patient","id":"2",` + active + `"link":[{"type":"seealso","other":{"reference":"Patient/1"}}]}}]}`
	}
	expect(t, "conforms", issues(t, set, bundle(`"active":true,`)), "", "")
	expect(t, "does not", issues(t, set, bundle("")), "Bundle.entry[0].resource.link[0].other", "Bundle.entry[1].resource conforms to none of the profiles that may be referred to here: P")
	expect(t, "elsewhere", issues(t, set, strings.Replace(bundle(""), "Patient/2", "Patient/3", 1)), "", "")
	contained := `{"resourceType":"Patient","active":true,"contained":[{"resourceType":"Patient","id":"c"}],"link":[{"type":"seealso","other":{"reference":"#c"}}]}`
	expect(t, "contained", issues(t, set, contained, "http://x/p"), "Patient.link[0].other", "conforms to none")
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

// TestDefinitions: elementDefinition() and slice(), and what else expressions
// ask for, by the definitions of a guide.
func TestDefinitions(t *testing.T) {
	set := own(t, sliced("value", "system", "open", "false")+`,{"id":"Patient.identifier:mrn","path":"Patient.identifier","sliceName":"mrn"},{"id":"Patient.identifier:mrn.system","path":"Patient.identifier.system","fixedUri":"urn:mrn"}`)
	tree, err := fhir.Parse(definition.R4().Schema, []byte(`{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:mrn","value":"1"},{"system":"urn:x","value":"2"}],"name":[{"text":"x"}]}`), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	library := func(resourceType, canonical string) (*fhir.Tree, error) {
		if canonical != "http://hl7.org/fhir/StructureDefinition/Patient" {
			return set.Find(resourceType, canonical)
		}
		return fhir.Parse(definition.R4().Schema, []byte(`{"resourceType":"StructureDefinition","url":"http://x","name":"X","status":"active","kind":"resource","abstract":false,"type":"Patient","snapshot":{"element":[{"path":"Patient","short":"who"},{"path":"Patient.active","short":"in use"}]}}`), fhir.DefaultLimits)
	}
	env := profile.New(definition.R4(), library).Env(tree.Root())
	for expression, want := range map[string]string{
		"active.elementDefinition().short":                      "in use",
		"elementDefinition().short":                             "who",
		"identifier.slice('http://x/p', 'mrn').value":           "1",
		"identifier.slice('http://x/p', 'ssn').value":           "",
		"name.slice('http://x/p', 'mrn').text":                  "",
		"identifier[0].system.slice('http://x/p', 'mrn')":       "",
		"name.text.elementDefinition()":                         "the definition of HumanName is not known",
		"identifier.slice('http://x/q', 'mrn')":                 "http://x/q is not known",
		"Patient.conformsTo('http://x/p')":                      "true",
		"'male'.memberOf(%`vs-administrative-gender`)":          "true",
		"identifier.where(slice('http://x/p', 'mrn')).exists()": "true",
	} {
		e, err := fhirpath.Compile(definition.R4().Schema, expression)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		items, err := e.Eval(tree.Root(), env)
		if err != nil {
			got = err.Error()
		}
		for _, item := range items {
			got += item.Text()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}

// TestCost: profiles that lead into each other without end are not followed
// without end.
func TestCost(t *testing.T) {
	const slice = `{"id":"Patient.contact","path":"Patient.contact","slicing":{"discriminator":[{"type":"profile","path":"$this.extension"}],"rules":"open"}},{"id":"Patient.contact:a","path":"Patient.contact","sliceName":"a"},{"id":"Patient.contact:a.extension","path":"Patient.contact.extension","type":[{"code":"Extension","profile":["http://x/loop","http://x/loop|"]}]}`
	set := packageOf(t, map[string]string{
		"StructureDefinition-p.json": `{"resourceType":"StructureDefinition","url":"http://x/p","name":"P","status":"active","fhirVersion":"4.0.1","kind":"resource","abstract":false,"type":"Patient","derivation":"constraint","snapshot":{"element":[{"id":"Patient","path":"Patient"},` + slice + `]}}`,
		"StructureDefinition-l.json": `{"resourceType":"StructureDefinition","url":"http://x/loop","name":"Loop","status":"active","fhirVersion":"4.0.1","kind":"complex-type","abstract":false,"type":"Extension","derivation":"constraint","snapshot":{"element":[{"id":"Extension","path":"Extension"},
			{"id":"Extension.extension","path":"Extension.extension","type":[{"code":"Extension","profile":["http://x/loop","http://x/loop|"]}]},{"id":"Extension.value[x]","path":"Extension.value[x]","max":"0"}]}}`,
	})
	inner := `{"url":"a","valueString":"x"}`
	for range 25 {
		inner = `{"url":"a","extension":[` + inner + `]}`
	}
	found := issues(t, set, `{"resourceType":"Patient","contact":[{"name":{"text":"x"},"extension":[`+inner+`]}]}`, "http://x/p")
	if !slices.ContainsFunc(found, func(i fhir.Issue) bool { return i.Code == "too-costly" && i.Severity == fhir.SeverityError }) {
		t.Errorf("a loop: %v", found)
	}
}
