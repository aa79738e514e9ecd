package smart

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/smart/client"
	"github.com/tarnhealth/tarn/smart/opaque"
)

// RegistrationMode says who may register an app over HTTP.
type RegistrationMode string

// The modes.
const (
	RegistrationOff   RegistrationMode = ""
	RegistrationToken RegistrationMode = "token" // with an initial access token
	RegistrationOpen  RegistrationMode = "open"
)

// Registration is the policy of dynamic registration.
// https://www.rfc-editor.org/rfc/rfc7591
type Registration struct {
	Mode RegistrationMode
	// Scopes is the most that such apps may ask for; "" for what a patient's
	// app needs: reading, and no system scopes.
	Scopes string
	// DataStores are the ids of the data stores that they may use; empty for
	// all.
	DataStores []string
	// StatementKeys is a JWKS of those whose software statements are believed,
	// by the name of their issuer. With it a statement overrides what the
	// request says; without it statements are refused.
	StatementKeys map[string]json.RawMessage
	// RequireStatement refuses apps without a software statement.
	RequireStatement bool
}

const defaultRegistrationScopes = "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access patient/*.rs patient/*.read user/*.rs user/*.read"

func (p *Registration) check() error {
	switch p.Mode {
	case RegistrationOff, RegistrationToken, RegistrationOpen:
	default:
		return errors.New("smart: the registration mode must be off, token or open")
	}
	if p.RequireStatement && len(p.StatementKeys) == 0 {
		return errors.New("smart: software statements are required, but no issuer of them is known")
	}
	for _, keys := range p.StatementKeys {
		if err := client.CheckJWKS(keys); err != nil {
			return err
		}
	}
	return nil
}

// initialTable has the initial access tokens by hash, with how many apps each
// may still register.
var initialTable = kv.NewTable[initialToken]("smart-initial")

type initialToken struct {
	Uses    int       `json:"uses"`
	Expires time.Time `json:"expires"`
}

// NewInitialToken makes an initial access token that registers up to uses apps
// until it expires. It is returned once.
func (c Clients) NewInitialToken(ctx context.Context, uses int, lifetime time.Duration) (string, error) {
	if uses < 1 || lifetime <= 0 {
		return "", fhir.Errorf(fhir.KindInvalid, "an initial access token needs at least one use and a lifetime")
	}
	raw, expires := opaque.New(), c.s.now().Add(lifetime)
	return raw, c.s.db.Update(ctx, func(tx kv.Tx) error {
		return initialTable.Put(tx, opaque.Key(raw), initialToken{uses, expires.UTC()}, expires)
	})
}

// register is the client registration endpoint.
// https://www.rfc-editor.org/rfc/rfc7591#section-3
func (s *Service) register(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if s.cfg.Registration.Mode == RegistrationOff {
		return nil, &oauthError{code: codeAccessDenied, description: "this server does not register apps by itself; ask its administrator", status: http.StatusForbidden}
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return nil, &oauthError{code: codeInvalidRequest, description: "use POST", status: http.StatusMethodNotAllowed}
	}
	if err := s.takeRequest("register", s.network(r)); err != nil {
		return nil, err
	}
	if err := s.checkInitial(r); err != nil {
		return nil, err
	}
	m, err := s.readMetadata(w, r)
	if err != nil {
		return nil, err
	}
	record := client.Record{Client: Client{Registered: true}}
	if err := s.apply(m, &record.Client); err != nil {
		return nil, err
	}
	registration := opaque.New()
	record.Registration = opaque.Key(registration)
	secret, err := s.clients.AddRecord(r.Context(), &record, s.useInitial(r))
	if err != nil {
		return nil, metadataError(err)
	}
	s.event(r, Event{Kind: "registered", ClientID: record.ID, Scope: record.Scopes})
	answer := client.Describe(&record.Client, m.Statement)
	if secret != "" {
		answer["client_secret"], answer["client_secret_expires_at"] = secret, 0
	}
	answer["registration_access_token"] = registration
	answer["registration_client_uri"] = s.issuer + "/register/" + record.ID
	return answer, nil
}

// checkInitial wants an initial access token where the policy does.
func (s *Service) checkInitial(r *http.Request) error {
	if s.cfg.Registration.Mode == RegistrationOpen {
		return nil
	}
	if err := s.mayFail(r, "register"); err != nil {
		return err
	}
	var t initialToken
	err := s.db.View(r.Context(), func(tx kv.Tx) (err error) {
		t, err = initialTable.Get(tx, opaque.Key(bearerText(r)))
		return err
	})
	if errors.Is(err, kv.ErrNotFound) || err == nil && (t.Uses < 1 || !s.now().Before(t.Expires)) {
		s.failed(r, "register")
		return errInitial()
	}
	return err
}

