package rest_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/rest"
)

// TestBrokenGlassIsLoud: each request that lifts Consents is in the server's log
// and marked in the audit log, with its purpose; others are not.
func TestBrokenGlassIsLoud(t *testing.T) {
	m, told := &memory{}, &bytes.Buffer{}
	_, base := auditedServer(t, m, func(o *rest.Options) {
		o.Logger = slog.New(slog.NewTextHandler(told, nil))
		o.Authorize = func(r *http.Request, ds *datastore.Store) (authz.Access, error) {
			scopes, _ := authz.ParseScopes("user/*.cruds", ds.Registry())
			return authz.Decide(ds.Registry(), authz.Caller{Subject: "u", Client: "app", FHIRUser: "Practitioner/d", Scopes: scopes, Roles: []string{"emergency"}, Purpose: r.Header.Get("X-Purpose-Of-Use")}, authz.Policy{
				Practitioners: authz.Relations{All: true}, Roles: map[string]authz.Role{"emergency": {Rules: []authz.Rule{{}}}},
				Consent: authz.ConsentPolicy{Default: authz.Deny, BreakGlass: []string{"emergency"}},
			})
		}
	})
	const put = "PUT /Patient/p\nX-Purpose-Of-Use: BTG\n\n" + `{"resourceType":"Patient","id":"p"}`
	if res, body := exchange(t, base, put); res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if got := m.take(); !strings.Contains(got, "(BREAK-GLASS: Consents were lifted for this request)") {
		t.Errorf("the audit log has %s", got)
	}
	if !strings.Contains(told.String(), "break-glass") || strings.Contains(told.String(), "Patient/p") {
		t.Errorf("the log has %s", told)
	}
	told.Reset()
	if res, _ := exchange(t, base, "GET /Patient/p"); res.StatusCode != http.StatusNotFound {
		t.Errorf("without the purpose: %d", res.StatusCode)
	}
	if got := m.take() + told.String(); strings.Contains(got, "lifted") {
		t.Errorf("a common request is told as %s", got)
	}
	bundle := "POST /\nX-Purpose-Of-Use: BTG\n\n" + `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/p"}}]}`
	if res, body := exchange(t, base, bundle); res.StatusCode != http.StatusOK || !strings.Contains(body, `"id":"p"`) {
		t.Errorf("a batch: %d %s", res.StatusCode, body)
	}
	if got := m.take(); strings.Count(got, "lifted") != 2 {
		t.Errorf("a batch is told as %s", got)
	}
}
