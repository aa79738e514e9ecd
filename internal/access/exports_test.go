package access

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
)

// exported begins an export, runs it, and returns its manifest.
func (w *world) exported(c *caller, path string) answer {
	w.t.Helper()
	a := w.ask(c, "GET", path, "", "Prefer", "respond-async")
	expect(w.t.(*testing.T), "asking for "+path, a, http.StatusAccepted, "")
	w.run(w.bulk.RunNextExport)
	return w.ask(c, "GET", a.header.Get("Content-Location"), "")
}

func transactionTime(a answer) string {
	_, rest, _ := strings.Cut(string(a.body), `"transactionTime":"`)
	text, _, _ := strings.Cut(rest, `"`)
	return text
}

// TestExportsDoNotTellWhenOthersWrote: the time of the data is that of what the
// caller sees.
func TestExportsDoNotTellWhenOthersWrote(t *testing.T) {
	w := pin(t, tale(false), hiddenLine)
	all, one, nobody := w.as("system", "system/*.rs"), w.as("patient p1", "patient/*.rs"), w.as("patient never", "patient/Observation.rs")
	before := [...]string{transactionTime(w.exported(all, "$export")), transactionTime(w.exported(one, "Patient/$export")), transactionTime(w.exported(nobody, "$export"))}
	w.tell(last)
	after := [...]string{transactionTime(w.exported(all, "$export")), transactionTime(w.exported(one, "Patient/$export")), transactionTime(w.exported(nobody, "$export"))}
	if before[0] >= after[0] {
		t.Errorf("who sees all is told %s, then %s", before[0], after[0])
	}
	if before[1] != after[1] || before[2] != after[2] || before[1] == "" || before[2] == "" {
		t.Errorf("others are told %s, then %s", before[1:], after[1:])
	}
	w.tell(`{"resourceType":"Observation","id":"own","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}`)
	if now := transactionTime(w.exported(one, "Patient/$export")); now <= after[1] {
		t.Errorf("after something of its own it is %s, was %s", now, after[1])
	}
}

// TestExportsThatCannotBeAreRefusedAtOnce: filters that lead to what the caller may
// not search for are told when the export is asked for.
func TestExportsThatCannotBeAreRefusedAtOnce(t *testing.T) {
	w := pin(t, story(), hiddenLine)
	c := w.as("patient p1", "patient/Observation.rs")
	a := w.ask(c, "GET", "Patient/$export?_typeFilter=Observation%3Fsubject%3APatient.given%3DNamep2", "", "Prefer", "respond-async")
	expect(t, "a chain through patients", a, http.StatusForbidden, "Patient")
}

// TestFilesOfABrokenGlass are for whom breaks the glass when fetching them too.
func TestFilesOfABrokenGlass(t *testing.T) {
	w := pin(t, append(story(), consentOf("all", "p2", denyAll)), hiddenLine)
	policy := authz.Policy{
		Base: base, Practitioners: authz.Relations{All: true}, Roles: map[string]authz.Role{"emergency": {Rules: []authz.Rule{{}}}},
		Consent: authz.ConsentPolicy{Default: authz.Permit, BreakGlass: []string{"emergency"}},
	}
	as := func(name, purpose string) *caller {
		c := &caller{name: name}
		scopes, _ := authz.ParseScopes("user/*.rs", w.ds.Registry())
		var err error
		if c.access, err = authz.Decide(w.ds.Registry(), authz.Caller{Subject: "roe", FHIRUser: "Practitioner/d1", Scopes: scopes, Roles: []string{"emergency"}, Purpose: purpose}, policy); err != nil {
			t.Fatal(err)
		}
		w.callers = append(w.callers, c)
		return c
	}
	glass, plain := as("glass", authz.PurposeBreakGlass), as("plain", "")
	manifest := w.exported(glass, "Patient/$export?_type=Observation")
	files := at(decode(t, manifest.body)["output"], "url")
	if len(files) == 0 {
		t.Fatalf("nothing is exported: %s", manifest.body)
	}
	expect(t, "breaking the glass", w.ask(glass, "GET", files[0], ""), http.StatusOK, secret("p2"))
	expect(t, "without", w.ask(plain, "GET", files[0], ""), http.StatusForbidden, "less than the one")
}
