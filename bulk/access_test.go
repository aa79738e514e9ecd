package bulk_test

import (
	"net/http"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bulk"
)

// as lets callers do what scopes say.
func (c *client) as(scopes string) {
	c.Helper()
	registry := c.store.Registry()
	parsed, _ := authz.ParseScopes(scopes, registry)
	var err error
	c.access, err = authz.Decide(registry, authz.Caller{Subject: "service", Client: "service", Scopes: parsed}, authz.Policy{Base: c.store.Base()})
	if err != nil {
		c.Fatal(err)
	}
}

// TestBulkScopes: what a job could not do is refused when it is asked for, and an
// export of everything is of what the caller may search.
func TestBulkScopes(t *testing.T) {
	c := clinic(t).serve()
	ask := func(resourceType string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"input","part":[` + resourceType + `{"name":"url","valueUrl":"` + url(c.in) + `/a.ndjson"}]}]}`
	}
	const observations = `{"name":"type","valueCode":"Observation"},`
	for _, test := range []struct {
		scopes, method, path, body string
		status                     int
	}{
		{"system/Patient.rs", "GET", "$export", "", 202},
		{"system/Patient.rs", "GET", "$export?_type=Patient", "", 202},
		{"system/Patient.rs", "GET", "$export?_type=Patient,Location", "", 403},
		{"system/Patient.rs", "GET", "$export?_type=Location", "", 403},
		{"system/Patient.r", "GET", "$export", "", 403},
		{"system/*.rs", "POST", "$import", ask(""), 403},
		{"system/Patient.cruds", "POST", "$import", ask(observations), 403},
		{"system/Patient.cruds", "POST", "$import", ask(""), 202},
		{"system/Observation.u", "POST", "$import", ask(observations), 202},
	} {
		c.as(test.scopes)
		if a := c.do(test.method, test.path, test.body); a.status != test.status {
			t.Errorf("%s: %s %s: %d, want %d: %s", test.scopes, test.method, test.path, a.status, test.status, a.body)
		} else if a.status == http.StatusForbidden && a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %s: no challenge", test.scopes, test.path)
		}
	}
}

// TestClientTokensOfOthers: the token of one caller finds no job of another's.
func TestClientTokensOfOthers(t *testing.T) {
	w := newWorld(t, nil)
	ids := map[string]string{}
	for _, owner := range []string{"one", "other", "one"} {
		in := bulk.Import{Token: "t", Input: url(w.in), By: "AKIA1"}
		status, err := w.service.StartImport(t.Context(), w.store, owner, in)
		if err != nil {
			t.Fatal(err)
		}
		if before, again := ids[owner]; again && before != status.ID {
			t.Errorf("%s again: %s, was %s", owner, status.ID, before)
		}
		ids[owner] = status.ID
	}
	if ids["one"] == ids["other"] {
		t.Error("another caller's job")
	}
}
