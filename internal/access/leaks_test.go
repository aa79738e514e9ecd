package access

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// as is the caller with some scopes; who is "patient p1", "user
// Practitioner/d1" or "system".
func (w *world) as(who, scopes string, roles ...string) *caller {
	w.t.Helper()
	return w.asSubject("", who, scopes, roles...)
}

// asSubject is as for a caller who is known by a subject, "" for one alone.
func (w *world) asSubject(subject, who, scopes string, roles ...string) *caller {
	w.t.Helper()
	kind, rest, _ := strings.Cut(who, " ")
	c := &caller{name: strings.TrimSpace(who + " " + scopes + " " + strings.Join(roles, "+")), scopes: scopes, roles: roles}
	asked := authz.Caller{Subject: cmp.Or(subject, c.name), Roles: roles}
	switch kind {
	case "patient":
		c.patient, asked.Patient = rest, rest
	case "user":
		c.user, asked.FHIRUser = rest, rest
	}
	asked.Scopes, _ = authz.ParseScopes(scopes, w.ds.Registry())
	var err error
	if c.access, err = authz.Decide(w.ds.Registry(), asked, authz.Policy{
		Base: base, Practitioners: authz.Relations{GeneralPractitioner: true, CareTeam: true}, Roles: w.roles(),
	}); err != nil {
		w.t.Fatal(err)
	}
	w.callers = append(w.callers, c)
	return c
}

// roles are one that searches a type, and one that lacks some observations.
func (w *world) roles() map[string]authz.Role {
	var others []string
	for _, p := range w.ds.Registry().Params {
		if p.Code == search.MarkType && p.Type != "Observation" {
			others = append(others, p.Type)
		}
	}
	return map[string]authz.Role{
		"one type": {Rules: []authz.Rule{{Interactions: []authz.Interaction{authz.SearchType}, Types: []string{"Observation"}}}},
		"most":     {Rules: []authz.Rule{{Types: others}, {Types: []string{"Observation"}, Query: []search.Pair{{Name: "category", Value: "laboratory"}}}}},
	}
}

func expect(t *testing.T, what string, a answer, status int, with string) {
	t.Helper()
	if a.status != status || !strings.Contains(string(a.body), with) {
		t.Errorf("%s: %d %s\nwant %d with %q", what, a.status, a.body, status, with)
	}
}

func TestExplanationsCountForThoseWhoSeeAll(t *testing.T) {
	w := newWorld(t)
	patient, service := w.as("patient p1", "patient/*.rs"), w.as("system", "system/*.rs")
	for _, query := range []string{"Observation?code=lab", "Observation?code=lab&_count=0", "?_type=Observation,Group", "Medication?_has:MedicationRequest:medication:status=active", "Observation?subject.name=x"} {
		expect(t, query, w.ask(patient, "GET", query, "", "X-Explain", "true"), http.StatusForbidden, "explained")
		expect(t, query, w.ask(service, "GET", query, "", "X-Explain", "true"), http.StatusOK, "keys")
	}
	expect(t, "a shared type", w.ask(patient, "GET", "Medication?code=x", "", "X-Explain", "true"), http.StatusOK, "keys")
	observations := w.as("system", "system/Observation.rs")
	expect(t, "types left out", w.ask(observations, "GET", "?_type=Observation,Patient", "", "X-Explain", "true"), http.StatusForbidden, "explained")
	expect(t, "ways left out", w.ask(w.as("system", "system/Observation.rs system/Patient.rs"), "GET", "Observation?subject.identifier=x", "", "X-Explain", "true"), http.StatusForbidden, "explained")
}

