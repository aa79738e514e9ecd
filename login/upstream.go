package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tarnhealth/tarn/login/saml"
)

// The kinds of providers.
const (
	KindOpenIDConnect = "" // OpenID Connect
	KindSAML          = "saml"
)

// A Provider is an upstream provider that people can sign in through, by OpenID
// Connect or SAML 2.0: Okta, Entra ID, Google, Keycloak, ADFS, Shibboleth or any
// other.
type Provider struct {
	// ID is in addresses: small letters, digits and dashes. The redirect URI
	// to register at an OpenID Connect provider is BaseURL/login/callback/ID, the
	// metadata to import at one of SAML is at BaseURL/login/saml/ID/metadata.
	ID string
	// Name is on the button; "" is ID.
	Name string
	// Kind is KindOpenIDConnect or KindSAML.
	Kind string
	// Issuer has /.well-known/openid-configuration. Of SAML it is the entity ID.
	Issuer string
	// SAML is for KindSAML, ClientID, ClientSecret and Scopes are for the other.
	SAML         SAML
	ClientID     string
	ClientSecret string // "" for a public client
	// Scopes beside openid; nil is profile and email.
	Scopes []string
	Claims ClaimMapping
	// LinkByEmail signs in the user with the same e-mail address, where the
	// provider says that it is verified, and links the two from then on. Only
	// for providers that own the addresses.
	// For SAML, which has no word for that, it is this that says so.
	LinkByEmail bool
	// Create makes a user at the first sign-in of somebody unknown.
	Create bool
}

// ClaimMapping says which claims of an ID token or of userinfo, or which
// attributes of an assertion, a user's fields come from. A dot goes into an object: "realm_access.roles". Name, user name
// and e-mail address are taken when the user is made; fhirUser and roles at
// each sign-in.
type ClaimMapping struct {
	Username string // "" is preferred_username, else email, else sub
	Name     string // "" is name
	Email    string // "" is email
	// FHIRUser names the claim with "Practitioner/123"; "" is none. DataStore
	// is the data store that it is of; "" is all ("*").
	FHIRUser  string
	DataStore string
	// Roles names the claim with one or a list of strings; "" is none. RoleOf
	// gives the roles that they stand for; others are left out. Roles of
	// RoleOf that the claim does not give are taken away.
	Roles  string
	RoleOf map[string]string
}

// Check refuses a provider that cannot be used as it is.
func (p *Provider) Check() error {
	if !providerID.MatchString(p.ID) {
		return fmt.Errorf("the id %q is not one of a provider: small letters, digits and dashes, at most 32", p.ID)
	}
	switch p.Kind {
	case KindOpenIDConnect:
	case KindSAML:
		return p.checkSAML()
	default:
		return fmt.Errorf("the kind is %q; it must be saml, or left out for OpenID Connect", p.Kind)
	}
	if p.SAML != (SAML{}) {
		return errors.New("it has settings of SAML, and not the kind saml")
	}
	if err := checkIssuer(p.Issuer); err != nil {
		return err
	}
	if p.ClientID == "" {
		return errors.New("there is no client id")
	}
	return nil
}

// Providers lists the upstream providers that there are now.
func (s *Service) Providers() []Provider { return s.upstream.Load().list }

// SetProviders replaces the upstream providers, from the next page on: who is at
// one that is gone signs in no more by it. Users keep their links to accounts at
// it, which count again when a provider with its ID is there.
func (s *Service) SetProviders(list []Provider) error {
	next, err := newUpstreams(s.cfg, s.saml, list, s.upstream.Load())
	if err == nil {
		s.upstream.Store(next)
	}
	return err
}

// discoveryAge is how long a provider's metadata is believed.
const discoveryAge = 24 * time.Hour

// An upstream is a provider with what it says of itself.
type upstream struct {
	Provider
	client   *http.Client
	redirect string
	peer     *saml.Peer // of KindSAML

	mu    sync.Mutex
	found *discovered
}

type discovered struct {
	*oidc.Provider
	names bool // it puts iss into its responses (RFC 9207)
	at    time.Time
}

var providerID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// upstreams are the providers that there are at a time.
type upstreams struct {
	list []Provider
	by   map[string]*upstream
}

