// Package metadata owns what the authorization server says of itself: the
// smart-configuration of data stores, the metadata of RFC 8414, and that of
// OpenID Connect.
//
// It leaves to others: serving it (smart).
package metadata

import (
	"slices"
	"strings"
)

// A Server is what the documents depend on.
type Server struct {
	Issuer string
	// Registers says that apps may register themselves.
	Registers bool
	// TLSClients says that clients may prove who they are by certificates that
	// an authority of this server's signed, SelfSigned by those of their own.
	// https://www.rfc-editor.org/rfc/rfc8705
	TLSClients, SelfSigned bool
	// Brand is the URL of the user-access brand bundle, BrandSystem and
	// BrandValue the identifier of this server's brand in it; "" for none.
	Brand, BrandSystem, BrandValue string
}

// Grants that are offered.
var grants = []string{"authorization_code", "refresh_token", "client_credentials"}

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

// about are scopes that are about no resources.
var about = []string{
	"openid", "fhirUser", "profile", "email", "launch", "launch/patient", "launch/encounter",
	"offline_access", "online_access",
}

// version1 and version2 are examples of every kind of scope; each can be
// granted.
var (
	version2 = []string{"patient/*.cruds", "patient/*.rs", "user/*.cruds", "user/*.rs", "system/*.cruds", "system/*.rs"}
	version1 = []string{
		"patient/*.*", "patient/*.read", "patient/*.write", "user/*.*", "user/*.read", "user/*.write",
		"system/*.*", "system/*.read", "system/*.write",
	}
)

// shared is in all documents.
func (s *Server) shared() map[string]any {
	m := map[string]any{
		"issuer":                                           s.Issuer,
		"jwks_uri":                                         s.Issuer + "/jwks",
		"authorization_endpoint":                           s.Issuer + "/authorize",
		"token_endpoint":                                   s.Issuer + "/token",
		"introspection_endpoint":                           s.Issuer + "/introspect",
		"revocation_endpoint":                              s.Issuer + "/revoke",
		"grant_types_supported":                            grants,
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{"query"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"token_endpoint_auth_methods_supported":            append(s.methods(), "none"),
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"},
		"scopes_supported":                                 slices.Concat(about, version2, version1),
	}
	if s.Registers {
		m["registration_endpoint"] = s.Issuer + "/register"
	}
	if s.SelfSigned {
		m["tls_client_certificate_bound_access_tokens"] = true
	}
	return m
}

// methods are the ways in which clients prove who they are.
func (s *Server) methods() []string {
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	if s.TLSClients {
		methods = append(methods, "tls_client_auth")
	}
	if s.SelfSigned {
		methods = append(methods, "self_signed_tls_client_auth")
	}
	return methods
}

// SMART is the smart-configuration of a data store; v1 for one that knows
// scopes of version 1 alone.
// http://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known
func (s *Server) SMART(v1 bool) map[string]any {
	m := s.shared()
	m["capabilities"] = capabilities
	if v1 {
		m["capabilities"] = slices.DeleteFunc(slices.Clone(capabilities), func(c string) bool { return c == "permission-v2" })
		m["scopes_supported"] = slices.Concat(about, version1)
	}
	m["management_endpoint"] = s.Issuer + "/apps"
	if s.Brand != "" {
		m["user_access_brand_bundle"] = s.Brand
		if s.BrandValue != "" {
			m["user_access_brand_identifier"] = map[string]string{"system": s.BrandSystem, "value": s.BrandValue}
		}
	}
	return m
}

// OAuth is the metadata of RFC 8414: what OAuth clients look for beside what
// SMART defines.
func (s *Server) OAuth() map[string]any {
	m := s.shared()
	m["introspection_endpoint_auth_methods_supported"] = s.methods()
	m["revocation_endpoint_auth_methods_supported"] = append(s.methods(), "none")
	m["pushed_authorization_request_endpoint"] = s.Issuer + "/par"
	m["require_pushed_authorization_requests"] = false
	m["authorization_response_iss_parameter_supported"] = true
	m["dpop_signing_alg_values_supported"] = []string{"ES256", "ES384", "RS256", "RS384"}
	m["userinfo_endpoint"] = s.Issuer + "/userinfo"
	m["end_session_endpoint"] = s.Issuer + "/logout"
	m["ui_locales_supported"] = []string{"en", "es"}
	return m
}

// OpenID is OpenID Connect Discovery 1.0 section 3.
func (s *Server) OpenID() map[string]any {
	m := s.OAuth()
	m["subject_types_supported"] = []string{"public"}
	m["id_token_signing_alg_values_supported"] = []string{"RS256"}
	m["claims_supported"] = strings.Fields("iss sub aud exp iat auth_time nonce at_hash sid fhirUser profile name preferred_username email")
	m["prompt_values_supported"] = []string{"none", "login", "consent", "select_account"}
	m["claims_parameter_supported"] = false
	m["request_parameter_supported"] = false
	m["request_uri_parameter_supported"] = false
	return m
}

// URIs are the endpoints for the oauth-uris extension of a CapabilityStatement.
// http://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html
func (s *Server) URIs() map[string]string {
	uris := map[string]string{
		"authorize": s.Issuer + "/authorize", "token": s.Issuer + "/token",
		"introspect": s.Issuer + "/introspect", "revoke": s.Issuer + "/revoke", "manage": s.Issuer + "/apps",
	}
	if s.Registers {
		uris["register"] = s.Issuer + "/register"
	}
	return uris
}
