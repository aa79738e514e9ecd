package access

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
)

// personOf is a Person with links, each "Patient/p1 level3".
func personOf(id, rest string, links ...string) string {
	var list []string
	for _, link := range links {
		target, level, ok := strings.Cut(link, " ")
		if ok {
			level = `,"assurance":"` + level + `"`
		}
		list = append(list, `{"target":{"reference":"`+target+`"}`+level+`}`)
	}
	return `{"resourceType":"Person","id":"` + id + `"` + rest + `,"link":[` + strings.Join(list, ",") + `]}`
}

// leads are what the Persons of a user link to, surely enough.
func (w *world) leads(user string) (leads []string) {
	if w.least == "" || strings.HasPrefix(user, "Practitioner/") || user == "" {
		return nil
	}
	for _, name := range w.names {
		o := w.current(name)
		if o == nil || o["resourceType"] != "Person" || o["active"] == false {
			continue
		}
		var targets []string
		list, _ := o["link"].([]any)
		for _, link := range list {
			link := link.(object)
			if level := text(link["assurance"]); level >= w.least || level == "" && w.least == "level1" {
				targets = append(targets, at(link["target"], "reference")...)
			}
		}
		if name == user || !strings.HasPrefix(user, "Person/") && slices.Contains(targets, user) {
			leads = append(leads, targets...)
		}
	}
	return leads
}

// linksTo reports whether the Persons of a user lead to a patient.
func (w *world) linksTo(user, patient string) bool {
	return w.isSame(user, patient) || slices.ContainsFunc(w.leads(user), func(target string) bool { return w.relates(target, patient) })
}

// isSame reports whether a Person says that a user is a patient.
func (w *world) isSame(user, patient string) bool {
	return slices.Contains(w.leads(user), "Patient/"+patient)
}

// relates reports whether somebody is an active RelatedPerson of a patient.
func (w *world) relates(related, patient string) bool {
	o := w.current(related)
	return o != nil && o["resourceType"] == "RelatedPerson" && o["active"] != false && slices.Contains(patientsOf(o), patient)
}

// family is what stands beside the story: p3 is another record of p1, and a
// child's mother is Person/mother.
func family() []string {
	of := func(id, p string) string {
		return `{"resourceType":"Observation","id":"` + id + `","status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"text":"x"},"subject":{"reference":"Patient/` + p + `","display":"` + secret(p) + `"}}`
	}
	return []string{
		`{"resourceType":"Patient","id":"p3","name":[{"family":"` + secret("p3") + `"}]}`, of("o-p3", "p3"),
		`{"resourceType":"Patient","id":"child","name":[{"family":"` + secret("child") + `"}]}`, of("o-child", "child"),
		`{"resourceType":"RelatedPerson","id":"mother-of-child","active":true,"patient":{"reference":"Patient/child"}}`,
		`{"resourceType":"RelatedPerson","id":"former","active":false,"patient":{"reference":"Patient/p2"}}`,
		personOf("both", `,"active":true`, "Patient/p1 level4", "Patient/p3 level3", "RelatedPerson/former level4"),
		personOf("mother", ``, "Patient/p2 level3", "RelatedPerson/mother-of-child level4", "Person/both level4", "Practitioner/d1 level4"),
		personOf("unsure", ``, "Patient/p3 level2", "Patient/child"),
		personOf("half", ``, "Patient/p3 level1", "Patient/child level4"),
		personOf("left", `,"active":false`, "Patient/p1 level4", "Patient/child level4"),
		personOf("gone", ``, "Patient/p1 level4", "Patient/child level4"), "-Person/gone",
		personOf("moved", ``, "Patient/p1 level4", "Patient/child level4"), personOf("moved", ``, "Patient/p2 level4"),
		`{"resourceType":"Consent","id":"hers","status":"active","scope":{"coding":[{"code":"patient-privacy"}]},"category":[{"text":"x"}],"patient":{"reference":"Patient/p3"},"provision":{"type":"deny"}}`,
	}
}

