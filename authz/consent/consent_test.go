package consent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/authz/consent"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

const base = "http://example.org/r4"

var registry = sync.OnceValue(func() *search.Registry {
	r, err := search.New(definition.R4())
	if err != nil {
		panic(err)
	}
	return r
})

func parse(t testing.TB, text string) *fhir.Tree {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, []byte(text), fhir.DefaultLimits)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return tree
}

// of is a Consent of a patient with further members.
func of(patient, rest string) string {
	return fmt.Sprintf(`{"resourceType":"Consent","id":"c-%s","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},"category":[{"text":"x"}],"patient":{"reference":"Patient/%[1]s"},%s}`, patient, rest)
}

const (
	optIn  = `"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]}`
	optOut = `"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTOUT"}]}`
)

// rule is a provision; parts are JSON members.
func rule(parts ...string) string { return `"provision":{` + strings.Join(parts, ",") + `}` }

func nested(rules ...string) string {
	for i := range rules {
		rules[i] = strings.TrimPrefix(rules[i], `"provision":`)
	}
	return `"provision":[` + strings.Join(rules, ",") + `]`
}

const deny, permit = `"type":"deny"`, `"type":"permit"`

func actorIs(ref string) string { return actorAs("PRCP", ref) }

func actorAs(role, ref string) string {
	return fmt.Sprintf(`"actor":[{"role":{"coding":[{"code":%q}]},"reference":{"reference":%q}}]`, role, ref)
}

func action(codes ...string) string {
	var list []string
	for _, c := range codes {
		list = append(list, fmt.Sprintf(`{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentaction","code":%q}]}`, c))
	}
	return `"action":[` + strings.Join(list, ",") + `]`
}

// The resources that are asked about. All but the last are p1's.
var resources = map[string]string{
	"lab":    `{"resourceType":"Observation","id":"lab","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"lab"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2020-05-05","performer":[{"reference":"Practitioner/d1"}]}`,
	"secret": `{"resourceType":"Observation","id":"secret","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]},"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"psy"}]},"subject":{"reference":"Patient/p1"},"hasMember":[{"reference":"Observation/lab"}]}`,
	"drug":   `{"resourceType":"MedicationRequest","id":"drug","status":"active","intent":"order","medicationCodeableConcept":{"coding":[{"system":"http://rx","code":"1"}]},"subject":{"reference":"Patient/p1"},"authoredOn":"2021-01-01","requester":{"reference":"Practitioner/d2"}}`,
	"doc":    `{"resourceType":"DocumentReference","id":"doc","meta":{"profile":["http://e.org/StructureDefinition/x"]},"status":"current","type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},"subject":{"reference":"Patient/p1"},"content":[{"attachment":{"contentType":"application/hl7-cda+xml"}}]}`,
	"p1":     `{"resourceType":"Patient","id":"p1"}`,
	"other":  `{"resourceType":"Observation","id":"other","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p2"}}`,
}

var order = []string{"p1", "lab", "secret", "drug", "doc", "other"}

func doctor(id string) *consent.Who {
	return &consent.Who{References: map[string]bool{"Practitioner/" + id: true, "Organization/o1": id == "d1"}, Known: true, Purpose: "TREAT", Identifiers: []string{"app"}}
}

var noon = time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)

