package authz_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

const base = "https://fhir.example.org/r4"

// world is the data that decisions are tested on, one resource on a line.
const world = `
{"resourceType":"Patient","id":"p1","generalPractitioner":[{"reference":"Practitioner/d1"}],"managingOrganization":{"reference":"Organization/o1"}}
{"resourceType":"Patient","id":"p2","generalPractitioner":[{"reference":"PractitionerRole/role2"}],"link":[{"other":{"reference":"Patient/p1"},"type":"seealso"}]}
{"resourceType":"Patient","id":"p3"}
{"resourceType":"Practitioner","id":"d1"}
{"resourceType":"PractitionerRole","id":"role2","practitioner":{"reference":"Practitioner/d2"}}
{"resourceType":"PractitionerRole","id":"role3","active":true,"practitioner":{"reference":"Practitioner/d3"},"organization":{"reference":"Organization/o1"}}
{"resourceType":"PractitionerRole","id":"role4","active":false,"practitioner":{"reference":"Practitioner/d2"},"organization":{"reference":"Organization/o1"}}
{"resourceType":"Organization","id":"o1"}
{"resourceType":"Medication","id":"m1"}
{"resourceType":"ValueSet","id":"v1","status":"active"}
{"resourceType":"Observation","id":"lab1","status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"text":"a"},"subject":{"reference":"Patient/p1"}}
{"resourceType":"Observation","id":"vital1","status":"preliminary","category":[{"coding":[{"system":"http://c","code":"vital-signs"}]}],"code":{"text":"a"},"subject":{"reference":"Patient/p1"}}
{"resourceType":"Observation","id":"both2","status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"},{"system":"http://c","code":"vital-signs"}]}],"code":{"text":"a"},"subject":{"reference":"Patient/p2"}}
{"resourceType":"Observation","id":"bare2","status":"final","code":{"text":"a"},"subject":{"reference":"Patient/p2"},"performer":[{"reference":"Practitioner/d1"}]}
{"resourceType":"Observation","id":"self3","status":"final","code":{"text":"a"},"subject":{"reference":"Patient/p3"},"performer":[{"reference":"Patient/p2"}]}
{"resourceType":"Observation","id":"nobody","status":"final","code":{"text":"a"}}
{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/p1"}}
{"resourceType":"Condition","id":"c2","subject":{"reference":"` + base + `/Patient/p2"}}
{"resourceType":"CareTeam","id":"t2","status":"active","subject":{"reference":"Patient/p2"},"participant":[{"member":{"reference":"Practitioner/d1"}}]}
{"resourceType":"CareTeam","id":"t1","status":"inactive","subject":{"reference":"Patient/p1"},"participant":[{"member":{"reference":"Practitioner/d2"}}]}
{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p1"},"participant":[{"individual":{"reference":"Practitioner/d3"}}]}
{"resourceType":"Encounter","id":"e2","status":"cancelled","class":{"code":"AMB"},"subject":{"reference":"Patient/p2"},"participant":[{"individual":{"reference":"Practitioner/d3"}}]}
{"resourceType":"Group","id":"g1","type":"person","actual":true,"managingEntity":{"reference":"Practitioner/d2"},"member":[{"entity":{"reference":"Patient/p1"}},{"entity":{"reference":"Patient/p3"}}]}
{"resourceType":"Task","id":"task1","status":"draft","intent":"order","for":{"reference":"Patient/p1"}}
{"resourceType":"Device","id":"dev2","patient":{"reference":"Patient/p2"}}
{"resourceType":"Device","id":"spare"}
{"resourceType":"RelatedPerson","id":"r2","patient":{"reference":"Patient/p2"}}
{"resourceType":"RelatedPerson","id":"r1","active":false,"patient":{"reference":"Patient/p1"}}
{"resourceType":"Person","id":"person1","link":[{"target":{"reference":"Patient/p1"}}]}
{"resourceType":"AuditEvent","id":"a1","type":{"code":"rest"},"recorded":"2026-01-01T00:00:00Z","agent":[{"who":{"reference":"Patient/p1"},"requestor":true}],"source":{"observer":{"display":"x"}}}
{"resourceType":"Claim","id":"claim1","status":"active","type":{"text":"x"},"use":"claim","patient":{"reference":"Patient/p1"},"created":"2026-01-01","provider":{"display":"x"},"priority":{"text":"x"},"insurance":[{"sequence":1,"focal":true,"coverage":{"display":"x"}}]}
{"resourceType":"Binary","id":"b1","contentType":"text/plain"}
{"resourceType":"Bundle","id":"bundle1","type":"collection"}
`