// TestEveryWayByPersons is the whole matrix for users whom Persons link to
// patients, for assurances from none to the highest, with and without Consents.
func TestEveryWayByPersons(t *testing.T) {
	for _, s := range []struct {
		least string
		mode  authz.Decision
		few   int // of a thousand cells, at least so many are allowed
	}{{"off", "", 5}, {"level1", authz.Permit, 30}, {"level2", "", 30}, {"level3", authz.Permit, 30}, {"level4", "", 30}} {
		t.Run(s.least, func(t *testing.T) {
			t.Parallel()
			w := tellWorld(t, append(story(), family()...))
			w.rules = &rules{mode: string(s.mode)}
			policy := w.rules.policy()
			if s.least != "off" {
				w.least = s.least
			}
			policy.Persons, _ = authz.ParseAssurance(s.least)
			callers := usersOfPersons()
			w.decide(t, callers, policy)
			w.callers = append(w.callers[:1:1], callers...)
			n := &tally{}
			for _, c := range callers {
				r := &reader{w, t, c, n}
				for _, way := range []func(){r.reads, r.histories, r.searches, r.chains, r.graphql, r.batch} {
					way()
				}
				if t.Failed() {
					return
				}
			}
			if t.Logf("%d cells, %d allowed", n.cells, n.allowed); n.cells < 10_000 || n.allowed*1000 < s.few*n.cells {
				t.Error("they show too little")
			}
		})
	}
}

// usersOfPersons are a user of each kind.
func usersOfPersons() (all []*caller) {
	for _, user := range []string{"Person/both", "Person/mother", "Person/unsure", "Person/left", "Person/gone", "Patient/p1", "Patient/p3", "RelatedPerson/mother-of-child", "RelatedPerson/former"} {
		all = append(all, &caller{scopes: "user/*.cruds", user: user})
	}
	return append(all, &caller{scopes: "user/Observation.rs?category=http://c|laboratory user/Person.cruds", user: "Person/mother"},
		&caller{scopes: "patient/*.cruds", patient: "p1", user: "Person/both"})
}

