package issuers

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/tarnhealth/tarn/identity"
	"github.com/tarnhealth/tarn/token"
)

// own believes every token, as the server's own authorization server would its own.
type own struct{}

func (own) Verify(context.Context, string, string) (*token.Claims, error) {
	return &token.Claims{Subject: "own"}, nil
}

const home = "https://tarn.test/auth"

// tokenOf is a JWT that says who issued it, with a signature of nobody.
func tokenOf(issuer string) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"ES384","kid":"k"}`) + "." + part(`{"iss":"`+issuer+`"}`) + "." + part("signature")
}

// TestOwnTokens: the server's own tokens count where the data store says so, and no
// other issuer goes by its name.
func TestOwnTokens(t *testing.T) {
	const other = "https://idp.example.org"
	external := func(issuer string) *identity.ExternalIssuer {
		return &identity.ExternalIssuer{Issuer: issuer, JWKSURI: issuer + "/keys"}
	}
	set := &Set{Own: own{}, OwnIssuer: home, KeySets: token.NewKeySets(token.KeySetsConfig{})}
	for name, test := range map[string]struct {
		provider *identity.Provider
		want     string // "" where the token is good
	}{
		"none":                 {nil, ""},
		"its own":              {&identity.Provider{Strategy: identity.StrategySMART}, ""},
		"others":               {&identity.Provider{Strategy: identity.StrategySMART, External: external(other)}, token.InvalidToken},
		"both":                 {&identity.Provider{Strategy: identity.StrategySMART, External: external(other), BuiltIn: true}, ""},
		"another by its name":  {&identity.Provider{Strategy: identity.StrategySMART, External: external(home)}, token.Unavailable},
		"both by the one name": {&identity.Provider{Strategy: identity.StrategySMART, External: external(home), BuiltIn: true}, token.Unavailable},
	} {
		claims, err := set.Of(test.provider).Verify(t.Context(), tokenOf(home), "")
		if test.want == "" && (err != nil || claims.Subject != "own") || test.want != "" && token.CodeOf(err) != test.want {
			t.Errorf("%s: %+v, %v", name, claims, err)
		}
		var known *token.Error
		if err != nil && !errors.As(err, &known) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
