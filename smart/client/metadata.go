package client

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Metadata is a client in the words of RFC 7591 section 2.
type Metadata struct {
	// ID is what a client that is registered says it is, RFC 7592 section 2.2.
	ID            string          `json:"client_id,omitempty"`
	RedirectURIs  []string        `json:"redirect_uris,omitempty"`
	AuthMethod    string          `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes    []string        `json:"grant_types,omitempty"`
	ResponseTypes []string        `json:"response_types,omitempty"`
	Name          string          `json:"client_name,omitempty"`
	URI           string          `json:"client_uri,omitempty"`
	LogoURI       string          `json:"logo_uri,omitempty"`
	Scope         string          `json:"scope,omitempty"`
	Contacts      []string        `json:"contacts,omitempty"`
	TermsURI      string          `json:"tos_uri,omitempty"`
	PolicyURI     string          `json:"policy_uri,omitempty"`
	JWKSURI       string          `json:"jwks_uri,omitempty"`
	JWKS          json.RawMessage `json:"jwks,omitempty"`
	SoftwareID    string          `json:"software_id,omitempty"`
	SoftwareVer   string          `json:"software_version,omitempty"`
	Statement     string          `json:"software_statement,omitempty"`
	InitiateLogin string          `json:"initiate_login_uri,omitempty"` // the launch URL
	LogoutURIs    []string        `json:"post_logout_redirect_uris,omitempty"`
	DPoPBound     bool            `json:"dpop_bound_access_tokens,omitempty"`
	RequirePAR    bool            `json:"require_pushed_authorization_requests,omitempty"`
	// RFC 8705 section 2.1.2 and 3.4
	BindTokens bool   `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	SubjectDN  string `json:"tls_client_auth_subject_dn,omitempty"`
	SANDNS     string `json:"tls_client_auth_san_dns,omitempty"`
	SANURI     string `json:"tls_client_auth_san_uri,omitempty"`
	SANIP      string `json:"tls_client_auth_san_ip,omitempty"`
	SANEmail   string `json:"tls_client_auth_san_email,omitempty"`
}

// Certificate is which certificate is the client's; nil where nothing is said.
func (m *Metadata) Certificate() *Certificate {
	c := Certificate{SubjectDN: m.SubjectDN, DNS: m.SANDNS, URI: m.SANURI, IP: m.SANIP, Email: m.SANEmail}
	if c == (Certificate{}) {
		return nil
	}
	return &c
}

// methods are the ways to prove who a client is, by its type.
var methods = map[Type]string{
	Public: "none", Symmetric: "client_secret_basic", Asymmetric: "private_key_jwt", TLS: "tls_client_auth", SelfSigned: "self_signed_tls_client_auth",
}

// Describe is a client in the words of RFC 7591.
func Describe(c *Client, statement string) map[string]any {
	var named Certificate
	if c.Certificate != nil {
		named = *c.Certificate
	}
	raw, _ := json.Marshal(Metadata{
		BindTokens: c.BindsCertificate(), SubjectDN: named.SubjectDN, SANDNS: named.DNS, SANURI: named.URI, SANIP: named.IP, SANEmail: named.Email,
		RedirectURIs: c.RedirectURIs, AuthMethod: methods[c.Type], GrantTypes: c.Grants, Name: c.Name, LogoURI: c.LogoURL,
		Scope: c.Scopes, Contacts: c.Contacts, TermsURI: c.TermsURL, PolicyURI: c.PolicyURL, JWKSURI: c.JWKSURL,
		JWKS: c.JWKS, Statement: statement, InitiateLogin: c.LaunchURL, LogoutURIs: c.LogoutURIs,
		DPoPBound: c.RequireDPoP, RequirePAR: c.RequirePAR,
	})
	answer := map[string]any{}
	_ = json.Unmarshal(raw, &answer) // it was made just now
	answer["client_id"], answer["client_id_issued_at"] = c.ID, c.Created.Unix()
	if c.Uses(GrantCode) {
		answer["response_types"] = []string{"code"}
	}
	return answer
}

// OriginsOf are the origins of web addresses, for CORS.
func OriginsOf(uris []string) []string {
	var origins []string
	for _, uri := range uris {
		target := FormTarget(uri)
		if strings.HasPrefix(target, "http") && strings.ToLower(target) == target && !slices.Contains(origins, target) {
			origins = append(origins, target)
		}
	}
	return origins
}

// FormTarget is the origin or scheme of a redirect URI, for the policy of pages
// whose form may lead there.
func FormTarget(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return ""
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		return u.Scheme + "://" + u.Host
	}
	return strings.ToLower(u.Scheme) + ":"
}
