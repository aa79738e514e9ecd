package bearer_test

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/token"
)

func TestPurposeOfUse(t *testing.T) {
	consents := authz.ConsentPolicy{Default: authz.Permit, BreakGlass: []string{"emergency"}, Declare: []string{"TREAT"}}
	for name, c := range map[string]struct {
		policy  authz.ConsentPolicy
		claims  map[string]any
		roles   []string
		headers []string
		want    string // the purpose, or what the error says
		kind    fhir.Kind
	}{
		"none":                  {policy: consents},
		"of the token":          {policy: consents, claims: map[string]any{"purpose_of_use": "HPAYMT"}, want: "HPAYMT"},
		"of the token, coded":   {policy: consents, claims: map[string]any{"purpose_of_use": []any{map[string]any{"system": "http://x", "code": "HPAYMT"}}}, want: "HPAYMT"},
		"of IHE IUA":            {policy: consents, claims: map[string]any{"extensions": map[string]any{"ihe_iua": map[string]any{"purpose_of_use": []any{map[string]any{"code": "HRESCH"}}}}}, want: "HRESCH"},
		"of UDAP":               {policy: consents, claims: map[string]any{"extensions": map[string]any{"hl7-b2b": map[string]any{"purpose_of_use": []any{"urn:oid:2.16.840.1.113883.5.8#TREAT"}}}}, want: "TREAT"},
		"of several, none":      {policy: consents, claims: map[string]any{"purpose_of_use": "HPAYMT HRESCH"}},
		"of several, one":       {policy: consents, claims: map[string]any{"purpose_of_use": "HPAYMT HRESCH"}, headers: []string{"HRESCH"}, want: "HRESCH"},
		"declared":              {policy: consents, headers: []string{"http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT"}, want: "TREAT"},
		"not to be declared":    {policy: consents, headers: []string{"HRESCH"}, want: "may not declare", kind: fhir.KindForbidden},
		"for the record":        {headers: []string{"HRESCH"}, want: "HRESCH"},
		"two":                   {policy: consents, headers: []string{"TREAT", "BTG"}, want: "2 X-Purpose-Of-Use headers", kind: fhir.KindInvalid},
		"nonsense":              {policy: consents, headers: []string{"break glass"}, want: "code of v3-PurposeOfUse", kind: fhir.KindInvalid},
		"the glass":             {policy: consents, roles: []string{"emergency"}, headers: []string{"BTG"}, want: "BTG"},
		"the glass of others":   {policy: consents, headers: []string{"BTG"}, want: "may not break the glass", kind: fhir.KindForbidden},
		"the glass by a token":  {policy: consents, claims: map[string]any{"purpose_of_use": "BTG"}, want: "may not break the glass", kind: fhir.KindForbidden},
		"the glass, not needed": {headers: []string{"BTG"}, want: "BTG"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.policy.Store(&authz.Policy{Consent: c.policy, Roles: map[string]authz.Role{"emergency": {Rules: []authz.Rule{{}}}}})
			r := request("Bearer " + w.mint(t, func(claims *token.Claims) { claims.Extra, claims.Roles = c.claims, c.roles }))
			for _, h := range c.headers {
				r.Header.Add("X-Purpose-Of-Use", h)
			}
			access, err := w.Authorize(r, w.ds)
			if c.kind != 0 {
				if err == nil || fhir.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			if err != nil || access.Caller().Purpose != c.want {
				t.Errorf("%q, %v, want %q", access.Caller().Purpose, err, c.want)
			}
		})
	}
}

// TestPurposesAreApart: what was remembered for one purpose is not for another.
func TestPurposesAreApart(t *testing.T) {
	w := newWorld(t)
	w.policy.Store(&authz.Policy{Consent: authz.ConsentPolicy{Default: authz.Permit, BreakGlass: []string{"emergency"}}, Roles: map[string]authz.Role{"emergency": {Rules: []authz.Rule{{}}}}})
	raw := w.mint(t, func(claims *token.Claims) { claims.Roles = []string{"emergency"} })
	for _, purpose := range []string{"", "BTG", "", "BTG"} {
		r := request("Bearer " + raw)
		if purpose != "" {
			r.Header.Set("X-Purpose-Of-Use", purpose)
		}
		if access := must(w.Authorize(r, w.ds)); access.BreaksGlass() != (purpose == "BTG") {
			t.Errorf("purpose %q: %v", purpose, access.BreaksGlass())
		}
	}
}

func TestClearanceOfTheToken(t *testing.T) {
	w := newWorld(t)
	raw := w.mint(t, func(claims *token.Claims) {
		claims.Extra = map[string]any{"clearance": "R", "security_labels": []any{"http://x|PSY"}}
	})
	c := must(w.Authorize(request("Bearer "+raw), w.ds)).Caller()
	if c.Clearance != "R" || len(c.Labels) != 1 || c.Labels[0] != "http://x|PSY" {
		t.Errorf("%q %q", c.Clearance, c.Labels)
	}
}
