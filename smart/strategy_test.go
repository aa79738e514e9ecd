package smart_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/datastore"
)

// granted asks for a token of a service for the data store "other".
func (w *world) granted(scope string) (status int, answer map[string]any) {
	req := form("POST", home+"/auth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}, "resource": {home + "/datastore/other/r4"}})
	req.SetBasicAuth("svc2", w.secrets["svc2"])
	rec := w.do(nil, req)
	_ = json.Unmarshal(rec.Body.Bytes(), &answer)
	return rec.Code, answer
}

// TestStrategies is what the identity provider of a data store makes of the
// tokens and the metadata of the server.
func TestStrategies(t *testing.T) {
	w := newWorld(t)
	w.addClients(t, publicKeys(t))
	set := func(p *datastore.IdentityProvider) {
		t.Helper()
		if _, err := w.catalog.SetIdentity(ctx, "other", p); err != nil {
			t.Fatal(err)
		}
	}
	capabilities := func() []string {
		t.Helper()
		rec := w.do(nil, httptest.NewRequest("GET", home+"/datastore/other/r4/.well-known/smart-configuration", nil))
		var m struct {
			Capabilities []string `json:"capabilities"`
			Scopes       []string `json:"scopes_supported"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		return append(m.Capabilities, m.Scopes...)
	}
	if c := capabilities(); !slices.Contains(c, "permission-v2") || !slices.Contains(c, "permission-v1") || !slices.Contains(c, "system/*.rs") {
		t.Errorf("capabilities and scopes %q", c)
	}

	set(&datastore.IdentityProvider{Strategy: datastore.StrategySMART1})
	if c := capabilities(); slices.Contains(c, "permission-v2") || !slices.Contains(c, "permission-v1") || slices.Contains(c, "system/*.rs") || !slices.Contains(c, "system/*.read") {
		t.Errorf("of version 1: capabilities and scopes %q", c)
	}
	if status, answer := w.granted("system/*.rs"); status != 400 || answer["error"] != "invalid_scope" || !strings.Contains(answer["error_description"].(string), "version 1") {
		t.Errorf("a scope of version 2: %d %v", status, answer)
	}
	if status, answer := w.granted("system/Patient.read system/*.write"); status != 200 || answer["scope"] != "system/Patient.read system/*.write" {
		t.Errorf("scopes of version 1: %d %v", status, answer)
	}

	set(&datastore.IdentityProvider{Strategy: datastore.StrategySMART, Tenant: "north"})
	status, answer := w.granted("system/*.rs")
	if status != 200 {
		t.Fatalf("of a tenant: %d %v", status, answer)
	}
	if answer["tenant"] != "north" {
		t.Errorf("the answer tells the tenant %v", answer["tenant"])
	}
	if c, err := w.keys.Verify(ctx, answer["access_token"].(string), home+"/datastore/other/r4"); err != nil || c.Tenant != "north" {
		t.Errorf("the token is %+v, %v", c, err)
	}

	ask := httptest.NewRequest("POST", home+"/auth/introspect", strings.NewReader(url.Values{"token": {answer["access_token"].(string)}}.Encode()))
	ask.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	ask.Header.Set("Authorization", "Bearer "+answer["access_token"].(string))
	if rec := w.do(nil, ask); !strings.Contains(rec.Body.String(), `"tenant":"north"`) {
		t.Errorf("introspection tells %d %s", rec.Code, rec.Body)
	}

	external := &datastore.ExternalIssuer{Issuer: "https://idp.example.org"}
	metadata := json.RawMessage(`{"token_endpoint":"https://idp.example.org/token"}`)
	for _, c := range []struct {
		p    *datastore.IdentityProvider
		want int
	}{
		{&datastore.IdentityProvider{Strategy: datastore.StrategySMART, Metadata: metadata, External: external}, 400},
		{&datastore.IdentityProvider{Strategy: datastore.StrategySMART, External: external, BuiltIn: true}, 200},
		{&datastore.IdentityProvider{Strategy: datastore.StrategyAWS}, 400},
		{&datastore.IdentityProvider{Strategy: datastore.StrategySMART, Signed: true}, 200},
	} {
		set(c.p)
		if status, answer := w.granted("system/*.rs"); status != c.want || c.want == 400 && answer["error"] != "invalid_target" {
			t.Errorf("%+v: %d %v", c.p, status, answer)
		}
	}
}

// TestLaunchContexts refuses contexts that nobody would give.
func TestLaunchContexts(t *testing.T) {
	w := newWorld(t)
	w.addClients(t, publicKeys(t))
	for scope, want := range map[string]string{
		"launch/imagingstudy patient/*.rs": "error=invalid_scope",
		"launch/encounter patient/*.rs":    "/auth/continue",
	} {
		q := url.Values{
			"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {callback}, "state": {"st4te"}, "aud": {base}, "scope": {scope},
			"code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"},
		}
		rec := w.do(browser{}, httptest.NewRequest("GET", home+"/auth/authorize?"+q.Encode(), nil))
		if to := rec.Header().Get("Location"); rec.Code != 303 || !strings.Contains(to, want) {
			t.Errorf("%s: %d %s", scope, rec.Code, to)
		}
	}
}