func errInitial() *oauthError {
	return &oauthError{code: codeInvalidToken, description: "the initial access token is missing, unknown, expired or used up", status: http.StatusUnauthorized}
}

// useInitial counts a use of the initial access token, of an app whose metadata
// are right.
func (s *Service) useInitial(r *http.Request) func(kv.Tx) error {
	if s.cfg.Registration.Mode == RegistrationOpen {
		return nil
	}
	return func(tx kv.Tx) error {
		key := opaque.Key(bearerText(r))
		t, err := initialTable.Get(tx, key)
		if errors.Is(err, kv.ErrNotFound) {
			return errInitial()
		}
		if err != nil {
			return err
		}
		if t.Uses--; t.Uses < 1 {
			return initialTable.Delete(tx, key)
		}
		return initialTable.Put(tx, key, t, t.Expires)
	}
}

// bearerText is the token of the Authorization header.
func bearerText(r *http.Request) string {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return raw
}

// readMetadata reads what an app says of itself. Members that are not known are
// left out, as RFC 7591 section 2 asks.
func (s *Service) readMetadata(w http.ResponseWriter, r *http.Request) (*client.Metadata, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		return nil, refuse(codeInvalidMetadata, "the Content-Type must be application/json")
	}
	var m client.Metadata
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		return nil, refuse(codeInvalidMetadata, "the body is not client metadata: %s", printable(err.Error()))
	}
	return &m, s.applyStatement(&m)
}

// apply turns metadata into a registration, within the policy.
func (s *Service) apply(m *client.Metadata, c *Client) error {
	policy := &s.cfg.Registration
	switch m.AuthMethod {
	case "none":
		c.Type = Public
	case "", "client_secret_basic", "client_secret_post":
		c.Type = Symmetric
	case "private_key_jwt":
		c.Type = Asymmetric
	case "tls_client_auth":
		c.Type = client.TLS
	case "self_signed_tls_client_auth":
		c.Type = client.SelfSigned
	default:
		return refuse(codeInvalidMetadata, "token_endpoint_auth_method %s is not supported", printable(m.AuthMethod))
	}
	if err := s.checkKeySource(m.JWKSURI); err != nil {
		return err
	}
	for _, kind := range m.ResponseTypes {
		if kind != "code" {
			return refuse(codeInvalidMetadata, "response_types may be code alone")
		}
	}
	c.Name, c.LogoURL, c.PolicyURL, c.TermsURL, c.LaunchURL = m.Name, m.LogoURI, m.PolicyURI, m.TermsURI, m.InitiateLogin
	c.Contacts, c.RedirectURIs, c.LogoutURIs = m.Contacts, m.RedirectURIs, m.LogoutURIs
	c.JWKS, c.JWKSURL, c.RequireDPoP, c.RequirePAR = m.JWKS, m.JWKSURI, m.DPoPBound, m.RequirePAR
	c.Certificate, c.BindTokens = m.Certificate(), m.BindTokens
	if c.Grants = m.GrantTypes; len(c.Grants) == 0 {
		c.Grants = []string{grantCode}
	}
	if c.DataStores = policy.DataStores; len(c.DataStores) == 0 {
		c.DataStores = []string{AllStores}
	}
	c.Origins = client.OriginsOf(c.RedirectURIs)
	return s.applyScope(m.Scope, c)
}

// checkKeySource refuses a JWKS URL that the server would never fetch.
func (s *Service) checkKeySource(uri string) error {
	if uri == "" {
		return nil
	}
	if s.cfg.KeySets == nil {
		return refuse(codeInvalidMetadata, "jwks_uri is not supported; register a jwks")
	}
	if err := s.cfg.KeySets.CheckURL(uri); err != nil {
		return refuse(codeInvalidMetadata, "jwks_uri cannot be used").because(err)
	}
	return nil
}

// applyScope grants what is asked for as far as the policy goes; all of it
// where nothing is asked.
func (s *Service) applyScope(asked string, c *Client) error {
	most := s.cfg.Registration.Scopes
	if most == "" {
		most = defaultRegistrationScopes
	}
	allowed, _ := s.parseScopes(most)
	if asked == "" {
		c.Scopes = allowed.String()
		return nil
	}
	scopes, _ := s.parseScopes(asked)
	if c.Scopes = scopes.Narrow(allowed).String(); c.Scopes == "" {
		return refuse(codeInvalidMetadata, "none of the scopes may be registered")
	}
	return nil
}

// metadataError puts a refused registration into the words of RFC 7591.
func metadataError(err error) error {
	if fhir.KindOf(err) != fhir.KindInvalid {
		return err
	}
	if strings.Contains(err.Error(), "redirect URI") {
		return refuse(codeInvalidRedirect, "%s", err.Error())
	}
	return refuse(codeInvalidMetadata, "%s", err.Error())
}
