package server

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/server/roles"
	"github.com/tarnhealth/tarn/sigv4"
)

// TestRolesWhileServing defines, changes and forgets a role while its bearer
// sends requests: each counts from the next request on.
func TestRolesWhileServing(t *testing.T) {
	r, a := awsServer(t, nil)
	ctx := context.Background()
	if _, err := a.AddAccessKey(ctx, sigv4.Key{Role: "desk"}); err == nil || !strings.Contains(err.Error(), `"desk" means nothing`) {
		t.Errorf("a role that nobody has defined: %v", err)
	}
	define := func(types ...string) {
		t.Helper()
		if _, err := a.SetRole(ctx, roles.Role{Name: "desk", Rules: []roles.Rule{{Types: types, Interactions: []authz.Interaction{authz.SearchType}}}}); err != nil {
			t.Fatal(err)
		}
	}
	define("Patient")
	s := r.signer(accessKey(t, a, "desk"))
	want := func(path string, status int) {
		t.Helper()
		if got, text, _ := s.do(http.MethodGet, signedBase+path, ""); got != status {
			t.Errorf("%s: %d, want %d: %s", path, got, status, text)
		}
	}
	want("/Patient", http.StatusOK)
	want("/Observation", http.StatusForbidden)
	define("Observation")
	want("/Observation", http.StatusOK)
	want("/Patient", http.StatusForbidden)
	if _, err := a.SetRole(ctx, roles.Role{Name: "patients", Rules: []roles.Rule{{}}}); err == nil || !strings.Contains(err.Error(), "tarn.yaml") {
		t.Errorf("a role of the configuration: %v", err)
	}
	if _, err := a.DeleteRole(ctx, "desk"); err != nil {
		t.Fatal(err)
	}
	want("/Observation", http.StatusForbidden)
}

// TestUndefinedRole does not start where the configuration trusts a role that
// nobody has defined.
func TestUndefinedRole(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Consent.Exempt = []string{"emergency"}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), `"emergency", which nobody has defined`) {
		t.Errorf("it ended with %v", err)
	}
}
