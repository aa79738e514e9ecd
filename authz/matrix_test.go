package authz_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// interactions are all of them.
var interactions = []authz.Interaction{
	authz.Read, authz.VRead, authz.Create, authz.Update, authz.Patch, authz.Delete,
	authz.HistoryOfOne, authz.HistoryOfType, authz.HistoryOfAll, authz.SearchType, authz.SearchSystem,
}

// matrix are the callers and policies of the test.
func matrix() []naiveCase {
	var all []naiveCase
	scopes := []string{
		"/*.read", "/*.write", "/*.*", "/*.rs", "/*.cruds", "/*.r", "/*.cud",
		"/Observation.rs", "/Patient.r L/Observation.s", "/Observation.cruds?category=http://c|laboratory",
		"/Observation.rs?category=http://c|laboratory&status=final L/Observation.u?category=http://c|vital-signs",
		"/Observation.r?category=http://c|vital-signs L/*.s", "/Practitioner.cruds L/Medication.write", "/AuditEvent.rs L/Group.read",
	}
	for _, scope := range scopes {
		at := func(level string) string { return strings.ReplaceAll(level+scope, "L/", level+"/") }
		for _, roles := range [][]string{nil, {"practitioner"}, {"non-practitioner"}, {"auditor"}, {"admin"}, {"nobody"}, {"auditor", "practitioner"}} {
			all = append(all, naiveCase{scopes: at("system"), roles: roles})
			all = append(all, naiveCase{scopes: at("user"), roles: roles, fhirUser: "Practitioner/d1", relations: []string{"gp"}})
			all = append(all, naiveCase{scopes: at("patient"), roles: roles, patient: "p1", fhirUser: "Practitioner/d1", relations: []string{"all"}})
		}
		for _, patient := range []string{"p1", "p2"} {
			all = append(all, naiveCase{scopes: at("patient"), patient: patient})
			for _, user := range []string{"Patient/p1", "RelatedPerson/r2", "Practitioner/d1", "Practitioner/d3"} {
				all = append(all, naiveCase{scopes: at("patient"), patient: patient, fhirUser: user, relations: []string{"gp", "encounter"}})
				all = append(all, naiveCase{scopes: at("patient") + " " + at("user"), patient: patient, fhirUser: user, relations: []string{"team"}, links: true})
			}
		}
		for _, relations := range [][]string{nil, {"all"}, {"gp"}, {"team"}, {"encounter"}, {"group"}, {"organization"}, {"gp", "team", "encounter", "group", "organization"}} {
			for _, user := range []string{"Practitioner/d1", "Practitioner/d2", "Practitioner/d3"} {
				all = append(all, naiveCase{scopes: at("user"), fhirUser: user, relations: relations, patients: []string{"p3"}[:len(relations)%2]})
			}
		}
		for _, user := range []string{"Patient/p1", "Patient/p2", "Patient/p3", "RelatedPerson/r1", "RelatedPerson/r2", "Person/person1"} {
			for _, links := range []bool{false, true} {
				all = append(all, naiveCase{scopes: at("user"), fhirUser: user, links: links})
				all = append(all, naiveCase{scopes: at("user"), fhirUser: user, links: links, patients: []string{"p2", "p3"}})
			}
		}
		all = append(all, naiveCase{scopes: at("user"), scopesOnly: true}, naiveCase{scopes: at("user"), fhirUser: "Patient/p1", scopesOnly: true})
	}
	return all
}

func (c naiveCase) caller(t *testing.T) authz.Caller {
	return authz.Caller{Scopes: parse(t, c.scopes), Patient: c.patient, FHIRUser: c.fhirUser, Patients: c.patients, Roles: c.roles}
}

func (c naiveCase) policy() authz.Policy {
	on := func(name string) bool { return slices.Contains(c.relations, name) }
	return authz.Policy{
		Base: base, Links: c.links, ScopesOnly: c.scopesOnly,
		Practitioners: authz.Relations{
			All: on("all"), GeneralPractitioner: on("gp"), CareTeam: on("team"), Encounter: on("encounter"), Group: on("group"), Organization: on("organization"),
		},
	}
}