func TestInsufficientScope(t *testing.T) {
	w := newWorld(t)
	c := w.as("patient p1", "patient/Patient.rs patient/Observation.c")
	for _, ask := range []struct{ method, path, scope string }{
		{"GET", "Observation/lab-p1", "patient/Observation.r"}, {"GET", "Observation/lab-p1/_history/1", "patient/Observation.r"},
		{"GET", "Observation/lab-p1/_history", "patient/Observation.r"}, {"GET", "Observation/_history", "patient/Observation.s"},
		{"GET", "Observation", "patient/Observation.s"}, {"GET", "?_type=Observation,Condition", "patient/Condition.s"},
		{"DELETE", "Observation/lab-p1", "patient/Observation.d"}, {"DELETE", "Observation/never", "patient/Observation.d"},
	} {
		a := w.ask(c, ask.method, ask.path, "")
		if got := a.header.Get("WWW-Authenticate"); a.status != http.StatusForbidden || !strings.HasSuffix(got, `, scope="`+ask.scope+`"`) {
			t.Errorf("%s %s: %d %s", ask.method, ask.path, a.status, got)
		}
	}
	one := w.as("system", "system/*.rs", "one type")
	expect(t, "one type", w.ask(one, "GET", "Observation?code=lab", ""), http.StatusOK, `"total":2`)
	expect(t, "several types", w.ask(one, "GET", "?_type=Observation,Patient", ""), http.StatusForbidden, "search-system")
}

func TestHierarchiesLeadThroughWhatIsSeen(t *testing.T) {
	w := newWorld(t)
	procedure := func(id, p, partOf string) {
		w.tell(fmt.Sprintf(`{"resourceType":"Procedure","id":%q,"status":"completed","subject":{"reference":"Patient/%s"}%s}`, id, p, partOf))
	}
	procedure("top", "p1", "")
	procedure("mid1", "p1", `,"partOf":[{"reference":"Procedure/top"}]`)
	procedure("mid2", "p2", `,"partOf":[{"reference":"Procedure/top"}]`)
	for n, mid := range []string{"mid1", "mid2"} {
		w.tell(fmt.Sprintf(`{"resourceType":"Observation","id":"of-%s","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"partOf":[{"reference":"Procedure/%[1]s"}],"valueInteger":%d}`, mid, n))
	}
	below := "Observation?part-of:below=Procedure/top"
	expect(t, "all", w.ask(w.as("system", "system/*.rs"), "GET", below, ""), http.StatusOK, `"total":2`)
	expect(t, "one patient", w.ask(w.as("patient p1", "patient/*.rs"), "GET", below, ""), http.StatusOK, `"total":1`)
	expect(t, "no procedures", w.ask(w.as("patient p1", "patient/Observation.rs"), "GET", below, ""), http.StatusForbidden, "search-type on Procedure")
	above := "Observation?part-of:above=Procedure/mid2"
	w.tell(`{"resourceType":"Observation","id":"of-top","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"partOf":[{"reference":"Procedure/top"}]}`)
	expect(t, "above for all", w.ask(w.as("system", "system/*.rs"), "GET", above, ""), http.StatusOK, `"total":2`)
	expect(t, "above for one", w.ask(w.as("patient p1", "patient/*.rs"), "GET", above, ""), http.StatusOK, `"total":1`)
}

func TestPageLinksAreOfOneCaller(t *testing.T) {
	w := newWorld(t)
	one, other := w.as("patient p1", "patient/*.rs"), w.as("user Patient/p1", "user/*.rs")
	for _, path := range []string{"Observation?_count=1", "Observation/_history?_count=1", "?_count=1", "Patient/p1/$everything?_count=1"} {
		next := link(t, w.ask(one, "GET", path, ""), "next")
		if next == "" {
			t.Fatalf("%s has one page", path)
		}
		expect(t, path, w.ask(one, "GET", next, ""), http.StatusOK, "")
		expect(t, path, w.ask(other, "GET", next, ""), http.StatusForbidden, "another caller")
		expect(t, path, w.ask(w.callers[0], "GET", next, ""), http.StatusForbidden, "another caller")
	}
	first := w.ask(one, "POST", "$graphql", `{ObservationConnection(_count: 1) {next}}`, "Content-Type", "application/graphql")
	cursor := at(decode(t, first.body), "data", "ObservationConnection", "next")
	query := `{ObservationConnection(cursor: "` + cursor[0] + `") {count}}`
	expect(t, "graphql", w.ask(one, "POST", "$graphql", query, "Content-Type", "application/graphql"), http.StatusOK, `"count":`)
	expect(t, "graphql of another", w.ask(other, "POST", "$graphql", query, "Content-Type", "application/graphql"), http.StatusForbidden, "another caller")
}

