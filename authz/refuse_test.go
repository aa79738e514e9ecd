package authz_test

import (
	"errors"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

func TestRefusalsCarryTheChallenge(t *testing.T) {
	patient := decide(t, authz.Caller{Scopes: parse(t, "patient/Observation.rs patient/Group.rs"), Patient: "p1"}, authz.Policy{})
	for _, c := range []struct {
		interaction authz.Interaction
		on, want    string
	}{
		{authz.Create, "Observation", `Bearer error="insufficient_scope", error_description="the scopes of the token do not allow create on Observation", scope="patient/Observation.c"`},
		{authz.HistoryOfAll, "", ""},
		{authz.Delete, "", `Bearer error="insufficient_scope", error_description="the scopes of the token do not allow delete on any type", scope="patient/*.d"`},
		{authz.SearchType, "Group", `Bearer error="insufficient_scope", error_description="this caller may not use search-type on Group"`},
		{"dance", "Patient", `Bearer error="insufficient_scope", error_description="the scopes of the token do not allow dance on Patient"`},
	} {
		err := patient.Check(c.interaction, c.on)
		var e *fhir.Error
		switch {
		case c.want == "":
			if err != nil {
				t.Errorf("%s on %q: %v", c.interaction, c.on, err)
			}
		case !errors.As(err, &e) || e.Kind != fhir.KindForbidden || len(e.Headers) != 1 || e.Headers[0] != (fhir.Header{Name: "WWW-Authenticate", Value: c.want}):
			t.Errorf("%s on %q: %+v", c.interaction, c.on, e)
		}
	}
	if err := (authz.Access{}).Check(authz.Read, "Patient"); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("the zero Access: %v", err)
	}
}

type hidesNothing struct{}

func (hidesNothing) Hidden(authz.Interaction, string) search.Node { return nil }

func TestIdentity(t *testing.T) {
	one := authz.Caller{Issuer: "i", Subject: "s", Client: "c", Patient: "p"}
	same := one
	same.Scopes, same.Roles = parse(t, "patient/*.rs"), []string{"admin"}
	if one.Identity() != same.Identity() || len(one.Identity()) != 32 {
		t.Errorf("%q and %q", one.Identity(), same.Identity())
	}
	seen := map[string]bool{one.Identity(): true, authz.Caller{}.Identity(): true}
	for _, other := range []authz.Caller{{Issuer: "i", Subject: "s", Client: "c"}, {Issuer: "is", Client: "c", Patient: "p"}, {Issuer: "i", Subject: "s", Client: "cp"}, {Issuer: "i", Subject: "s", Client: "c", Patient: "p", Tenant: "t"}} {
		if seen[other.Identity()] {
			t.Errorf("%+v is taken for another", other)
		}
		seen[other.Identity()] = true
	}
	if (authz.Caller{}).Identity() != "" || authz.Unrestricted().Identity() != "" || (authz.Access{}).Identity() != "" {
		t.Error("nobody has an identity")
	}
	access := decide(t, same, authz.Policy{})
	if hidden := access.Within(hidesNothing{}); access.Identity() != one.Identity() || hidden.Identity() != one.Identity() {
		t.Errorf("what was decided for %s is that of %q, and restricted of %q", one.Identity(), access.Identity(), hidden.Identity())
	}
}

func TestAll(t *testing.T) {
	for _, c := range []struct {
		scopes, patient, user string
		roles                 []string
		policy                authz.Policy
		want                  bool
	}{
		{scopes: "system/*.rs", want: true},
		{scopes: "system/*.r"},
		{scopes: "system/*.cud"},
		{scopes: "system/Patient.rs"},
		{scopes: "system/*.rs", roles: []string{"auditor"}},
		{scopes: "patient/*.rs", patient: "p1"},
		{scopes: "user/*.rs", user: "Practitioner/d1"},
		{scopes: "user/*.rs", user: "Practitioner/d1", policy: authz.Policy{Practitioners: authz.Relations{All: true}}, want: true},
		{scopes: "user/*.rs", policy: authz.Policy{ScopesOnly: true}, want: true},
	} {
		access := decide(t, authz.Caller{Scopes: parse(t, c.scopes), Patient: c.patient, FHIRUser: c.user, Roles: c.roles}, c.policy)
		if access.All(authz.SearchType) != c.want {
			t.Errorf("%+v: %v", c, !c.want)
		}
	}
	if !authz.Unrestricted().All(authz.SearchType) || (authz.Access{}).All(authz.SearchType) {
		t.Error("the extremes")
	}
}
