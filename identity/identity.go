// Package identity owns how a data store is told to know its callers, in the
// words of HealthLake's IdentityProviderConfiguration: by the server's own
// authorization server, by another one, or by a token-check function.
//
// It leaves to others: verifying (token), keeping (datastore), and choosing the
// verifier (server).
package identity

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A Strategy says how the callers of a data store prove who they are, in
// HealthLake's words.
type Strategy string

// The strategies. Both forms of SMART take tokens with scopes of version 1 and 2.
const (
	StrategySMART1 Strategy = "SMART_ON_FHIR_V1"
	StrategySMART  Strategy = "SMART_ON_FHIR"
	StrategyAWS    Strategy = "AWS_AUTH"
)

// A Provider is how a data store knows its callers, as HealthLake's
// IdentityProviderConfiguration has it, and beside that which external
// authorization server issues their tokens. Without one a data store has the
// server's own authorization server, and fine-grained authorization.
//
// Of Function, and of External.Issuer and External.IntrospectionURL, there is
// at most one; with none the server's own tokens count.
type Provider struct {
	Strategy Strategy `json:"authorizationStrategy"`
	// FineGrained lets scopes of level user reach what the user may see;
	// without it the scopes alone decide.
	FineGrained bool `json:"fineGrainedAuthorizationEnabled"`
	// Metadata is the smart-configuration document of an external
	// authorization server, a JSON object.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Function is the URL of a token-check function.
	Function string `json:"function,omitempty"`
	// External is another authorization server than the server's own.
	External *ExternalIssuer `json:"external,omitempty"`
}

// An ExternalIssuer is an authorization server that is not part of Tarn.
type ExternalIssuer struct {
	// Issuer is the claim iss of its tokens, which are JWTs; JWKSURI is where
	// its keys are, "" to find it by the issuer's metadata.
	Issuer  string `json:"issuer,omitempty"`
	JWKSURI string `json:"jwksUri,omitempty"`
	// IntrospectionURL answers for its tokens (RFC 7662), asked with ClientID
	// and the secret that SecretFile holds.
	IntrospectionURL string `json:"introspectionUrl,omitempty"`
	ClientID         string `json:"clientId,omitempty"`
	SecretFile       string `json:"clientSecretFile,omitempty"`
	// Audiences are accepted beside the data store's base URL.
	Audiences []string `json:"audiences,omitempty"`
	// Claims says under which names it has claims, by Tarn's: scope, clientId,
	// fhirUser, patient, encounter, patients, tenant, roles, sessionId.
	Claims map[string]string `json:"claims,omitempty"`
}

// Own reports whether the server's own tokens count.
func (p *Provider) Own() bool {
	return p == nil || p.Function == "" && p.External == nil
}

// Check tells what is wrong with a provider, as an error of
// KindInvalid.
func (p *Provider) Check() error {
	switch {
	case p.Strategy == StrategyAWS:
		return fhir.Errorf(fhir.KindNotSupported, "the authorization strategy %s (signed requests of AWS) is not offered; use %s or %s", StrategyAWS, StrategySMART, StrategySMART1)
	case p.Strategy != StrategySMART && p.Strategy != StrategySMART1:
		return fhir.Errorf(fhir.KindInvalid, "the authorization strategy %q is not known; allowed is %s or %s", p.Strategy, StrategySMART, StrategySMART1)
	case p.Function != "" && p.External != nil:
		return fhir.Errorf(fhir.KindInvalid, "give a token-check function or an external issuer, not both")
	case p.Own() && len(p.Metadata) > 0:
		return fhir.Errorf(fhir.KindInvalid, "metadata is that of an external authorization server; without one the server's own is served")
	}
	if err := checkMetadata(p.Metadata, p.Own()); err != nil {
		return err
	}
	if p.Function != "" && !isWebURL(p.Function) {
		return fhir.Errorf(fhir.KindInvalid, "the token-check function %q is not a URL; use https, or http on a loopback address", p.Function)
	}
	if p.External != nil {
		return p.External.check()
	}
	return nil
}

func checkMetadata(raw json.RawMessage, own bool) error {
	if own {
		return nil
	}
	var metadata map[string]any
	if err := json.Unmarshal(raw, &metadata); err != nil || len(metadata) == 0 {
		return fhir.Errorf(fhir.KindInvalid, "metadata must be the smart-configuration of the external authorization server, a JSON object")
	}
	if _, ok := metadata["token_endpoint"].(string); !ok {
		return fhir.Errorf(fhir.KindInvalid, "metadata lacks token_endpoint, which apps need")
	}
	return nil
}

func (e *ExternalIssuer) check() error {
	if (e.Issuer == "") == (e.IntrospectionURL == "") {
		return fhir.Errorf(fhir.KindInvalid, "an external authorization server has an issuer, whose keys are looked up, or an introspectionUrl: give one of them")
	}
	for name, uri := range map[string]string{"issuer": e.Issuer, "jwksUri": e.JWKSURI, "introspectionUrl": e.IntrospectionURL} {
		if uri != "" && !isWebURL(uri) {
			return fhir.Errorf(fhir.KindInvalid, "%s %q is not a URL; use https, or http on a loopback address", name, uri)
		}
	}
	for name := range e.Claims {
		switch name {
		case "scope", "clientId", "fhirUser", "patient", "encounter", "patients", "tenant", "roles", "sessionId":
		default:
			return fhir.Errorf(fhir.KindInvalid, "claims names %q; there are scope, clientId, fhirUser, patient, encounter, patients, tenant, roles and sessionId", name)
		}
	}
	return nil
}

func isWebURL(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	host := u.Hostname()
	local := host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
	return u.Scheme == "https" || u.Scheme == "http" && local
}
