package smart

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/smart/opaque"
	"github.com/tarnhealth/tarn/token"
)

// A tokenRequest is a request to the token endpoint by a client that has proved
// who it is.
type tokenRequest struct {
	r      *http.Request
	p      params
	client *Client
	// thumbprint is the key of the DPoP proof, certificate the one of the
	// connection that tokens are bound to; "" for none.
	thumbprint, certificate string
}

// A tokenResponse is what a grant answers. RFC 6749 section 5.1
type tokenResponse map[string]any

// grants has one function per grant type.
var grants = map[string]func(*Service, *tokenRequest) (tokenResponse, error){
	grantCode:    (*Service).grantCode,
	grantRefresh: (*Service).grantRefresh,
	grantClient:  (*Service).grantClient,
	grantMint:    (*Service).grantMint,
}

// token is the token endpoint: it reads the form, authenticates the client, and
// leaves the rest to the grant.
func (s *Service) token(w http.ResponseWriter, r *http.Request) (response tokenResponse, err error) {
	p, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	defer func() { s.tellRefusal(r, p, err) }()
	name := p["grant_type"]
	grant, ok := grants[name]
	switch {
	case name == "":
		return nil, refuse(codeInvalidRequest, "grant_type is missing")
	case !ok:
		return nil, refuse(codeUnsupportedGrant, "grant_type must be authorization_code, refresh_token or client_credentials")
	}
	q := &tokenRequest{r: r, p: p}
	if name == grantRefresh && namesNoClient(r, p) {
		q.client, err = s.refresher(r, p)
	} else {
		q.client, err = s.authenticate(r, p)
	}
	if err != nil {
		return nil, err
	}
	if name != grantMint && !q.client.Uses(name) {
		return nil, refuse(codeUnauthorizedClient, "this client may not use the grant type %s", name)
	}
	if q.thumbprint, err = s.cfg.Proofs.CheckProof(r, ""); err != nil {
		return nil, s.proofError(w, err)
	}
	if q.client.RequireDPoP && q.thumbprint == "" {
		return nil, refuse(codeInvalidDPoPProof, "this client must send a DPoP proof")
	}
	if q.client.BindsCertificate() {
		if q.certificate = s.cfg.Certificates.Thumbprint(r); q.certificate == "" {
			return nil, refuse(codeInvalidRequest, "the tokens of this client are bound to its certificate; connect with it")
		}
	}
	response, err = grant(s, q)
	if err == nil {
		s.succeeded(r, q.client.ID)
	} else if asOAuth(err).code == codeInvalidGrant {
		s.failed(r, q.client.ID)
	}
	return response, err
}

// tellRefusal tells of a token that was refused, by whatever name the client
// called itself. Who asks too often is not told of each time.
func (s *Service) tellRefusal(r *http.Request, p params, err error) {
	if err == nil {
		return
	}
	e := asOAuth(err)
	if e.retry > 0 {
		return
	}
	client := p["client_id"]
	if name, _, ok := r.BasicAuth(); ok && client == "" {
		client = name
	}
	s.event(r, Event{Kind: "token-refused", ClientID: printable(client), Reason: e.code})
}

// respond mints the access token for claims and begins the response.
func (s *Service) respond(q *tokenRequest, claims token.Claims, lifetime time.Duration) (tokenResponse, string, error) {
	claims.ClientID = q.client.ID
	claims.IssuedAt = s.now().UTC().Truncate(time.Second)
	claims.NotBefore = claims.IssuedAt
	claims.Expires = claims.IssuedAt.Add(lifetime)
	claims.Thumbprint, claims.Certificate = q.thumbprint, q.certificate
	claims.Tenant = s.tenantOf(claims)
	raw, err := s.keys.Mint(q.r.Context(), claims)
	if err != nil {
		return nil, "", err
	}
	kind := "Bearer"
	if q.thumbprint != "" {
		kind = "DPoP"
	}
	s.event(q.r, Event{
		Kind: "token", ClientID: q.client.ID, UserID: claims.Subject, DataStore: s.storeIDs(claims.Audience),
		Scope: claims.Scope, Patient: claims.Patient,
	})
	response := tokenResponse{
		"access_token": raw, "token_type": kind, "expires_in": int(lifetime.Seconds()), "scope": claims.Scope,
	}
	response.add(&Context{Tenant: claims.Tenant})
	return response, raw, nil
}

// tenantOf is the tenant of a token: that of its data store, or else the one of
// the launch.
func (s *Service) tenantOf(claims token.Claims) string {
	for _, one := range claims.Audience {
		if store, ok := s.storeOf(one); ok && store.Identity().TenantID() != "" {
			return store.Identity().TenantID()
		}
	}
	return claims.Tenant
}

// storeIDs are the ids of the data stores of an audience.
func (s *Service) storeIDs(audience []string) string {
	var ids []string
	for _, one := range audience {
		if store, ok := s.storeOf(one); ok {
			ids = append(ids, store.Record().ID)
		}
	}
	return strings.Join(ids, " ")
}