// candidates are the resources of the world.
var candidates = sync.OnceValue(func() []*search.Candidate {
	var all []*search.Candidate
	for line := range strings.SplitSeq(strings.TrimSpace(world), "\n") {
		all = append(all, candidate(line))
	}
	return all
})

func candidate(text string) *search.Candidate {
	tree, err := fhir.Parse(definition.R4().Schema, []byte(text), fhir.DefaultLimits)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", text, err))
	}
	c := &search.Candidate{Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Tree: tree}
	if c.Entries, err = r4().Extract(tree, c.ID, base); err != nil {
		panic(err)
	}
	return c
}

// lookup finds resources of the world.
func find(resourceType, id string) []*search.Candidate {
	var found []*search.Candidate
	for _, c := range candidates() {
		if c.Type == resourceType && (id == "" || c.ID == id) {
			found = append(found, c)
		}
	}
	return found
}

func exists(resourceType string, where search.Node) (bool, error) {
	for _, c := range find(resourceType, "") {
		if search.Match(where, c, find) {
			return true, nil
		}
	}
	return false, nil
}

func decide(t *testing.T, caller authz.Caller, policy authz.Policy) authz.Access {
	t.Helper()
	policy.Base = base
	access, err := authz.Decide(r4(), caller, policy)
	if err != nil {
		t.Fatal(err)
	}
	return access
}

// ids are the resources that an interaction is allowed on, as type/id.
func ids(t *testing.T, access authz.Access, i authz.Interaction) string {
	t.Helper()
	var found []string
	for _, c := range candidates() {
		ok, err := access.Allows(i, c, exists)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			found = append(found, c.Type+"/"+c.ID)
		}
	}
	return strings.Join(found, " ")
}

func TestDecideByLaunchPatient(t *testing.T) {
	access := decide(t, authz.Caller{Scopes: parse(t, "patient/*.cruds"), Patient: "p2"}, authz.Policy{})
	own := "Patient/p2 %sObservation/both2 Observation/bare2 Observation/self3 Condition/c2 CareTeam/t2 Encounter/e2 Device/dev2 RelatedPerson/r2"
	context := "Practitioner/d1 PractitionerRole/role2 PractitionerRole/role3 PractitionerRole/role4 Organization/o1 Medication/m1 ValueSet/v1 "
	for _, i := range []authz.Interaction{authz.Read, authz.VRead, authz.HistoryOfOne, authz.SearchType, authz.HistoryOfType} {
		if got, want := ids(t, access, i), fmt.Sprintf(own, context); got != want {
			t.Errorf("%s:\n got %s\nwant %s", i, got, want)
		}
	}
	for _, i := range []authz.Interaction{authz.Create, authz.Update, authz.Patch, authz.Delete} {
		if got, want := ids(t, access, i), fmt.Sprintf(own, ""); got != want {
			t.Errorf("%s:\n got %s\nwant %s", i, got, want)
		}
	}
}

