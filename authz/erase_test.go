package authz_test

import (
	"testing"

	"github.com/tarnhealth/tarn/authz"
)

// TestErasureIsPrivileged: erasing takes more than the scope for deleting.
func TestErasureIsPrivileged(t *testing.T) {
	for _, c := range []struct {
		scope string
		roles []string
		want  bool
	}{
		{"system/*.cruds", nil, true},
		{"system/Patient.d", nil, true},
		{"system/Patient.crus", nil, false},
		{"system/Observation.d", nil, false},
		{"user/*.cruds", nil, false},
		{"user/*.cruds", []string{authz.RolePractitioner}, false},
		{"user/*.cruds", []string{authz.RoleAdmin}, true},
		{"patient/*.cruds", nil, false},
	} {
		access := decide(t, authz.Caller{Subject: "s", Scopes: parse(t, c.scope), Patient: "p1", FHIRUser: "Practitioner/d1", Roles: c.roles}, authz.Policy{ScopesOnly: true})
		if err := access.Check(authz.Erase, "Patient"); (err == nil) != c.want {
			t.Errorf("%s %v: %v, want %t", c.scope, c.roles, err, c.want)
		}
		if err := access.Check(authz.Erase, "AuditEvent"); err == nil {
			t.Errorf("%s %v may erase the audit log", c.scope, c.roles)
		}
		if access.Caller().Subject != "s" {
			t.Errorf("the caller is %+v", access.Caller())
		}
	}
}