// add puts the launch context into a response. A tenant that is there is that of
// the token, which comes before the launch's.
// http://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
func (t tokenResponse) add(c *Context) {
	for name, text := range map[string]string{
		"patient": c.Patient, "encounter": c.Encounter, "intent": c.Intent,
		"smart_style_url": c.StyleURL, "tenant": c.Tenant,
	} {
		if text != "" && t[name] == nil {
			t[name] = text
		}
	}
	if len(c.FHIRContext) > 0 {
		t["fhirContext"] = c.FHIRContext
	}
	if c.Patient != "" {
		t["need_patient_banner"] = c.NeedPatientBanner == nil || *c.NeedPatientBanner
	}
}

// A holder is a user of a grant, as they are now.
type holder struct {
	user    *login.User
	profile login.Profile
	store   *datastore.Store
}

// holderOf checks that the user of a grant may still have it: they are there,
// not disabled, may use the data store and act for the patient.
func (s *Service) holderOf(ctx context.Context, g *Grant) (*holder, error) {
	gone := refuse(codeInvalidGrant, "the grant has ended")
	user, err := s.login.Directory().Get(ctx, g.UserID)
	if isMissing(err) {
		return nil, gone
	}
	if err != nil {
		return nil, err
	}
	store, err := s.store(g.DataStore)
	profile, ok := user.Profile(g.DataStore)
	if err != nil || !ok || user.Disabled {
		return nil, gone
	}
	ids, all, err := s.actsFor(ctx, store, user, profile)
	if err != nil {
		return nil, err
	}
	if !all && g.Context.Patient != "" && !slices.Contains(ids, g.Context.Patient) {
		return nil, gone
	}
	return &holder{user, profile, store}, nil
}

// respondFor answers with tokens of a grant.
func (s *Service) respondFor(q *tokenRequest, g *Grant, h *holder, scope string) (tokenResponse, string, error) {
	response, raw, err := s.respond(q, token.Claims{
		Subject: g.UserID, Audience: []string{h.store.Base()}, Scope: scope, ID: g.ID + "." + opaque.ID(),
		AuthTime: g.AuthTime, FHIRUser: h.profile.FHIRUser, Patient: g.Context.Patient, Encounter: g.Context.Encounter,
		Tenant: g.Context.Tenant, SessionID: g.SessionID, Roles: h.user.Roles, Patients: h.profile.Patients,
	}, s.accessLifetime(q.client))
	if err == nil {
		response.add(&g.Context)
	}
	return response, raw, err
}

func (s *Service) accessLifetime(c *Client) time.Duration {
	if c.AccessLifetime > 0 {
		return c.AccessLifetime
	}
	return s.cfg.Lifetimes.Access
}

func (s *Service) refreshLifetime(c *Client) time.Duration {
	if c.RefreshLifetime > 0 {
		return c.RefreshLifetime
	}
	return s.cfg.Lifetimes.Refresh
}

// grantExpires is when no token of a grant can live any more.
func (s *Service) grantExpires(c *Client, refreshes bool) time.Time {
	life := s.accessLifetime(c)
	if refreshes {
		life = max(life, s.refreshLifetime(c))
	}
	return s.now().Add(life + token.Leeway)
}

// addRefresh makes a refresh token of a grant.
func (s *Service) addRefresh(tx kv.Tx, c *Client, grantID string) (string, error) {
	raw := opaque.New()
	expires := s.now().Add(s.refreshLifetime(c))
	return raw, refreshTable.Put(tx, opaque.Key(raw), refreshRecord{GrantID: grantID, Expires: expires.UTC()}, expires)
}

// idToken makes the id_token of a response, "" where openid was not granted.
// OpenID Connect Core section 3.1.3.3, SMART fhirUser
func (s *Service) idToken(ctx context.Context, c *Client, g *Grant, h *holder, access string) (string, error) {
	scopes, _ := s.parseScopes(g.Scope)
	if !scopes.OpenID {
		return "", nil
	}
	now := s.now().Unix()
	sum := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": s.issuer, "sub": g.UserID, "aud": c.ID, "iat": now, "exp": now + int64(s.accessLifetime(c).Seconds()),
		"auth_time": g.AuthTime.Unix(), "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]), "sid": g.SessionID,
	}
	if g.Nonce != "" {
		claims["nonce"] = g.Nonce
	}
	for name, value := range userClaims(scopes, h) {
		claims[name] = value
	}
	return s.keys.MintID(ctx, claims, token.RS256)
}

// userClaims are what scopes tell of a user.
func userClaims(scopes authz.Scopes, h *holder) map[string]any {
	claims := map[string]any{}
	if scopes.FHIRUser && h.profile.FHIRUser != "" {
		claims["fhirUser"] = h.store.Base() + "/" + h.profile.FHIRUser
		claims["profile"] = claims["fhirUser"] // what SMART 1.0 apps look for
	}
	if scopes.Profile {
		claims["name"] = nameOf(h.user)
		claims["preferred_username"] = h.user.Username
		if h.profile.FHIRUser != "" {
			claims["profile"] = h.store.Base() + "/" + h.profile.FHIRUser
		}
	}
	if scopes.Email && h.user.Email != "" {
		claims["email"] = h.user.Email
	}
	return claims
}