func TestDecideRefusesCredentialsThatDoNotGoTogether(t *testing.T) {
	for name, c := range map[string]struct {
		caller authz.Caller
		policy authz.Policy
		part   string
	}{
		"no patient in context":   {caller: authz.Caller{Scopes: parse(t, "patient/*.rs")}, part: "no patient in context"},
		"a patient that is no id": {caller: authz.Caller{Scopes: parse(t, "patient/*.rs"), Patient: "p1,p2"}, part: "no patient in context"},
		"no user":                 {caller: authz.Caller{Scopes: parse(t, "user/*.rs")}, part: "fhirUser"},
		"a user elsewhere":        {caller: authz.Caller{Scopes: parse(t, "user/*.rs"), FHIRUser: "https://other.example.org/r4/Patient/p1"}, part: "fhirUser"},
		"a user that is no id":    {caller: authz.Caller{Scopes: parse(t, "user/*.rs"), FHIRUser: "Patient/p1,p2"}, part: "fhirUser"},
		"a user of no type":       {caller: authz.Caller{Scopes: parse(t, "user/*.rs"), FHIRUser: "Nobody/p1"}, part: "fhirUser"},
		"a device as user":        {caller: authz.Caller{Scopes: parse(t, "user/*.rs"), FHIRUser: "Device/d"}, part: "not a Device"},
		"system beside user":      {caller: authz.Caller{Scopes: parse(t, "system/*.rs user/*.rs"), FHIRUser: "Patient/p1"}, part: "tokens of their own"},
		"no tenant":               {caller: authz.Caller{Scopes: parse(t, "system/*.rs")}, policy: authz.Policy{Tenant: "a"}, part: "another tenant"},
		"another tenant":          {caller: authz.Caller{Scopes: parse(t, "system/*.rs"), Tenant: "b"}, policy: authz.Policy{Tenant: "a"}, part: "another tenant"},
		"a scope without meaning": {caller: authz.Caller{Scopes: authz.Scopes{Resources: []authz.Scope{{Level: authz.LevelSystem, Type: "Observation", Actions: authz.ActionRead, Query: []search.Pair{{Name: "nothing", Value: "a"}}}}}}, part: "cannot be enforced"},
	} {
		access, err := authz.Decide(r4(), c.caller, c.policy)
		if fhir.KindOf(err) != fhir.KindForbidden || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %v, want KindForbidden with %q", name, err, c.part)
		}
		if err := access.Check(authz.Read, "Patient"); err == nil {
			t.Errorf("%s: the access may read", name)
		}
	}
}

func TestCheck(t *testing.T) {
	access := decide(t, authz.Caller{Scopes: parse(t, "patient/Observation.rs patient/Practitioner.cruds patient/Binary.r"), Patient: "p1"}, authz.Policy{})
	for _, c := range []struct {
		i    authz.Interaction
		typ  string
		part string
	}{
		{authz.Read, "Observation", ""},
		{authz.Create, "Observation", "the scopes of the token do not allow create on Observation"},
		{authz.Read, "Patient", "the scopes of the token do not allow"},
		{authz.Read, "Practitioner", ""},
		{authz.Update, "Practitioner", "this caller may not"},
		{authz.Read, "Binary", ""},
		{authz.SearchType, "Binary", "the scopes"},
		{authz.SearchSystem, "", ""},
		{authz.HistoryOfAll, "", ""},
		{"capabilities", "Observation", "the scopes"},
		{"", "", "the scopes"},
	} {
		err := access.Check(c.i, c.typ)
		if c.part == "" && err != nil || c.part != "" && (fhir.KindOf(err) != fhir.KindForbidden || !strings.Contains(err.Error(), c.part)) {
			t.Errorf("Check(%q, %q) = %v, want %q", c.i, c.typ, err, c.part)
		}
	}
	if got := strings.Join(access.Types(authz.SearchSystem), " "); got != "Observation Practitioner" {
		t.Errorf("Types = %s", got)
	}
	if !access.BySecurityContext(authz.Read, "Binary") || access.BySecurityContext(authz.Delete, "Binary") || access.BySecurityContext(authz.Read, "Patient") {
		t.Error("BySecurityContext is wrong")
	}
}