// seen are the resources that are not hidden.
func seen(t *testing.T, who *consent.Who, fallback authz.Decision, i authz.Interaction, consents ...string) string {
	t.Helper()
	var list []*consent.Consent
	for _, text := range consents {
		if c, ok := consent.Read(parse(t, text), base); ok {
			list = append(list, c)
		}
	}
	rules := consent.NewSet(list).For(registry(), who, fallback, noon)
	var names []string
	for _, name := range order {
		tree := parse(t, resources[name])
		id := tree.Root().TextOf("id")
		entries, err := registry().Extract(tree, id, base)
		if err != nil {
			t.Fatal(err)
		}
		c := &search.Candidate{Type: tree.Root().Type().Name, ID: id, Entries: entries, Tree: tree}
		if hidden := rules.Hidden(i, c.Type); hidden == nil || !search.Match(hidden, c, func(string, string) []*search.Candidate { return nil }) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

const all = "p1 lab secret drug doc other"

func TestWhatAConsentHides(t *testing.T) {
	unknownWho := &consent.Who{References: map[string]bool{}}
	for name, c := range map[string]struct {
		consent string
		who     *consent.Who
		want    string
	}{
		"deny all":                       {of("p1", rule(deny)), doctor("d1"), "other"},
		"opt out":                        {of("p1", optOut), doctor("d1"), "other"},
		"opt in":                         {of("p1", optIn), doctor("d1"), all},
		"nothing said":                   {of("p1", rule(`"period":{"start":"2020"}`)), doctor("d1"), all},
		"not active":                     {strings.Replace(of("p1", rule(deny)), `"active"`, `"inactive"`, 1), doctor("d1"), all},
		"another scope":                  {strings.Replace(of("p1", rule(deny)), "patient-privacy", "research", 1), doctor("d1"), all},
		"a patient elsewhere":            {strings.Replace(of("p1", rule(deny)), "Patient/p1", "http://else.org/Patient/p1", 1), doctor("d1"), all},
		"over":                           {of("p1", rule(deny, `"period":{"end":"2024-05"}`)), doctor("d1"), all},
		"over, opted out":                {of("p1", optOut+","+rule(`"period":{"end":"2024-05"}`)), doctor("d1"), all},
		"to come":                        {of("p1", rule(deny, `"period":{"start":"2024-06-02"}`)), doctor("d1"), all},
		"the last day":                   {of("p1", rule(deny, `"period":{"start":"2024","end":"2024-06-01"}`)), doctor("d1"), "other"},
		"deny one":                       {of("p1", rule(deny, actorIs("Practitioner/d1"))), doctor("d1"), "other"},
		"deny another":                   {of("p1", rule(deny, actorIs("Practitioner/d2"))), doctor("d1"), all},
		"deny one, absolute":             {of("p1", rule(deny, actorIs(base+"/Practitioner/d1"))), doctor("d1"), "other"},
		"deny an organization":           {of("p1", rule(deny, actorIs("Organization/o1"))), doctor("d1"), "other"},
		"deny by identifier":             {of("p1", rule(deny, `"actor":[{"role":{"text":"x"},"reference":{"identifier":{"value":"app"}}}]`)), doctor("d1"), "other"},
		"deny one, of nobody known":      {of("p1", rule(deny, actorIs("Practitioner/d2"))), unknownWho, "other"},
		"deny by a role that says else":  {of("p1", rule(deny, actorAs("CST", "Organization/x"))), doctor("d1"), "other"},
		"except one":                     {of("p1", rule(deny, nested(rule(permit, actorIs("Practitioner/d1"))))), doctor("d1"), all},
		"except another":                 {of("p1", rule(deny, nested(rule(permit, actorIs("Practitioner/d2"))))), doctor("d1"), "other"},
		"except one, of nobody known":    {of("p1", rule(deny, nested(rule(permit, actorIs("Practitioner/d1"))))), unknownWho, "other"},
		"exception without a type":       {of("p1", rule(deny, nested(rule(actorIs("Practitioner/d1"))))), doctor("d1"), all},
		"opt in, but one":                {of("p1", optIn+","+rule(actorIs("Practitioner/d1"))), doctor("d1"), "other"},
		"opt in, but another":            {of("p1", optIn+","+rule(actorIs("Practitioner/d2"))), doctor("d1"), all},
		"opt out, but one":               {of("p1", optOut+","+rule(actorIs("Practitioner/d1"))), doctor("d1"), all},
		"opt out, but another":           {of("p1", optOut+","+rule(actorIs("Practitioner/d2"))), doctor("d1"), "other"},
		"of two exceptions deny wins":    {of("p1", rule(permit, nested(rule(permit, actorIs("Practitioner/d1")), rule(deny, actorIs("Organization/o1"))))), doctor("d1"), "other"},
		"deny writing":                   {of("p1", rule(deny, action("collect", "correct"))), doctor("d1"), all},
		"deny reading":                   {of("p1", rule(deny, action("access"))), doctor("d1"), "other"},
		"deny what is not known":         {of("p1", rule(deny, action("frobnicate"))), doctor("d1"), "other"},
		"deny the purpose":               {of("p1", rule(deny, `"purpose":[{"code":"TREAT"}]`)), doctor("d1"), "other"},
		"deny another purpose":           {of("p1", rule(deny, `"purpose":[{"code":"HRESCH"}]`)), doctor("d1"), all},
		"deny a purpose, none declared":  {of("p1", rule(deny, `"purpose":[{"code":"HRESCH"}]`)), &consent.Who{Known: true}, "other"},
		"deny a wider purpose":           {of("p1", rule(deny, `"purpose":[{"code":"TREAT"}]`)), &consent.Who{Known: true, Purpose: "ERTREAT"}, "other"},
		"deny a class":                   {of("p1", rule(deny, `"class":[{"system":"http://hl7.org/fhir/resource-types","code":"Observation"}]`)), doctor("d1"), "p1 drug doc other"},
		"deny a document":                {of("p1", rule(deny, `"class":[{"system":"http://loinc.org","code":"34133-9"}]`)), doctor("d1"), "p1 lab secret drug other"},
		"deny a format":                  {of("p1", rule(deny, `"class":[{"system":"urn:ietf:bcp:13","code":"application/hl7-cda+xml"}]`)), doctor("d1"), "p1 lab secret drug other"},
		"deny a profile":                 {of("p1", rule(deny, `"class":[{"system":"urn:ietf:rfc:3986","code":"http://e.org/StructureDefinition/x"}]`)), doctor("d1"), "p1 lab secret drug other"},
		"deny a code":                    {of("p1", rule(deny, `"code":[{"coding":[{"system":"http://loinc.org","code":"lab"},{"system":"http://rx","code":"1"}]}]`)), doctor("d1"), "p1 secret doc other"},
		"deny a code in words":           {of("p1", rule(deny, `"code":[{"text":"HIV"}]`)), doctor("d1"), "other"},
		"deny R and above":               {of("p1", rule(deny, `"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]`)), doctor("d1"), "p1 lab drug doc other"},
		"deny N and above":               {of("p1", rule(deny, `"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]`)), doctor("d1"), "other"},
		"deny a label":                   {of("p1", rule(deny, `"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]`)), doctor("d1"), "p1 lab drug doc other"},
		"deny but up to N":               {of("p1", rule(deny, nested(rule(permit, `"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]`)))), doctor("d1"), "p1 lab drug doc other"},
		"deny but up to R":               {of("p1", rule(deny, nested(rule(permit, `"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]`)))), doctor("d1"), all},
		"deny a time":                    {of("p1", rule(deny, `"dataPeriod":{"start":"2020-01","end":"2020-12"}`, `"class":[{"system":"http://hl7.org/fhir/resource-types","code":"Observation"},{"system":"http://hl7.org/fhir/resource-types","code":"MedicationRequest"}]`)), doctor("d1"), "p1 drug doc other"},
		"deny one resource":              {of("p1", rule(deny, `"data":[{"meaning":"instance","reference":{"reference":"Observation/lab"}}]`)), doctor("d1"), "p1 secret drug doc other"},
		"deny it and what refers to it":  {of("p1", rule(deny, `"data":[{"meaning":"dependents","reference":{"reference":"Observation/lab"}}]`)), doctor("d1"), "p1 drug doc other"},
		"deny what somebody wrote":       {of("p1", rule(deny, `"data":[{"meaning":"authoredby","reference":{"reference":"Practitioner/d2"}}]`)), doctor("d1"), "p1 lab secret doc other"},
		"deny an author":                 {of("p1", rule(deny, actorAs("AUT", "Practitioner/d2"))), doctor("d1"), "p1 lab secret doc other"},
		"deny something elsewhere":       {of("p1", rule(deny, `"data":[{"meaning":"instance","reference":{"reference":"http://else.org/Observation/1"}}]`)), doctor("d1"), "other"},
		"one's own":                      {of("p1", rule(deny)), &consent.Who{Known: true, Own: []string{"p1"}}, all},
		"a modifier that is not known":   {of("p1", `"modifierExtension":[{"url":"http://e.org/x","valueBoolean":true}],`+rule(deny, actorIs("Practitioner/d1"))), doctor("d1"), "other"},
		"permit by a modifier not known": {of("p1", rule(deny, nested(rule(permit, `"modifierExtension":[{"url":"http://e.org/x","valueBoolean":true}]`)))), doctor("d1"), "other"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := seen(t, c.who, authz.Permit, authz.Read, c.consent); got != c.want {
				t.Errorf("seen is %s, want %s", got, c.want)
			}
		})
	}
}

func TestActionsAreApart(t *testing.T) {
	read, write := of("p1", rule(deny, action("access"))), of("p1", rule(deny, action("collect")))
	for _, c := range []struct {
		i           authz.Interaction
		read, write string
	}{{authz.Read, "other", all}, {authz.SearchType, "other", all}, {authz.HistoryOfAll, "other", all}, {authz.Create, all, "other"}, {authz.Update, all, all}, {authz.Erase, all, all}} {
		if got := seen(t, doctor("d1"), authz.Permit, c.i, read); got != c.read {
			t.Errorf("%s where reading is denied: %s", c.i, got)
		}
		if got := seen(t, doctor("d1"), authz.Permit, c.i, write); got != c.write {
			t.Errorf("%s where collecting is denied: %s", c.i, got)
		}
	}
}

func TestSilenceIsDenied(t *testing.T) {
	for name, c := range map[string]struct {
		consents []string
		want     string
	}{
		"no consents":   {nil, ""},
		"one opts in":   {[]string{of("p1", optIn)}, "p1 lab secret drug doc"},
		"one permits":   {[]string{of("p1", rule(permit))}, "p1 lab secret drug doc"},
		"of some data":  {[]string{of("p1", rule(permit, `"class":[{"system":"http://hl7.org/fhir/resource-types","code":"Observation"}]`))}, "lab secret"},
		"for another":   {[]string{of("p1", rule(permit, actorIs("Practitioner/d2")))}, ""},
		"not for this":  {[]string{of("p1", rule(permit, `"purpose":[{"code":"HRESCH"}]`))}, ""},
		"deny wins":     {[]string{of("p1", optIn), strings.Replace(of("p1", rule(deny, actorIs("Practitioner/d1"))), "c-p1", "c2", 1)}, ""},
		"both together": {[]string{of("p1", optIn), of("p2", optIn)}, all},
		"in the frame":  {[]string{of("p1", rule(`"period":{"start":"2020"}`, nested(rule(permit, actorIs("Practitioner/d1")))))}, "p1 lab secret drug doc"},
	} {
		if got := seen(t, doctor("d1"), authz.Deny, authz.Read, c.consents...); got != c.want {
			t.Errorf("%s: seen is %q, want %q", name, got, c.want)
		}
	}
	if got := seen(t, &consent.Who{Known: true, Own: []string{"p1"}}, authz.Deny, authz.Read); got != "p1 lab secret drug doc" {
		t.Errorf("one's own is %q", got)
	}
}

func TestUntilTheNextRuleBegins(t *testing.T) {
	c, _ := consent.Read(parse(t, of("p1", rule(deny, `"period":{"start":"2024-07-01","end":"2025"}`, nested(rule(permit, `"period":{"start":"2020","end":"2024-06-15"}`))))), base)
	set := consent.NewSet([]*consent.Consent{c})
	for now, want := range map[time.Time]string{noon: "2024-06-16", noon.AddDate(0, 1, 0): "2026-01-01", noon.AddDate(9, 0, 0): "0001-01-01"} {
		if got := set.Until(now).UTC().Format(time.DateOnly); got != want {
			t.Errorf("at %s it is %s, want %s", now, got, want)
		}
	}
}

// TestTheExamplesOfR4 are those that the standard has.
func TestTheExamplesOfR4(t *testing.T) {
	folder := "../../../shared/data/examples/r4-official"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("../shared/data is absent")
	}
	org := &consent.Who{References: map[string]bool{"Organization/f001": true}, Known: true, Purpose: "TREAT"}
	nurse := &consent.Who{References: map[string]bool{"Practitioner/f204": true}, Known: true, Purpose: "TREAT"}
	for name, want := range map[string][2]bool{ // whether the organization, and the nurse, read the patient
		"basic": {true, true}, "Out": {false, false}, "notOrg": {false, true}, "notThem": {true, false}, "notThis": {true, true},
		"notTime": {true, true}, "Emergency": {false, false}, "grantor": {false, false}, "notAuthor": {false, false}, "pkb": {false, false},
		"signature": {true, true}, "smartonfhir": {true, true},
	} {
		text, err := os.ReadFile(filepath.Join(folder, "Consent-consent-example-"+name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		c, ok := consent.Read(parse(t, string(text)), base)
		if !ok {
			t.Errorf("%s is not enforced", name)
			continue
		}
		for n, who := range []*consent.Who{org, nurse} {
			hidden := consent.NewSet([]*consent.Consent{c}).For(registry(), who, authz.Permit, noon).Hidden(authz.Read, "Patient")
			patient := &search.Candidate{Type: "Patient", ID: c.Patient}
			if got := hidden == nil || !search.Match(hidden, patient, func(string, string) []*search.Candidate { return nil }); got != want[n] {
				t.Errorf("%s, caller %d: seen %v", name, n, got)
			}
		}
	}
}