func TestAnswersToComeAreOfOneCaller(t *testing.T) {
	w := newWorld(t)
	one, other := w.as("patient p1", "patient/*.rs"), w.as("patient p2", "patient/*.rs")
	less := w.asSubject(one.name, "patient p1", "patient/Observation.rs")
	a := w.ask(one, "GET", "?_count=1000", "", "Prefer", "respond-async")
	place := a.header.Get("Content-Location")
	expect(t, "asking", a, http.StatusAccepted, "")
	for {
		ran, err := w.jobs.RunNext(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !ran {
			break
		}
	}
	expect(t, "another's answer", w.ask(other, "GET", place, ""), http.StatusNotFound, "there is no answer")
	expect(t, "cancelling another's", w.ask(other, "DELETE", place, ""), http.StatusNotFound, "there is no answer")
	expect(t, "with a token for less", w.ask(less, "GET", place, ""), http.StatusForbidden, "ask for the answer with the same")
	own := w.ask(one, "GET", place, "")
	expect(t, "one's own answer", own, http.StatusOK, secret("p1"))
	if strings.Contains(string(own.body), `"`+secret("p2")) && !strings.Contains(string(own.body), "List") {
		t.Errorf("the job had another access: %s", own.body)
	}
	if strings.Contains(string(own.body), `"id":"lab-p2"`) {
		t.Error("the job saw another patient")
	}
}

const key = "4f0c2d7e-53b1-4f6c-9a51-0d6a1c2b3e4f"

func TestIdempotencyKeysAreOfOneCaller(t *testing.T) {
	w := newWorld(t)
	body := encode(with(w.current("Condition/c-p1"), "id", nil))
	one, other := w.as("patient p1", "patient/*.cruds"), w.as("user Practitioner/d1", "user/*.cruds")
	location := func(c *caller) string {
		t.Helper()
		a := w.ask(c, "POST", "Condition", body, "X-Amz-Fhir-Idempotency-Key", key)
		expect(t, c.name, a, http.StatusCreated, "")
		return a.header.Get("Location")
	}
	first := location(one)
	if location(one) != first {
		t.Error("a key is used twice")
	}
	if location(other) == first {
		t.Error("a key leads to another caller's resource")
	}
	// The same user, who may not write about the patient any more.
	narrowed := w.as("patient p1", "patient/*.cruds")
	narrowed.access = w.as("patient p1", "patient/Condition.cruds?category=problem-list-item").access
	scoped, _ := authz.ParseScopes("patient/Condition.cruds?category=problem-list-item", w.ds.Registry())
	access, err := authz.Decide(w.ds.Registry(), authz.Caller{Subject: one.name, Patient: "p1", Scopes: scoped}, authz.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	narrowed.name, narrowed.access = "narrowed", access
	expect(t, "narrowed", w.ask(narrowed, "POST", "Condition", body, "X-Amz-Fhir-Idempotency-Key", key), http.StatusForbidden, "")
}

// TestIDsAreNotChosen: to say that an id is free is to say which are not.
func TestIDsAreNotChosen(t *testing.T) {
	w := newWorld(t)
	c := w.as("patient p1", "patient/*.cruds")
	for _, id := range []string{"lab-p2", "gone-p2", "free"} {
		o := with(w.current("Observation/lab-p1"), "id", id)
		refusal := "Observation/" + id + " is not among the resources that this caller may update, and the caller does not choose the ids"
		expect(t, id, w.ask(c, "PUT", "Observation/"+id, encode(o)), http.StatusForbidden, refusal)
		expect(t, id, w.ask(c, "PUT", "Observation/"+id, encode(o), "If-None-Match", "*"), http.StatusForbidden, refusal)
		expect(t, id, w.ask(c, "PUT", "Observation?identifier=unknown", encode(o)), http.StatusForbidden, "does not choose the ids")
		expect(t, id, w.ask(c, "DELETE", "Observation/"+id, "", "If-Match", `W/"1"`), http.StatusPreconditionFailed, "")
		expect(t, id, w.ask(c, "DELETE", "Observation/"+id, ""), http.StatusNoContent, "")
	}
	expect(t, "without an id", w.ask(c, "PUT", "Observation?identifier=unknown", encode(with(w.current("Observation/lab-p1"), "id", nil))), http.StatusCreated, "")
	expect(t, "a service", w.ask(w.as("system", "system/*.cruds"), "PUT", "Observation/free", encode(with(w.current("Observation/lab-p1"), "id", "free"))), http.StatusCreated, "")
}

// TestWritesHoldWhileOthersWrite: what was allowed by a version that is not
// the current one any more is decided again.
func TestWritesHoldWhileOthersWrite(t *testing.T) {
	w := newWorld(t)
	c := w.as("patient p1", "patient/*.cruds")
	taken := encode(with(with(w.current("Observation/lab-p1"), "subject", object{"reference": "Patient/p2"}), "note", []any{object{"text": "of the other"}}))
	calls := 0
	op := datastore.Op{Interaction: authz.Patch, Type: "Observation", ID: "lab-p1", Patch: func(current *fhir.Tree) ([]byte, error) {
		if calls++; calls == 1 {
			w.tell(taken)
		}
		return []byte(strings.Replace(string(current.Root().Raw()), `"final"`, `"amended"`, 1)), nil
	}}
	if _, err := w.ds.Commit(ctx, c.access, []datastore.Op{op}, nil); fhir.KindOf(err) != fhir.KindNotFound || calls != 1 {
		t.Errorf("a patch of what has moved away meanwhile: %v after %d calls", err, calls)
	}
	// A version that is asked for must be the one that was decided by.
	o := encode(w.current("Observation/vital-p1"))
	expect(t, "If-Match of a version to come", w.ask(c, "PUT", "Observation/vital-p1", o, "If-Match", `W/"2"`), http.StatusPreconditionFailed, "")
	expect(t, "If-Match", w.ask(c, "PUT", "Observation/vital-p1", strings.Replace(o, "final", "amended", 1), "If-Match", `W/"1"`), http.StatusOK, "")
}

func TestPatchNeedsToRead(t *testing.T) {
	w := newWorld(t)
	body := `[{"op":"test","path":"/status","value":"final"}]`
	for _, scopes := range []string{"patient/Observation.u", "patient/Observation.cuds", "patient/Observation.u patient/Observation.r?category=vital-signs"} {
		a := w.ask(w.as("patient p1", scopes), "PATCH", "Observation/lab-p1", body, "Content-Type", "application/json-patch+json")
		want := http.StatusForbidden
		if strings.Contains(scopes, "?") { // it may read others
			want = http.StatusNotFound
		}
		expect(t, scopes, a, want, "")
	}
	expect(t, "by criteria", w.ask(w.as("patient p1", "patient/Observation.us patient/Observation.r?category=vital-signs"), "PATCH", "Observation?identifier=p1-lab", body, "Content-Type", "application/json-patch+json"), http.StatusForbidden, "may not patch")
}

func TestCriteriaNeedToSearch(t *testing.T) {
	w := newWorld(t)
	c := w.as("patient p1", "patient/*.crud")
	o := encode(with(w.current("Observation/lab-p1"), "id", nil))
	expect(t, "create", w.ask(c, "POST", "Observation", o, "If-None-Exist", "identifier=p1-lab"), http.StatusForbidden, "search-type")
	expect(t, "update", w.ask(c, "PUT", "Observation?identifier=p1-lab", o), http.StatusForbidden, "search-type")
	expect(t, "delete", w.ask(c, "DELETE", "Observation?identifier=p1-lab", ""), http.StatusForbidden, "search-type")
	half := w.as("patient p1", "patient/Observation.cuds patient/Patient.r")
	bundle := encode(object{"resourceType": "Bundle", "type": "transaction", "entry": []any{object{
		"resource": with(with(w.current("Observation/lab-p1"), "id", nil), "subject", object{"reference": "Patient?identifier=i-p1"}), "request": object{"method": "POST", "url": "Observation"}}}})
	a := w.ask(half, "POST", "", bundle)
	expect(t, "reference", a, http.StatusForbidden, "search-type on Patient")
	if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, `scope="patient/Patient.s"`) {
		t.Errorf("the challenge is %q", got)
	}
}

func TestValueSetsAreThoseThatAreSeen(t *testing.T) {
	w := newWorld(t)
	w.tell(`{"resourceType":"ValueSet","id":"vs","url":"http://e.org/vs","status":"active","compose":{"include":[{"system":"http://loinc.org","concept":[{"code":"lab"}]}]}}`)
	for _, by := range []string{"http://e.org/vs", "ValueSet/vs"} {
		query := "Observation?code:in=" + by
		expect(t, by, w.ask(w.as("patient p1", "patient/*.rs"), "GET", query, ""), http.StatusOK, `"total":1`)
		expect(t, by, w.ask(w.as("patient p1", "patient/Observation.rs"), "GET", query, ""), http.StatusForbidden, "ValueSet")
		expect(t, by, w.ask(w.as("patient p1", "patient/Observation.rs patient/ValueSet.rs?status=draft"), "GET", query, ""), http.StatusBadRequest, "")
	}
}

// TestDefinitionsThatAreNotStoredAreForAll: who may not search for CodeSystems and
// ValueSets has those that are not stored, and is told where it would take one
// that is.
func TestDefinitionsThatAreNotStoredAreForAll(t *testing.T) {
	w := newWorld(t)
	none, some := w.as("patient p1", "patient/Observation.rs"), w.as("patient p1", "patient/Observation.rs patient/ValueSet.rs")
	for _, c := range []*caller{none, some} {
		expect(t, c.name, w.ask(c, "GET", "Observation?status:in=http://hl7.org/fhir/ValueSet/observation-status", ""), http.StatusOK, `"total":3`)
		expect(t, c.name, w.ask(c, "GET", "Observation?status:not-in=http://hl7.org/fhir/ValueSet/observation-status", ""), http.StatusOK, `"total":0`)
	}
	w.tell(`{"resourceType":"ValueSet","id":"vs","url":"http://e.org/vs","status":"active","compose":{"include":[{"system":"http://loinc.org","concept":[{"code":"lab"}]}]}}`)
	const in = "Observation?code:in=http://e.org/vs"
	expect(t, "a value set that may be seen", w.ask(some, "GET", in, ""), http.StatusOK, `"total":1`)
	expect(t, "a value set that may not", w.ask(none, "GET", in, ""), http.StatusForbidden, "ValueSet")
	w.tell(`{"resourceType":"CodeSystem","id":"cs","url":"http://loinc.org","status":"active","content":"complete","concept":[{"code":"lab"}]}`)
	expect(t, "its code system that may not", w.ask(some, "GET", in, ""), http.StatusForbidden, "CodeSystem")
	expect(t, "both may", w.ask(w.as("patient p1", "patient/Observation.rs patient/ValueSet.rs patient/CodeSystem.rs"), "GET", in, ""), http.StatusOK, `"total":1`)
	expect(t, "what is nowhere", w.ask(none, "GET", "Observation?code:in=http://e.org/nowhere", ""), http.StatusBadRequest, "nowhere")
}

func TestErasureIsForThoseWhoMay(t *testing.T) {
	w := newWorld(t)
	all := w.as("system", "system/*.cruds")
	lab := w.as("system", "system/Observation.cruds?category=laboratory")
	admin := w.as("user Practitioner/d1", "user/*.cruds", authz.RoleAdmin)
	for _, c := range []*caller{w.as("patient p1", "patient/*.cruds"), w.as("user Practitioner/d1", "user/*.cruds "), w.as("system", "system/*.cru")} {
		for _, path := range []string{"Observation/lab-p1/$erase", "Patient/p1/$purge", "Observation/$expunge?code=lab", "Observation/to-p1/_history/1/$erase", "Observation/$expunge?deleted=true"} {
			expect(t, c.name+" "+path, w.ask(c, "POST", path, ""), http.StatusForbidden, "")
		}
	}
	expect(t, "not a laboratory's", w.ask(lab, "POST", "Observation/vital-p1/$erase", ""), http.StatusNotFound, "does not exist")
	lax := w.as("system", "system/*.rs system/Observation.d?category=laboratory")
	expect(t, "visible, and not to be erased", w.ask(lax, "POST", "Observation/vital-p1/$erase", ""), http.StatusForbidden, "may not erase")
	w.tell(encode(with(w.current("Observation/lab-p2"), "category", nil)))
	w.tell(encode(with(w.current("Observation/lab-p2"), "category", w.current("Observation/lab-p1")["category"])))
	expect(t, "a version that may not be erased", w.ask(lax, "POST", "Observation/lab-p2/_history/2/$erase", ""), http.StatusForbidden, "may not erase")
	expect(t, "a whole with such a version", w.ask(lax, "POST", "Observation/lab-p2/$erase", ""), http.StatusForbidden, "may not erase")
	expect(t, "by criteria", w.ask(lax, "POST", "Observation/$expunge?subject=Patient/p1,Patient/p2&dryRun=true", ""), http.StatusOK, `"valueInteger":3`)
	expect(t, "a patient", w.ask(lax, "POST", "Patient/p1/$purge", ""), http.StatusForbidden, "")
	most := w.as("system", "system/*.rs system/Patient.d system/Observation.d")
	expect(t, "a patient but for some types", w.ask(most, "POST", "Patient/p1/$purge?dryRun=true", ""), http.StatusForbidden, "")
	w.tell(`{"resourceType":"Patient","id":"p3"}`)
	expect(t, "a patient with nothing of the types that are left", w.ask(most, "POST", "Patient/p3/$purge?dryRun=true", ""), http.StatusForbidden, "erase on")
	role := w.as("system", "system/*.cruds", "most")
	expect(t, "a patient but for some observations", w.ask(role, "POST", "Patient/p3/$purge?dryRun=true", ""), http.StatusForbidden, "every Observation")
	expect(t, "by a service", w.ask(all, "POST", "Observation/lab-p1/$erase", ""), http.StatusOK, "versions")
	expect(t, "by an administrator", w.ask(admin, "POST", "Patient/p1/$purge", ""), http.StatusOK, "versions")
}

func TestProgressOfAnIndexIsForThoseWhoSeeAll(t *testing.T) {
	w := newWorld(t)
	expect(t, "reindex", w.ask(w.as("patient p1", "patient/*.cruds"), "POST", "$reindex?type=Observation", ""), http.StatusForbidden, "")
	expect(t, "reindex by some", w.ask(w.as("system", "system/SearchParameter.cruds?status=active"), "POST", "$reindex?type=Observation", ""), http.StatusForbidden, "")
	expect(t, "reindex by all", w.ask(w.as("system", "system/*.cruds"), "POST", "$reindex?type=Observation", ""), http.StatusAccepted, "")
	if err := w.ds.WaitIndexed(ctx); err != nil {
		t.Fatal(err)
	}
	total := func(c *caller) int {
		t.Helper()
		states, err := w.ds.ParamStates(c.access)
		if err != nil || len(states) == 0 {
			t.Fatal(states, err)
		}
		return states[0].Total
	}
	if n := total(w.as("system", "system/*.rs")); n == 0 {
		t.Error("a service is not told how much there is")
	}
	if n := total(w.as("patient p1", "patient/*.rs")); n != 0 {
		t.Errorf("a patient is told that there are %d versions", n)
	}
	expect(t, "states to some", w.ask(w.as("system", "system/SearchParameter.rs?status=active"), "GET", "$reindex-status", ""), http.StatusForbidden, "")
}

// TestHiddenAndMissingLookTheSame compares answers byte by byte.
func TestHiddenAndMissingLookTheSame(t *testing.T) {
	w := newWorld(t)
	c := w.as("patient p1", "patient/*.cruds")
	for _, path := range []string{"Observation/%s", "Observation/%s/_history", "Observation/%s/_history/1", "Observation/%s/_history/2", "Observation/%s/$meta", "Observation/%s/$diff", "Observation/%s/$validate", "Observation/%s?_elements=status"} {
		for _, method := range []string{"GET", "HEAD"} {
			missing := w.ask(c, method, fmt.Sprintf(path, "never"), "")
			for _, id := range []string{"lab-p2", "gone-p2", "to-p2", "nobody"} {
				a := w.ask(c, method, fmt.Sprintf(path, id), "")
				ownVersion := id == "to-p2" && (strings.HasSuffix(path, "_history") || strings.HasSuffix(path, "/1"))
				if same := a.status == missing.status && string(a.body) == strings.ReplaceAll(string(missing.body), "never", id); same == ownVersion {
					t.Errorf("%s %s: %d %s, of what is missing %d %s", method, fmt.Sprintf(path, id), a.status, a.body, missing.status, missing.body)
				}
			}
		}
	}
	for _, op := range []string{"$meta-add", "$meta-delete"} {
		body := `{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"x"}]}}]}`
		a, b := w.ask(c, "POST", "Observation/lab-p2/"+op, body), w.ask(c, "POST", "Observation/never/"+op, body)
		if a.status != b.status || string(a.body) != strings.ReplaceAll(string(b.body), "never", "lab-p2") {
			t.Errorf("%s: %s and %s", op, a.body, b.body)
		}
	}
}

// TestPlansThatNobodyThoughtOf are refused.
func TestPlansThatNobodyThoughtOf(t *testing.T) {
	w := newWorld(t)
	view, err := w.ds.View(ctx, w.as("patient p1", "patient/*.rs").access, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	type unknown struct{ search.Terms }
	_, err = view.Search(ctx, &search.Query{Plan: search.Plan{Parts: []search.Part{{Type: "Observation", Where: unknown{}}}}}, store.Page{Limit: 1})
	if fhir.KindOf(err) != fhir.KindInternal {
		t.Errorf("an unknown condition: %v", err)
	}
}

func TestBinaryFollowsItsSecurityContext(t *testing.T) {
	w := newWorld(t)
	w.tell(`{"resourceType":"Binary","id":"nested","contentType":"text/plain","securityContext":{"reference":"Binary/b-p1"},"data":"c2VjcmV0"}`)
	w.tell(`{"resourceType":"Binary","id":"dangling","contentType":"text/plain","securityContext":{"reference":"Observation/gone-p1"},"data":"c2VjcmV0"}`)
	c := w.as("patient p1", "patient/*.cruds")
	expect(t, "one's own", w.ask(c, "GET", "Binary/b-p1", ""), http.StatusOK, "c2VjcmV0")
	for _, id := range []string{"b-p2", "b-none", "nested", "dangling"} {
		expect(t, id, w.ask(c, "GET", "Binary/"+id, ""), http.StatusNotFound, "")
	}
	expect(t, "search", w.ask(c, "GET", "Binary?_id=b-p1", ""), http.StatusForbidden, "securityContext")
	expect(t, "search of several types", w.ask(c, "GET", "?_type=Observation,Binary", ""), http.StatusOK, "left out: Binary, which this caller may not search for")
	expect(t, "count of several types", w.ask(c, "GET", "?_type=Observation,Binary,Patient&_summary=count", ""), http.StatusOK, "left out: Binary")
	expect(t, "take over", w.ask(c, "PUT", "Binary/b-p2", `{"resourceType":"Binary","id":"b-p2","contentType":"text/plain","securityContext":{"reference":"Patient/p1"}}`), http.StatusForbidden, "choose the ids")
	expect(t, "give away", w.ask(c, "PUT", "Binary/b-p1", `{"resourceType":"Binary","id":"b-p1","contentType":"text/plain","securityContext":{"reference":"Patient/p2"}}`), http.StatusForbidden, "")
	auditor := w.as("user Practitioner/d1", "user/*.cruds", authz.RoleAuditor)
	expect(t, "by a role without it", w.ask(auditor, "GET", "Binary/b-p1", ""), http.StatusForbidden, "")
}

// TestEverythingSaysWhatItLeavesOut for want of a scope.
func TestEverythingSaysWhatItLeavesOut(t *testing.T) {
	w := newWorld(t)
	some := w.as("patient p1", "patient/Patient.rs patient/Observation.rs")
	expect(t, "some types", w.ask(some, "GET", "Patient/p1/$everything", ""), http.StatusOK, "resource types, which this caller may not search for")
	expect(t, "of those asked for", w.ask(some, "GET", "Patient/p1/$everything?_type=Observation,Condition", ""), http.StatusOK, "left out: Condition, which")
	expect(t, "none but those", w.ask(some, "GET", "Patient/p1/$everything?_type=Condition", ""), http.StatusForbidden, "search-type on Condition")
	if a := w.ask(w.as("patient p1", "patient/*.rs"), "GET", "Patient/p1/$everything", ""); strings.Contains(string(a.body), "left out") {
		t.Errorf("everything leaves out: %s", a.body)
	}
}