func TestZeroAndUnrestrictedAccess(t *testing.T) {
	var zero authz.Access
	if got := ids(t, zero, authz.Read); got != "" || zero.Check(authz.Read, "Patient") == nil || zero.Types(authz.SearchType) != nil {
		t.Errorf("the zero Access reads %s", got)
	}
	all := authz.Unrestricted()
	if got := ids(t, all, authz.Delete); strings.Count(got, " ")+1 != len(candidates()) || all.Check(authz.Create, "AuditEvent") != nil {
		t.Errorf("Unrestricted deletes only %s", got)
	}
}

// TestNilExistsIsSafe asks for conditions about other resources where nobody
// can answer.
func TestNilExistsIsSafe(t *testing.T) {
	access := decide(t, authz.Caller{Scopes: parse(t, "user/*.rs"), FHIRUser: "Practitioner/d1"}, authz.Policy{Practitioners: authz.Relations{CareTeam: true}})
	for _, c := range candidates() {
		if ok, err := access.Allows(authz.Read, c, nil); err != nil || ok && (c.Type == "Patient" || c.Type == "Observation") {
			t.Errorf("%s/%s: %v, %v", c.Type, c.ID, ok, err)
		}
	}
}

func TestExistsErrorsAreReturned(t *testing.T) {
	access := decide(t, authz.Caller{Scopes: parse(t, "user/*.rs"), FHIRUser: "Practitioner/d1"}, authz.Policy{Practitioners: authz.Relations{CareTeam: true}})
	broken := func(string, search.Node) (bool, error) { return true, fhir.Errorf(fhir.KindUnavailable, "no disk") }
	for _, c := range find("Observation", "lab1") {
		if ok, err := access.Allows(authz.Read, c, broken); ok || err == nil {
			t.Errorf("%v, %v; want the error", ok, err)
		}
	}
}

func TestCheckRoles(t *testing.T) {
	for name, c := range map[string]struct {
		rule authz.Rule
		part string
	}{
		"fine":        {authz.Rule{Interactions: []authz.Interaction{authz.Read}, Types: []string{"Observation"}, Query: []search.Pair{{Name: "status", Value: "final"}}}, ""},
		"interaction": {authz.Rule{Interactions: []authz.Interaction{"reed"}}, "reed"},
		"type":        {authz.Rule{Types: []string{"Patients"}}, "Patients"},
		"no types":    {authz.Rule{Query: []search.Pair{{Name: "status", Value: "final"}}}, "resource types"},
		"query":       {authz.Rule{Types: []string{"Patient"}, Query: []search.Pair{{Name: "status", Value: "final"}}}, "status"},
	} {
		err := authz.CheckRoles(r4(), authz.Policy{Roles: map[string]authz.Role{"x": {Rules: []authz.Rule{c.rule}}}})
		if c.part == "" && err != nil || c.part != "" && (err == nil || !strings.Contains(err.Error(), c.part)) {
			t.Errorf("%s: %v, want %q", name, err, c.part)
		}
	}
}

// TestAccessIsSafeForConcurrentUse shares one Access among many requests.
func TestAccessIsSafeForConcurrentUse(t *testing.T) {
	access := decide(t, authz.Caller{Scopes: parse(t, "patient/*.cruds"), Patient: "p2"}, authz.Policy{})
	want := ids(t, decide(t, authz.Caller{Scopes: parse(t, "patient/*.cruds"), Patient: "p2"}, authz.Policy{}), authz.Read)
	got := make([]string, 8)
	var wait sync.WaitGroup
	for n := range got {
		wait.Go(func() {
			for _, c := range candidates() {
				if ok, err := access.Allows(authz.Read, c, exists); ok && err == nil {
					got[n] += " " + c.Type + "/" + c.ID
				}
			}
		})
	}
	wait.Wait()
	for _, g := range got {
		if strings.TrimSpace(g) != want {
			t.Errorf("got %s\nwant %s", g, want)
		}
	}
}
