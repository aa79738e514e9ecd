package client

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/token"
)

// check says what is wrong with a registration, as an error of KindInvalid.
func (r *Registry) check(c *Client) error {
	if !validClientID.MatchString(c.ID) {
		return fhir.Errorf(fhir.KindInvalid, "the client id %q is not allowed: use 1 to 128 of letters, digits and . _ ~ -", c.ID)
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	for _, check := range []func(*Client) error{checkTexts, checkKind, checkGrants, checkURIs, checkOrigins, checkLimits} {
		if err := check(c); err != nil {
			return err
		}
	}
	if err := r.CheckTLS(c); err != nil {
		return err
	}
	return r.CheckScopes(c.Scopes)
}

func checkTexts(c *Client) error {
	texts := append([]string{c.Name, c.Publisher}, c.Contacts...)
	for _, text := range texts {
		if hasControl(text) || len(text) > 200 {
			return fhir.Errorf(fhir.KindInvalid, "the name, publisher and contacts of a client are plain texts of at most 200 bytes")
		}
	}
	return nil
}

func checkKind(c *Client) error {
	keys := len(c.JWKS) > 0 || c.JWKSURL != ""
	switch {
	case !slices.Contains([]Type{Public, Symmetric, Asymmetric, TLS, SelfSigned}, c.Type):
		return fhir.Errorf(fhir.KindInvalid, "the client type %q is none of %s, %s, %s, %s and %s", c.Type, Public, Symmetric, Asymmetric, TLS, SelfSigned)
	case (c.Type == Asymmetric || c.Type == SelfSigned) && !keys:
		return fhir.Errorf(fhir.KindInvalid, "a %s client needs its public keys: give a JWKS URL or a JWKS", c.Type)
	case (c.Type == TLS) != (c.Certificate != nil):
		return fhir.Errorf(fhir.KindInvalid, "a name in a certificate goes with a client of type %s, which needs one", TLS)
	case c.Type == Public && c.BindTokens:
		return fhir.Errorf(fhir.KindInvalid, "a public client has no certificate that its tokens could be bound to")
	case c.Type != Asymmetric && c.Type != SelfSigned && keys:
		return fhir.Errorf(fhir.KindInvalid, "a %s client has no public keys", c.Type)
	case len(c.JWKS) > 0 && c.JWKSURL != "":
		return fhir.Errorf(fhir.KindInvalid, "give a JWKS URL or a JWKS, not both")
	case c.Type == Public && (c.MayLaunch || c.MayIntrospect || c.MayMint || c.Uses(GrantClient)):
		return fhir.Errorf(fhir.KindInvalid, "a public client cannot prove who it is: it may not use client_credentials, issue launches, introspect or mint")
	}
	if c.Certificate != nil {
		return c.Certificate.check()
	}
	if len(c.JWKS) > 0 {
		return CheckJWKS(c.JWKS)
	}
	if c.JWKSURL != "" {
		return CheckWebURL("JWKS URL", c.JWKSURL)
	}
	return nil
}

// CheckJWKS wants public keys that client assertions can be signed with.
func CheckJWKS(raw []byte) error {
	if err := token.CheckJWKS(raw); err != nil {
		return fhir.Errorf(fhir.KindInvalid, "the JWKS cannot be used: %v", err)
	}
	return nil
}

func checkGrants(c *Client) error {
	for _, grant := range c.Grants {
		if grant != GrantCode && grant != GrantRefresh && grant != GrantClient {
			return fhir.Errorf(fhir.KindInvalid, "the grant type %q is none of %s, %s and %s", grant, GrantCode, GrantRefresh, GrantClient)
		}
	}
	if c.Uses(GrantRefresh) && !c.Uses(GrantCode) {
		return fhir.Errorf(fhir.KindInvalid, "the grant type %s needs %s beside it", GrantRefresh, GrantCode)
	}
	if c.Uses(GrantCode) && len(c.RedirectURIs) == 0 {
		return fhir.Errorf(fhir.KindInvalid, "the grant type %s needs a redirect URI", GrantCode)
	}
	return nil
}

func checkURIs(c *Client) error {
	for _, uri := range append(slices.Clone(c.RedirectURIs), c.LogoutURIs...) {
		if err := checkRedirectURI(uri, c.Type == Public); err != nil {
			return err
		}
	}
	logo := c.LogoURL
	if len(logo) <= maxLogo && validLogo.MatchString(logo) {
		logo = ""
	}
	for what, uri := range map[string]string{
		"launch URL": c.LaunchURL, "logo URL": logo, "policy URL": c.PolicyURL, "terms URL": c.TermsURL,
	} {
		if uri == "" {
			continue
		}
		if err := CheckWebURL(what, uri); err != nil {
			return err
		}
	}
	return nil
}

// maxLogo is the length of the longest logo in a data: URL, in bytes.
const maxLogo = 90 << 10

var validLogo = regexp.MustCompile(`^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$`)

// CheckWebURL wants https, or http on a loopback address.
func CheckWebURL(what, uri string) error {
	u, err := url.Parse(uri)
	if err != nil || hasControl(uri) || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return fhir.Errorf(fhir.KindInvalid, "the %s %q is not allowed: use https, or http on a loopback address", what, uri)
	}
	return nil
}

func checkOrigins(c *Client) error {
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+strings.ToLower(u.Host) != origin {
			return fhir.Errorf(fhir.KindInvalid, "the origin %q is not one: write scheme, host and port, as https://app.example.com", origin)
		}
	}
	return nil
}

// Bounds of what a client's tokens may live.
const (
	LongestAccess  = 24 * time.Hour
	LongestRefresh = 2 * 366 * 24 * time.Hour
)

func checkLimits(c *Client) error {
	if c.AccessLifetime < 0 || c.AccessLifetime > LongestAccess || c.RefreshLifetime < 0 || c.RefreshLifetime > LongestRefresh {
		return fhir.Errorf(fhir.KindInvalid, "access tokens may live up to %s, refresh tokens up to %d days", LongestAccess, int(LongestRefresh.Hours()/24))
	}
	return nil
}
