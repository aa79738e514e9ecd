package conformance_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/codebook"
)

func guides(t *testing.T, settings conformance.Settings, packages ...guidetest.Package) *conformance.Guides {
	t.Helper()
	var read []*guide.Package
	for _, p := range packages {
		g, err := guide.Read(bytes.NewReader(p.Archive(t)), guide.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, g)
	}
	set, err := guide.NewSet(read...)
	if err != nil {
		t.Fatal(err)
	}
	g, err := conformance.New(set, settings)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func parse(t *testing.T, src string) *fhir.Tree {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, []byte(src), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// errors are the places of errors, and "warning: text" of warnings.
func errors(t *testing.T, g *conformance.Guides, src string) []string {
	t.Helper()
	var all []string
	g.Check(parse(t, src), func(i fhir.Issue) {
		if i.Severity == fhir.SeverityError {
			all = append(all, i.Expression)
		} else {
			all = append(all, "warning: "+i.Diagnostics)
		}
	})
	slices.Sort(all)
	return all
}

// differential is a profile for Patient, or on another profile, that has no
// snapshot.
func differential(url, base, elements string) string {
	return fmt.Sprintf(`{"resourceType":"StructureDefinition","url":%q,"version":"1.0.0","name":"D","status":"active","kind":"resource","abstract":false,"type":"Patient",
"baseDefinition":%q,"derivation":"constraint","differential":{"element":[%s]}}`, url, base, elements)
}

// TestDifferentials: profiles without a snapshot count, also those on others.
func TestDifferentials(t *testing.T) {
	g := guides(t, conformance.Settings{}, guidetest.Package{Name: "a", Version: "1.0.0", Resources: []string{
		differential("http://x/base", "http://hl7.org/fhir/StructureDefinition/Patient", `{"id":"Patient.name","path":"Patient.name","min":1}`),
		differential("http://x/more", "http://x/base", `{"id":"Patient.contact.name.family","path":"Patient.contact.name.family","min":1}`),
		differential("http://x/broken", "http://x/nothing", `{"id":"Patient","path":"Patient"}`),
	}})
	got := errors(t, g, `{"resourceType":"Patient","meta":{"profile":["http://x/more"]},"contact":[{"name":{"given":["A"]}}]}`)
	if want := []string{"Patient.contact[0].name.family", "Patient.name"}; !slices.Equal(got, want) {
		t.Errorf("errors at %q, want %q", got, want)
	}
	got = errors(t, g, `{"resourceType":"Patient","meta":{"profile":["http://x/broken"]}}`)
	if len(got) != 1 || !strings.Contains(got[0], "based on http://x/nothing, which is not known here") {
		t.Errorf("a profile that cannot be used: %q", got)
	}
}

// TestReleaseProfiles: R4's own profiles and extensions are known.
func TestReleaseProfiles(t *testing.T) {
	g := conformance.None()
	got := errors(t, g, `{"resourceType":"Observation","meta":{"profile":["http://hl7.org/fhir/StructureDefinition/bodyheight"]},"status":"final","code":{"text":"x"}}`)
	for _, want := range []string{"Observation.subject", "Observation.category"} {
		if !slices.ContainsFunc(got, func(at string) bool { return strings.HasPrefix(at, want) }) {
			t.Errorf("errors at %q; none at %s", got, want)
		}
	}
	got = errors(t, g, `{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueString":"here"}]}`)
	if len(got) != 1 || !strings.HasPrefix(got[0], "Patient.extension[0].value") {
		t.Errorf("an extension with a wrong value: %q", got)
	}
}

func TestAgainst(t *testing.T) {
	g := guides(t, conformance.Settings{}, guidetest.Package{Name: "a", Version: "1.0.0", Resources: []string{guidetest.Profile("http://x/p", "1.0.0", "name")}})
	for _, test := range []struct {
		src, canonical, want string
		kind                 fhir.Kind
	}{
		{`{"resourceType":"Patient"}`, "http://x/p", "Patient.name", 0},
		{`{"resourceType":"Patient","name":[{"family":"A"}]}`, "http://x/p|1.0.0", "", 0},
		{`{"resourceType":"Patient"}`, "http://hl7.org/fhir/StructureDefinition/Patient", "", 0},
		{`{"resourceType":"Patient"}`, "http://x/p|2.0.0", "", fhir.KindNotFound},
		{`{"resourceType":"Basic","code":{"text":"x"}}`, "http://x/p", "", fhir.KindUnprocessable},
	} {
		found := ""
		err := g.Against(parse(t, test.src), test.canonical, func(i fhir.Issue) { found += i.Expression })
		if found != test.want || (err != nil) != (test.kind != 0) || err != nil && fhir.KindOf(err) != test.kind {
			t.Errorf("%s against %s: %q, %v", test.src, test.canonical, found, err)
		}
	}
}

func TestCapability(t *testing.T) {
	g := guides(t, conformance.Settings{},
		guidetest.Package{Name: "a", Version: "1.0.0", Resources: []string{
			guidetest.Profile("http://x/p", "1.0.0", "name"),
			`{"resourceType":"ImplementationGuide","url":"http://x/ImplementationGuide/a","version":"1.0.0","name":"A","status":"active","packageId":"a","fhirVersion":["4.0.1"]}`,
		}},
		guidetest.Package{Name: "a", Version: "2.0.0", Resources: []string{guidetest.Profile("http://x/p", "2.0.0", "name")}},
	)
	if got := g.SupportedProfiles("Patient"); !slices.Equal(got, []string{"http://x/p|1.0.0", "http://x/p|2.0.0"}) {
		t.Errorf("profiles %q", got)
	}
	if got := g.SupportedProfiles("Basic"); got != nil {
		t.Errorf("profiles of Basic %q", got)
	}
	if got := g.ImplementationGuides(); !slices.Equal(got, []string{"http://example.org/a/ImplementationGuide/a|2.0.0", "http://x/ImplementationGuide/a|1.0.0"}) {
		t.Errorf("guides %q", got)
	}
}

// TestUSCore compiles every profile of US Core, with the snapshots that are
// published and with those made of the differentials.
func TestUSCore(t *testing.T) {
	set := guidetest.USCore(t, "6.1.0")
	g, err := conformance.New(set, conformance.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	p := set.Packages()[0]
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Type == "StructureDefinition" && e.Of == "Patient" {
			if err := g.Against(parse(t, `{"resourceType":"Patient"}`), e.URL, func(fhir.Issue) {}); err != nil {
				t.Error(err)
			}
		}
	}
	if n := len(g.SearchParameters()); n != 106 {
		t.Errorf("there are %d search parameters, want 106", n)
	}
}

// TestVersionsDoNotMix: what a profile refers to is of the version of its own
// package, where there are several.
func TestVersionsDoNotMix(t *testing.T) {
	of := func(version, required string) guidetest.Package {
		return guidetest.Package{Name: "a", Version: version, Resources: []string{
			differential("http://x/p", "http://x/base", `{"id":"Patient.name","path":"Patient.name","type":[{"code":"HumanName","profile":["http://x/name"]}]}`),
			differential("http://x/base", "http://hl7.org/fhir/StructureDefinition/Patient", `{"id":"Patient.`+required+`","path":"Patient.`+required+`","min":1}`),
			strings.NewReplacer(`"type":"Patient"`, `"type":"HumanName"`, `"kind":"resource"`, `"kind":"complex-type"`).Replace(
				differential("http://x/name", "http://hl7.org/fhir/StructureDefinition/HumanName", `{"id":"HumanName.text","path":"HumanName.text","max":"`+map[string]string{"1.0.0": "0", "2.0.0": "1"}[version]+`"}`)),
		}}
	}
	first, second := of("1.0.0", "gender"), of("2.0.0", "birthDate")
	for i := range first.Resources {
		second.Resources[i] = strings.ReplaceAll(second.Resources[i], `"version":"1.0.0"`, `"version":"2.0.0"`)
	}
	g := guides(t, conformance.Settings{}, first, second)
	for declared, want := range map[string][]string{
		"http://x/p|1.0.0": {"Patient.gender", "Patient.name[0].text"}, "http://x/p|2.0.0": {"Patient.birthDate"}, "http://x/p": {"Patient.birthDate"},
	} {
		if got := errors(t, g, `{"resourceType":"Patient","meta":{"profile":["`+declared+`"]},"name":[{"text":"A"}]}`); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", declared, got, want)
		}
	}
}

// TestCodesOfDataStores: what one data store knows of codes is not known to
// others with the same guides.
func TestCodesOfDataStores(t *testing.T) {
	bound := differential("http://x/p", "http://hl7.org/fhir/StructureDefinition/Patient",
		`{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"strength":"required","valueSet":"http://x/vs"}}`)
	set := `{"resourceType":"ValueSet","url":"http://x/vs","status":"active","compose":{"include":[{"system":"http://x/loaded"}]}}`
	g := guides(t, conformance.Settings{}, guidetest.Package{Name: "a", Version: "1.0.0", Resources: []string{bound, set}})
	asked := 0
	own := g.With(terminology.Options{Books: func(string) *codebook.Book { asked++; return nil }})
	src := `{"resourceType":"Patient","meta":{"profile":["http://x/p"]},"maritalStatus":{"coding":[{"system":"http://x/loaded","code":"m"}]}}`
	errors(t, g, src)
	if asked != 0 {
		t.Error("another data store's terminologies were asked")
	}
	if errors(t, own, src); asked == 0 {
		t.Error("the data store's own terminologies were not asked")
	}
	if g.With(terminology.Options{}) != g {
		t.Error("without terminologies the guides are not shared")
	}
}