// newUpstreams are the providers of a list. What is known of one that stays as it
// was before is kept.
func newUpstreams(cfg Config, party *saml.Party, list []Provider, before *upstreams) (*upstreams, error) {
	client := cfg.HTTP
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	all := &upstreams{list: list, by: map[string]*upstream{}}
	for i, p := range list {
		if err := p.Check(); err != nil {
			return nil, fmt.Errorf("login: provider %d (%s): %w", i+1, p.ID, err)
		}
		if all.by[p.ID] != nil {
			return nil, fmt.Errorf("login: provider %s is there twice", p.ID)
		}
		if p.Scopes == nil {
			p.Scopes = []string{"profile", "email"}
		}
		if before != nil && before.by[p.ID] != nil && reflect.DeepEqual(before.by[p.ID].Provider, p) {
			all.by[p.ID] = before.by[p.ID]
			continue
		}
		u := &upstream{Provider: p, client: client, redirect: cfg.BaseURL + "/login/callback/" + p.ID}
		if p.Kind == KindSAML {
			u.peer = party.Peer(p.peer())
		}
		all.by[p.ID] = u
	}
	return all, nil
}

// checkIssuer takes https, and http on the machine itself.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err == nil && u.Host != "" && u.RawQuery == "" && u.Fragment == "" {
		ip, _ := netip.ParseAddr(u.Hostname())
		if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback()) {
			return nil
		}
	}
	return fmt.Errorf("the issuer is %q; it must be an https address without query", issuer)
}

// discover reads what the provider says of itself, once a day.
func (u *upstream) discover(ctx context.Context, now time.Time) (*discovered, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.found != nil && now.Sub(u.found.at) < discoveryAge {
		return u.found, nil
	}
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, u.client), u.Issuer)
	if err != nil {
		return nil, fmt.Errorf("login: provider %s: %w", u.ID, err)
	}
	var more struct {
		Names bool `json:"authorization_response_iss_parameter_supported"`
	}
	if err := p.Claims(&more); err != nil {
		return nil, fmt.Errorf("login: provider %s: %w", u.ID, err)
	}
	u.found = &discovered{Provider: p, names: more.Names, at: now}
	return u.found, nil
}

func (u *upstream) config(p *discovered) *oauth2.Config {
	return &oauth2.Config{
		ClientID: u.ClientID, ClientSecret: u.ClientSecret, Endpoint: p.Endpoint(), RedirectURL: u.redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, u.Scopes...),
	}
}

// claims are those of an ID token, with those of userinfo where it lacks some.
type claims map[string]any

// exchange turns a code into the claims of a verified ID token.
func (u *upstream) exchange(ctx context.Context, p *discovered, code string, state *upstreamState, now func() time.Time) (claims, error) {
	ctx = oidc.ClientContext(ctx, u.client)
	token, err := u.config(p).Exchange(ctx, code, oauth2.VerifierOption(state.Verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.VerifierContext(ctx, &oidc.Config{ClientID: u.ClientID, Now: now}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != state.Nonce {
		return nil, fmt.Errorf("the ID token has another nonce")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, err
		}
	}
	c := claims{}
	if err := id.Claims(&c); err != nil {
		return nil, err
	}
	c["sub"] = id.Subject
	if p.UserInfoEndpoint() == "" || u.complete(c) {
		return c, nil
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, err
	}
	if info.Subject != id.Subject {
		return nil, fmt.Errorf("userinfo is of another subject") // OpenID Connect Core section 5.3.2
	}
	more := claims{}
	if err := info.Claims(&more); err != nil {
		return nil, err
	}
	for name, value := range more {
		if _, ok := c[name]; !ok {
			c[name] = value
		}
	}
	return c, nil
}

// complete reports whether claims have all that the mapping asks for.
func (u *upstream) complete(c claims) bool {
	m := u.Claims
	for _, name := range []string{or(m.Username, "preferred_username"), or(m.Name, "name"), or(m.Email, "email"), m.FHIRUser, m.Roles} {
		if name != "" && c.find(name) == nil {
			return false
		}
	}
	return true
}

func or(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}
