package client

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Metadata is a client in the words of RFC 7591 section 2.
type Metadata struct {
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
}

// Describe is a client in the words of RFC 7591.
func Describe(c *Client, statement string) map[string]any {
	method := map[Type]string{Public: "none", Symmetric: "client_secret_basic", Asymmetric: "private_key_jwt"}[c.Type]
	raw, _ := json.Marshal(Metadata{
		RedirectURIs: c.RedirectURIs, AuthMethod: method, GrantTypes: c.Grants, Name: c.Name, LogoURI: c.LogoURL,
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