// TestMatrix compares every decision with the naive one: resource by resource,
// and as the search that a backend runs.
func TestMatrix(t *testing.T) {
	cells, allowed := 0, 0
	for _, c := range matrix() {
		access, err := authz.Decide(r4(), c.caller(t), c.policy())
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		for _, i := range interactions {
			for n, o := range objects {
				want := naive(c, string(i), o)
				got, err := access.Allows(i, candidates()[n], exists)
				if err != nil || got != want {
					t.Fatalf("%+v: %s of %s/%s is %v, %v; want %v", c, i, typeOf(o), idOf(o), got, err, want)
				}
				if want && access.Check(i, typeOf(o)) != nil {
					t.Fatalf("%+v: %s of %s is refused by Check", c, i, typeOf(o))
				}
				if cells++; want {
					allowed++
				}
			}
			if i == authz.SearchType || i == authz.Update {
				compareSearch(t, c, access, i)
			}
		}
	}
	if share := float64(allowed) / float64(cells); cells < 20_000 || share < 0.05 || share > 0.95 {
		t.Errorf("%d cells, of which %d are allowed: the matrix shows too little", cells, allowed)
	}
	t.Logf("%d cells, %d allowed", cells, allowed)
}

// compareSearch runs the filter of each type over the world.
func compareSearch(t *testing.T, c naiveCase, access authz.Access, i authz.Interaction) {
	t.Helper()
	var plan search.Plan
	for _, typ := range access.Types(i) {
		where, ok := access.Filter(i, typ)
		if !ok {
			t.Fatalf("%+v: Types has %s, Filter does not", c, typ)
		}
		plan.Parts = append(plan.Parts, search.Part{Type: typ, Where: where})
	}
	found := search.Run(plan, candidates())
	var want []*search.Candidate
	for n, o := range objects {
		if naive(c, string(i), o) {
			want = append(want, candidates()[n])
		}
	}
	if !slices.Equal(found, want) {
		t.Fatalf("%+v: %s finds %d resources, want %d", c, i, len(found), len(want))
	}
}

// TestDecideIsMonotonic: more scopes never allow less, roles and a tenant never
// allow more.
func TestDecideIsMonotonic(t *testing.T) {
	for _, c := range matrix() {
		access, err := authz.Decide(r4(), c.caller(t), c.policy())
		if err != nil {
			t.Fatal(err)
		}
		for _, scope := range c.caller(t).Scopes.Resources {
			fewer := c.caller(t)
			fewer.Scopes.Resources = []authz.Scope{scope}
			part, err := authz.Decide(r4(), fewer, c.policy())
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range []authz.Interaction{authz.Read, authz.Update, authz.SearchType} {
				for _, one := range candidates() {
					less, _ := part.Allows(i, one, exists)
					if more, _ := access.Allows(i, one, exists); less && !more {
						t.Fatalf("%+v: %s of %s/%s is allowed by %s alone only", c, i, one.Type, one.ID, scope)
					}
				}
			}
		}
	}
}

func TestCustomRole(t *testing.T) {
	policy := authz.Policy{ScopesOnly: true, Roles: map[string]authz.Role{
		"lab":          {Rules: []authz.Rule{{Interactions: []authz.Interaction{authz.Read, authz.Create}, Types: []string{"Observation"}, Query: []search.Pair{{Name: "category", Value: "laboratory"}}}}},
		"practitioner": {},
	}}
	lab := decide(t, authz.Caller{Scopes: parse(t, "user/*.cruds"), Roles: []string{"lab"}}, policy)
	if got := ids(t, lab, authz.Read); got != "Observation/lab1 Observation/both2" {
		t.Errorf("lab reads %s", got)
	}
	if got := ids(t, lab, authz.Update); got != "" {
		t.Errorf("lab updates %s", got)
	}
	emptied := decide(t, authz.Caller{Scopes: parse(t, "user/*.cruds"), Roles: []string{"practitioner"}}, policy)
	if got := ids(t, emptied, authz.Read); got != "" {
		t.Errorf("a role that the policy empties reads %s", got)
	}
	policy.Roles["bad"] = authz.Role{Rules: []authz.Rule{{Query: []search.Pair{{Name: "a", Value: "b"}}}}}
	if _, err := authz.Decide(r4(), authz.Caller{Roles: []string{"bad"}}, policy); fhir.KindOf(err) != fhir.KindInternal {
		t.Errorf("a role without meaning: %v", err)
	}
}

func BenchmarkDecide(b *testing.B) {
	caller := authz.Caller{Scopes: parse(b, "patient/*.rs patient/Observation.cud?category=http://c|laboratory openid fhirUser"), Patient: "p1", FHIRUser: "Patient/p1"}
	lab := find("Observation", "lab1")[0]
	access, err := authz.Decide(r4(), caller, authz.Policy{Base: base})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decide", func(b *testing.B) {
		for b.Loop() {
			if _, err := authz.Decide(r4(), caller, authz.Policy{Base: base}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("allows", func(b *testing.B) {
		for b.Loop() {
			if ok, err := access.Allows(authz.Read, lab, exists); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}
