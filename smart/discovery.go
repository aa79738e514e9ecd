package smart

import (
	"encoding/json"
	"net/http"
	"strings"
)

// capabilities are those of SMART App Launch that are there.
// http://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#capabilities
var capabilities = []string{
	"launch-ehr", "launch-standalone", "authorize-post",
	"client-public", "client-confidential-symmetric", "client-confidential-asymmetric",
	"sso-openid-connect",
	"context-banner", "context-style", "context-ehr-patient", "context-ehr-encounter",
	"context-standalone-patient", "context-standalone-encounter",
	"permission-offline", "permission-online", "permission-patient", "permission-user",
	"permission-v1", "permission-v2",
}

// offeredScopes are examples of every kind of scope; each can be granted.
var offeredScopes = []string{
	"openid", "fhirUser", "profile", "email", "launch", "launch/patient", "launch/encounter",
	"offline_access", "online_access",
	"patient/*.cruds", "patient/*.rs", "user/*.cruds", "user/*.rs", "system/*.cruds", "system/*.rs",
	"patient/*.*", "patient/*.read", "patient/*.write", "user/*.*", "user/*.read", "user/*.write",
	"system/*.*", "system/*.read", "system/*.write",
}

// shared by all metadata documents.
func (s *Service) metadata() map[string]any {
	m := map[string]any{
		"issuer":                                           s.issuer,
		"jwks_uri":                                         s.issuer + "/jwks",
		"authorization_endpoint":                           s.issuer + "/authorize",
		"token_endpoint":                                   s.issuer + "/token",
		"introspection_endpoint":                           s.issuer + "/introspect",
		"revocation_endpoint":                              s.issuer + "/revoke",
		"grant_types_supported":                            []string{grantCode, grantRefresh, grantClient},
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{"query"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"token_endpoint_auth_methods_supported":            []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"},
		"scopes_supported":                                 offeredScopes,
	}
	if s.cfg.Registration.Mode != RegistrationOff {
		m["registration_endpoint"] = s.issuer + "/register"
	}
	return m
}

// Discovery is the smart-configuration of a data store. The second result is
// false where there is no such data store.
// http://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known
func (s *Service) Discovery(storeID string) ([]byte, bool) {
	if _, err := s.cfg.Stores.Store(storeID); err != nil {
		return nil, false
	}
	m := s.metadata()
	m["capabilities"] = capabilities
	m["management_endpoint"] = s.issuer + "/apps"
	if b := s.cfg.Brands; b.Bundle != "" {
		m["user_access_brand_bundle"] = b.Bundle
		if b.IdentifierValue != "" {
			m["user_access_brand_identifier"] = map[string]string{"system": b.IdentifierSystem, "value": b.IdentifierValue}
		}
	}
	return encode(m), true
}

// ServeDiscovery answers a request for the smart-configuration of a data store,
// to anybody, whatever it accepts.
func (s *Service) ServeDiscovery(w http.ResponseWriter, r *http.Request, storeID string) {
	public(func(w http.ResponseWriter, r *http.Request) {
		doc, ok := s.Discovery(storeID)
		if !ok {
			http.Error(w, "there is no such data store", http.StatusNotFound)
			return
		}
		answerDocument(w, "public, max-age=300", doc)
	})(w, r)
}

// OAuthURIs are the endpoints for the oauth-uris extension of a
// CapabilityStatement: authorize, token, introspect, revoke, manage and, where
// it is offered, register.
// http://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html
func (s *Service) OAuthURIs() map[string]string {
	uris := map[string]string{
		"authorize": s.issuer + "/authorize", "token": s.issuer + "/token",
		"introspect": s.issuer + "/introspect", "revoke": s.issuer + "/revoke", "manage": s.issuer + "/apps",
	}
	if s.cfg.Registration.Mode != RegistrationOff {
		uris["register"] = s.issuer + "/register"
	}
	return uris
}

// serverMetadata is the metadata of RFC 8414.
func (s *Service) serverMetadata(w http.ResponseWriter, _ *http.Request) {
	m := s.metadata()
	s.addEndpoints(m)
	answerDocument(w, "public, max-age=300", encode(m))
}

// addEndpoints adds what OAuth clients look for and SMART does not define.
func (s *Service) addEndpoints(m map[string]any) {
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	m["introspection_endpoint_auth_methods_supported"] = methods
	m["revocation_endpoint_auth_methods_supported"] = append(methods, "none")
	m["pushed_authorization_request_endpoint"] = s.issuer + "/par"
	m["require_pushed_authorization_requests"] = false
	m["authorization_response_iss_parameter_supported"] = true
	m["dpop_signing_alg_values_supported"] = []string{"ES256", "ES384", "RS256", "RS384"}
	m["userinfo_endpoint"] = s.issuer + "/userinfo"
	m["end_session_endpoint"] = s.issuer + "/logout"
	m["ui_locales_supported"] = []string{"en", "es"}
}

// openIDMetadata is OpenID Connect Discovery 1.0 section 3.
func (s *Service) openIDMetadata(w http.ResponseWriter, _ *http.Request) {
	m := s.metadata()
	s.addEndpoints(m)
	m["subject_types_supported"] = []string{"public"}
	m["id_token_signing_alg_values_supported"] = []string{"RS256"}
	m["claims_supported"] = strings.Fields("iss sub aud exp iat auth_time nonce at_hash sid fhirUser profile name preferred_username email")
	m["prompt_values_supported"] = []string{"none", "login", "consent", "select_account"}
	m["claims_parameter_supported"] = false
	m["request_parameter_supported"] = false
	m["request_uri_parameter_supported"] = false
	answerDocument(w, "public, max-age=300", encode(m))
}

// jwks is the public key set.
func (s *Service) jwks(w http.ResponseWriter, r *http.Request) {
	set, err := s.keys.JWKS(r.Context())
	if err != nil {
		s.answerError(w, r, err)
		return
	}
	answerDocument(w, "public, max-age=300", set)
}

func encode(m map[string]any) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic("smart: " + err.Error()) // strings and lists of them only
	}
	return b
}

// answerDocument writes a JSON document that caches may keep.
func answerDocument(w http.ResponseWriter, cache string, doc []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", cache)
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(doc)
}
