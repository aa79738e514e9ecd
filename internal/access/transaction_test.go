package access

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
)

// transaction is a Bundle of entries "METHOD url resource".
func transaction(entries ...string) string {
	var list []string
	for n, e := range entries {
		parts := strings.SplitN(e, " ", 3)
		resource, full := "", ""
		if len(parts) == 3 {
			resource = `"resource":` + parts[2] + `,`
			full = `"fullUrl":"urn:uuid:0000000` + string(rune('0'+n)) + `-0000-4000-8000-000000000000",`
		}
		list = append(list, `{`+full+resource+`"request":{"method":"`+parts[0]+`","url":"`+parts[1]+`"}}`)
	}
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(list, ",") + `]}`
}

const (
	first    = `{"reference":"urn:uuid:00000000-0000-4000-8000-000000000000"}`
	second   = `{"reference":"urn:uuid:00000001-0000-4000-8000-000000000000"}`
	ofFirst  = `POST Observation {"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":` + first + `}`
	ofSecond = `POST Observation {"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":` + second + `}`
	ofP2     = `POST Observation {"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p2"}}`
	ownTeam  = `POST CareTeam {"resourceType":"CareTeam","status":"active","subject":{"reference":"Patient/p2"},"participant":[{"member":{"reference":"Practitioner/d1"}}]}`
	own      = `POST Patient {"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner/d1"}]}`
)

// TestRightsFromTheSameTransaction: an entry may be allowed by another one that
// is allowed itself, in any order, and by none that is not.
func TestRightsFromTheSameTransaction(t *testing.T) {
	for name, c := range map[string]struct {
		who, scopes string
		entries     []string
		status      int
	}{
		"a patient and what is about them":   {"user Practitioner/d1", "user/*.cruds", []string{own, ofFirst}, 200},
		"in the other order":                 {"user Practitioner/d1", "user/*.cruds", []string{ofSecond, own}, 200},
		"with a team":                        {"user Practitioner/d1", "user/*.cruds", []string{own, `POST CareTeam {"resourceType":"CareTeam","status":"active","subject":` + first + `}`, `POST Encounter {"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":` + first + `}`}, 200},
		"a patient of nobody":                {"user Practitioner/d1", "user/*.cruds", []string{`POST Patient {"resourceType":"Patient"}`, ofFirst}, 403},
		"a patient of somebody else":         {"user Practitioner/d1", "user/*.cruds", []string{`POST Patient {"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner/d2"}]}`, ofFirst}, 403},
		"no team for oneself":                {"user Practitioner/d1", "user/*.cruds", []string{ownTeam}, 403},
		"no team for oneself by what it is":  {"user Practitioner/d1", "user/*.cruds", []string{ownTeam, ofP2}, 403},
		"nor by two of them":                 {"user Practitioner/d1", "user/*.cruds", []string{ownTeam, ownTeam, ofP2}, 403},
		"nor beside what is allowed":         {"user Practitioner/d1", "user/*.cruds", []string{own, ownTeam, ofP2}, 403},
		"nor by taking a patient over":       {"user Practitioner/d1", "user/*.cruds", []string{`PUT Patient/p2 {"resourceType":"Patient","id":"p2","generalPractitioner":[{"reference":"Practitioner/d1"}]}`, ofP2}, 403},
		"the team of a patient that is left": {"user Practitioner/d2", "user/*.cruds", []string{"DELETE CareTeam/ct-p2", ofP2}, 403},
		"a document and its bytes":           {"patient p1", "patient/*.cruds", []string{`POST DocumentReference {"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p1"},"content":[{"attachment":{"title":"x"}}]}`, `POST Binary {"resourceType":"Binary","contentType":"text/plain","securityContext":` + first + `}`}, 200},
		"another's document and its bytes":   {"patient p1", "patient/*.cruds", []string{`POST DocumentReference {"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/p2"},"content":[{"attachment":{"title":"x"}}]}`, `POST Binary {"resourceType":"Binary","contentType":"text/plain","securityContext":` + first + `}`}, 403},
		"bytes of what is deleted":           {"patient p1", "patient/*.cruds", []string{"DELETE Condition/c-p1", `POST Binary {"resourceType":"Binary","contentType":"text/plain","securityContext":{"reference":"Condition/c-p1"}}`}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.ask(w.callers[0], "GET", "?_summary=count&_type=Patient,Observation,CareTeam,Binary,DocumentReference,Condition", "")
			a := w.ask(w.as(c.who, c.scopes), "POST", "", transaction(c.entries...))
			expect(t, name, a, c.status, "")
			after := w.ask(w.callers[0], "GET", "?_summary=count&_type=Patient,Observation,CareTeam,Binary,DocumentReference,Condition", "")
			_, was := entries(t, before, "")
			_, is := entries(t, after, "")
			if changed := was != is; changed != (c.status == http.StatusOK) {
				t.Errorf("%d resources became %d", was, is)
			}
		})
	}
}

// TestIDsOfOnesChoice: where the policy lets them, callers make resources under
// free ids, of what they may write.
func TestIDsOfOnesChoice(t *testing.T) {
	w := newWorld(t)
	c := &caller{scopes: "patient/*.cruds", patient: "p1"}
	w.decide(t, []*caller{c}, authz.Policy{Base: base, ChooseIDs: true})
	w.callers = append(w.callers, c)
	of := func(id, patient string) string {
		return encode(with(with(w.current("Observation/lab-p1"), "id", id), "subject", object{"reference": "Patient/" + patient}))
	}
	expect(t, "a free id", w.ask(c, "PUT", "Observation/free", of("free", "p1")), http.StatusCreated, "")
	expect(t, "one's own", w.ask(c, "PUT", "Observation/free", strings.Replace(of("free", "p1"), "final", "amended", 1)), http.StatusOK, "")
	expect(t, "of another", w.ask(c, "PUT", "Observation/free2", of("free2", "p2")), http.StatusForbidden, "not among the resources that the caller may write")
	expect(t, "of another's", w.ask(c, "PUT", "Observation/lab-p2", of("lab-p2", "p1")), http.StatusForbidden, "not among the resources")
	expect(t, "of what another deleted", w.ask(c, "PUT", "Observation/gone-p2", of("gone-p2", "p1")), http.StatusForbidden, "not among the resources")
	expect(t, "by criteria", w.ask(c, "PUT", "Observation?identifier=unknown", of("free3", "p1")), http.StatusCreated, "")
}
