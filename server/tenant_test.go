package server

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/smart"
)

// TestTenants binds data stores to tenants: callers and URLs of others are
// refused, whatever else they may do.
func TestTenants(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	cfg := testConfig(dir)
	cfg.Auth = AuthSMART
	r := start(t, cfg)
	admin := openTestAdmin(t, dir)
	for _, tenant := range []string{"north", "south"} {
		if _, err := admin.Create(ctx, tenant+"-data", "", &datastore.IdentityProvider{Strategy: datastore.StrategySMART, FineGrained: true, Tenant: tenant}); err != nil {
			t.Fatal(err)
		}
	}
	made, err := admin.AddClient(ctx, smart.Client{ID: "svc", Type: smart.Symmetric, Scopes: "system/*.rs", Grants: []string{"client_credentials"}, DataStores: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	base := func(tenant string) string { return r.cfg.BaseURL + "/datastore/" + tenant + "-data/r4" }
	north := r.serviceToken(made.Secret, base("north"))
	byURL := r.serviceToken(made.Secret, r.cfg.BaseURL+"/tenant/north/datastore/north-data/r4")
	for _, c := range []struct {
		token, path string
		want        int
	}{
		{north, "/datastore/north-data/r4/Patient", 200},
		{byURL, "/datastore/north-data/r4/Patient", 200},
		{north, "/tenant/north/datastore/north-data/r4/Patient", 200},
		{north, "/tenant/north/datastore//north-data/r4//Patient", 200},
		{north, "/tenant/south/datastore/north-data/r4/Patient", 403},
		{"", "/tenant/south/datastore/north-data/r4/metadata", 403},
		{"", "/tenant/south/datastore/north-data/r4/.well-known/smart-configuration", 403},
		{"", "/tenant/north/datastore/north-data/r4/.well-known/smart-configuration", 200},
		{"", "/tenant/north/datastore/north-data/r4/metadata", 200},
		{north, "/tenant/north/datastore/south-data/r4/Patient", 403},
		{north, "/tenant/north/datastore/default/r4/Patient", 403},
		{north, "/datastore/south-data/r4/Patient", 401}, // another audience
		{north, "/tenant/north/tenant/north/datastore/north-data/r4/Patient", 404},
		{north, "/tenant//datastore/north-data/r4/Patient", 404},
	} {
		if got, body := r.bearer(c.token, c.path); got != c.want {
			t.Errorf("%s: %d, want %d: %s", c.path, got, c.want, body)
		}
	}
	// The data store goes to another tenant: tokens of before are of the old one.
	if _, err := admin.SetIdentity(ctx, "north-data", &datastore.IdentityProvider{Strategy: datastore.StrategySMART, Tenant: "south"}); err != nil {
		t.Fatal(err)
	}
	if got, body := r.bearer(north, "/datastore/north-data/r4/Patient"); got != 403 || !strings.Contains(body, "tenant") {
		t.Errorf("the token of another tenant: %d %s", got, body)
	}
	if got, body := r.bearer(north, "/tenant/south/datastore/north-data/r4/Patient"); got != 403 {
		t.Errorf("the token of another tenant, by the URL of the data store's: %d %s", got, body)
	}
	fresh := r.serviceToken(made.Secret, base("north"))
	if got, body := r.bearer(fresh, "/tenant/south/datastore/north-data/r4/Patient"); got != 200 {
		t.Errorf("a new token: %d %s", got, body)
	}
}

// serviceToken is a token of the client "svc" for a data store.
func (r *running) serviceToken(secret, resource string) string {
	r.t.Helper()
	got := r.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {"svc"}, "client_secret": {secret}, "scope": {"system/*.rs"}, "resource": {resource}})
	if got.Access == "" {
		r.t.Fatalf("no token for %s: %s", resource, got.Error)
	}
	return got.Access
}

// bearer asks with a token, without one where it is "".
func (r *running) bearer(token, path string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequest("GET", "http://"+r.Addr()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	status, body, _ := r.send(req)
	return status, strings.TrimSpace(body)
}