// TestPersonsAreNotWrittenByThoseTheyLink has users write themselves rights.
func TestPersonsAreNotWrittenByThoseTheyLink(t *testing.T) {
	w := tellWorld(t, append(story(), family()...))
	who := []*caller{
		{scopes: "user/*.cruds", user: "Person/both"}, {scopes: "user/*.cruds", user: "Patient/p1"}, {scopes: "patient/*.cruds", patient: "p1"},
		{scopes: "user/*.cruds", user: "RelatedPerson/mother-of-child"}, {scopes: "user/*.cruds", user: "Practitioner/d1"},
	}
	w.decide(t, who, authz.Policy{Base: base, Persons: 3, Practitioners: authz.Relations{GeneralPractitioner: true}})
	w.callers = append(w.callers[:1:1], who...)
	wider := personOf("both", ``, "Patient/p1 level4", "Patient/p2 level4")
	for _, c := range who {
		for what, a := range map[string]answer{
			"update":      w.ask(c, "PUT", "Person/both", wider),
			"create":      w.ask(c, "POST", "Person", wider),
			"transaction": w.ask(c, "POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":`+wider+`,"request":{"method":"PUT","url":"Person/both"}}]}`),
			"patch":       w.ask(c, "PATCH", "Person/both", `[{"op":"add","path":"/link/-","value":{"target":{"reference":"Patient/p2"},"assurance":"level4"}}]`, "Content-Type", "application/json-patch+json"),
			"delete":      w.ask(c, "DELETE", "Person/both", ""),
			"meta":        w.ask(c, "POST", "Person/both/$meta-add", `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"x"}]}}]}`),
		} {
			if a.status != http.StatusForbidden {
				t.Errorf("%s by %s: %d %s", what, c.name, a.status, a.body)
			}
		}
	}
	// Related persons are written by those who have the patient, and lead nobody
	// to another one.
	mother := &caller{scopes: "user/*.cruds", user: "Person/mother"}
	w.decide(t, []*caller{mother}, authz.Policy{Base: base, Persons: 3})
	w.callers = append(w.callers, mother)
	related := w.current("RelatedPerson/mother-of-child")
	expect(t, "another's patient", w.ask(mother, "PUT", "RelatedPerson/mother-of-child", encode(with(related, "patient", object{"reference": "Patient/p1"}))), http.StatusForbidden, "")
	expect(t, "a phone", w.ask(mother, "PUT", "RelatedPerson/mother-of-child", encode(with(related, "telecom", []any{object{"system": "phone", "value": "1"}}))), http.StatusOK, "")
}

// TestPersonsCountAtOnce follows the Persons through every kind of write.
func TestPersonsCountAtOnce(t *testing.T) {
	w := tellWorld(t, append(story(), family()...))
	c := &caller{scopes: "user/*.rs", user: "Person/new"}
	w.decide(t, []*caller{c}, authz.Policy{Base: base, Persons: 3})
	w.callers = append(w.callers, c)
	service := w.as("system", "system/*.cruds")
	total := func(what string, want int) {
		t.Helper()
		a := w.ask(c, "GET", "Observation?_summary=count", "")
		if want == 0 && a.status == http.StatusForbidden { // as for a user with nobody's data
			return
		}
		expect(t, what, a, http.StatusOK, fmt.Sprintf(`"total":%d`, want))
	}
	total("before", 0)
	one, none := personOf("new", ``, "Patient/p3 level3"), personOf("new", ``)
	expect(t, "create", w.ask(service, "PUT", "Person/new", one), http.StatusCreated, "")
	total("written", 1)
	expect(t, "update", w.ask(service, "PUT", "Person/new", strings.Replace(none, `,"link":[]`, "", 1)), http.StatusOK, "")
	total("updated", 0)
	expect(t, "patch", w.ask(service, "PATCH", "Person/new", `{"link":[{"target":{"reference":"`+base+`/Patient/child"},"assurance":"level4"}]}`, "Content-Type", "application/merge-patch+json"), http.StatusOK, "")
	total("patched", 1)
	expect(t, "a page", w.ask(c, "GET", "Observation?_count=1", ""), http.StatusOK, secret("child"))
	expect(t, "delete", w.ask(service, "DELETE", "Person/new", ""), http.StatusNoContent, "")
	total("deleted", 0)
	expect(t, "revived", w.ask(service, "PUT", "Person/new", one), http.StatusCreated, "")
	total("revived", 1)
	expect(t, "erased", w.ask(service, "POST", "Person/new/$erase", ""), http.StatusOK, "")
	total("erased", 0)
	related := strings.Replace(one, "Patient/p3", "RelatedPerson/mother-of-child", 1)
	expect(t, "related", w.ask(service, "PUT", "Person/new", related), http.StatusCreated, "")
	total("related", 1)
	expect(t, "ended", w.ask(service, "PATCH", "RelatedPerson/mother-of-child", `{"active":false}`, "Content-Type", "application/merge-patch+json"), http.StatusOK, "")
	total("ended", 0)
}

// TestPatientsWhomPersonsLeadTo are those whom a user may have in context.
func TestPatientsWhomPersonsLeadTo(t *testing.T) {
	w := tellWorld(t, append(story(), family()...))
	for user, want := range map[string][]string{
		"Person/mother": {"child", "p2"}, "Person/both": {"p1", "p3"}, "Person/left": nil, "Person/half": {"child"}, "Person/gone": nil,
		"Person/moved": {"p2"}, "Patient/p1": {"p1", "p3"}, "RelatedPerson/mother-of-child": {"child", "p2"}, "RelatedPerson/former": {"p1", "p3"}, "Practitioner/d1": nil,
	} {
		for _, persons := range []authz.Assurance{0, 3} {
			c := &caller{scopes: "user/*.rs", user: user}
			w.decide(t, []*caller{c}, authz.Policy{Base: base, Persons: persons})
			got, err := w.ds.LinkedPatients(ctx, c.access)
			if persons == 0 {
				want := []string(nil)
				if !slices.Equal(got, want) || err != nil {
					t.Errorf("%s, where no Person counts: %v, %v", user, got, err)
				}
				continue
			}
			if !slices.Equal(got, want) || err != nil {
				t.Errorf("%s: %v, want %v, %v", user, got, want, err)
			}
		}
	}
}
