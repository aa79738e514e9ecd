package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/stack"
)

// upstreamIssuer is an OpenID Connect provider, as far as it says of itself what
// it is.
func upstreamIssuer(t *testing.T) string {
	t.Helper()
	var base string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": base, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token", "jwks_uri": base + "/keys"})
	}))
	t.Cleanup(server.Close)
	base = server.URL
	return base
}

// TestApplyIdentityProviders sets up whom users sign in through, and whose tokens
// a data store takes: what the file says is served at once, is not done again,
// and comes back as it was exported.
func TestApplyIdentityProviders(t *testing.T) {
	c := smartConfig(t, t.TempDir())
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	issuer := upstreamIssuer(t)
	t.Setenv("TEST_SECRET", "swordfish")
	file := func(providers, identity string) string {
		return "identityProviders: " + providers + "\ndataStores: [{id: default, name: default, identity: " + identity + "}]"
	}
	external := `{authorizationStrategy: SMART_ON_FHIR, fineGrainedAuthorizationEnabled: true, builtIn: true, issuers: [{issuer: "` + issuer + `", audiences: [tarn]}]}`
	okta := `{id: okta, name: Hospital sign-in, issuer: "` + issuer + `", clientId: tarn-at-okta, clientSecret: {env: TEST_SECRET}, createUsers: true, claims: {roles: groups, roleOf: {Doctors: practitioner}}}`
	plan, words := planned(t, a, file("["+okta+"]", external))
	if got := strings.Join(words, ", "); got != "update data store default, create identity provider okta" {
		t.Fatal(got)
	}
	carryOut(t, a, plan)
	if _, words = planned(t, a, file("["+okta+"]", external)); len(words) != 0 {
		t.Errorf("again: %v", words)
	}
	visit := r.walker()
	if page := visit.open("/login").text; !strings.Contains(page, "Continue with Hospital sign-in") {
		t.Errorf("it is not offered: %s", page)
	}
	if to := visit.open("/login/with/okta").at.String(); !strings.HasPrefix(to, issuer+"/authorize?") || !strings.Contains(to, "client_id=tarn-at-okta") {
		t.Errorf("it leads to %s", to)
	}

	exported, err := stack.Export(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	text, err := exported.YAML()
	if err != nil || strings.Contains(string(text), "swordfish") || !strings.Contains(string(text), "kept: true") || !strings.Contains(string(text), "audiences") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, words = planned(t, a, string(text)); len(words) != 0 {
		t.Errorf("what was exported: %v", words)
	}
	t.Setenv("TEST_SECRET", "swordfish-2")
	if plan, words = planned(t, a, file("["+okta+"]", external)); len(words) != 1 || words[0] != "update identity provider okta" {
		t.Fatalf("with another secret: %v", words)
	}
	carryOut(t, a, plan)
	for want, wrong := range map[string]string{
		"another id":    strings.Replace(okta, issuer, "https://other.example.org", 1),
		"no secret yet": `{id: new, issuer: "` + issuer + `", clientId: a, clientSecret: {kept: true}}`,
	} {
		f, err := stack.Read([]byte(file("["+wrong+"]", external)))
		if err == nil {
			err = f.Locate(t.TempDir())
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err = stack.Make(context.Background(), a, f, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if plan, words = planned(t, a, file("[]", "null")); strings.Join(words, ", ") != "update data store default, delete identity provider okta" {
		t.Fatalf("without them: %v", words)
	}
	carryOut(t, a, plan)
	if page := visit.open("/login").text; strings.Contains(page, "Hospital sign-in") {
		t.Error("it is still offered")
	}
	if _, words = planned(t, a, file("[]", "null")); len(words) != 0 {
		t.Errorf("again without them: %v", words)
	}
}
