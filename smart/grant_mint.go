package smart

import (
	"context"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/smart/about"
	"github.com/tarnhealth/tarn/smart/opaque"
	"github.com/tarnhealth/tarn/token"
)

// grantMint is the grant type by which an administrator's client gets a token
// as if a user had gone through a launch: for tests and demonstrations. It is
// Tarn's own, not advertised, and each use is logged.
const grantMint = "urn:tarn:oauth:grant-type:mint"

// A MintRequest says what token to mint.
type MintRequest struct {
	// ClientID is the client that mints, which must have the right to.
	ClientID string
	// Scope is the scope string, of any level.
	Scope string
	// DataStore is the id of the data store.
	DataStore string
	// User is the name, e-mail address or id of who the token is for; "" for
	// nobody, where the scopes need no user.
	User string
	// Patient and Encounter are the ids of the launch context.
	Patient, Encounter string
}

// Mint makes an access token for tests. It refuses clients without the right to
// mint, and scopes that the client may not have.
func (s *Service) Mint(ctx context.Context, m MintRequest) (raw string, expires time.Time, err error) {
	record, err := s.clientRecord(ctx, m.ClientID)
	if err != nil {
		return "", expires, err
	}
	claims, err := s.mintClaims(ctx, &record.Client, m)
	if err != nil {
		return "", expires, err
	}
	claims.ClientID, claims.Tenant = m.ClientID, s.tenantOf(claims)
	claims.IssuedAt = s.now().UTC().Truncate(time.Second)
	claims.NotBefore, claims.Expires = claims.IssuedAt, claims.IssuedAt.Add(s.accessLifetime(&record.Client))
	s.log.InfoContext(ctx, "token minted", "client", m.ClientID, "user", claims.Subject, "dataStore", m.DataStore, "scope", printable(claims.Scope))
	if s.cfg.Event != nil {
		s.cfg.Event(ctx, Event{Kind: "minted", ClientID: m.ClientID, UserID: claims.Subject, DataStore: m.DataStore, Scope: claims.Scope, Patient: claims.Patient, Time: s.now()})
	}
	raw, err = s.keys.Mint(ctx, claims)
	return raw, claims.Expires, err
}

// grantMint is Mint at the token endpoint.
func (s *Service) grantMint(q *tokenRequest) (tokenResponse, error) {
	store, err := s.storeFor(q)
	if err != nil {
		return nil, err
	}
	claims, err := s.mintClaims(q.r.Context(), q.client, MintRequest{
		ClientID: q.client.ID, Scope: q.p["scope"], DataStore: store.Record().ID,
		User: q.p["user"], Patient: q.p["patient"], Encounter: q.p["encounter"],
	})
	if err != nil {
		return nil, err
	}
	response, _, err := s.respond(q, claims, s.accessLifetime(q.client))
	if err != nil {
		return nil, err
	}
	s.event(q.r, Event{Kind: "minted", ClientID: q.client.ID, UserID: claims.Subject, DataStore: store.Record().ID, Scope: claims.Scope, Patient: claims.Patient})
	response.add(&Context{Patient: claims.Patient, Encounter: claims.Encounter})
	return response, nil
}

func (s *Service) mintClaims(ctx context.Context, c *Client, m MintRequest) (token.Claims, error) {
	var claims token.Claims
	if !c.MayMint {
		return claims, refuse(codeUnauthorizedClient, "this client may not mint tokens")
	}
	store, err := s.store(m.DataStore)
	if err != nil || !c.MayUse(m.DataStore) {
		return claims, refuse(codeInvalidTarget, "the client may not use that data store")
	}
	granted, err := narrowed(m.Scope, c, store)
	if err != nil {
		return claims, err
	}
	if len(granted.Resources) == 0 {
		return claims, refuse(codeInvalidScope, "none of the scopes is registered for this client")
	}
	if hasLevel(granted, authz.LevelSystem) && (hasLevel(granted, authz.LevelUser) || hasLevel(granted, authz.LevelPatient)) {
		return claims, refuse(codeInvalidScope, "system scopes do not go together with those of users and patients")
	}
	claims = token.Claims{
		Subject: c.ID, Audience: []string{store.Base()}, Scope: granted.String(), ID: opaque.ID(),
		Patient: m.Patient, Encounter: m.Encounter, AuthTime: s.now().UTC().Truncate(time.Second),
	}
	if err := s.mintUser(ctx, &claims, m); err != nil {
		return claims, err
	}
	return claims, s.mintContext(ctx, store, granted, &claims)
}

// mintUser fills in who the token is for. Without a user the patient is who
// uses it.
func (s *Service) mintUser(ctx context.Context, claims *token.Claims, m MintRequest) error {
	if m.User == "" {
		if m.Patient != "" {
			claims.FHIRUser = "Patient/" + m.Patient
		}
		return nil
	}
	user, err := s.login.Directory().Find(ctx, m.User)
	if isMissing(err) {
		user, err = s.login.Directory().Get(ctx, m.User)
	}
	if isMissing(err) {
		return refuse(codeInvalidRequest, "there is no such user")
	}
	if err != nil {
		return err
	}
	profile, ok := user.Profile(m.DataStore)
	if !ok || user.Disabled {
		return refuse(codeInvalidRequest, "the user has no profile in the data store, or is disabled")
	}
	claims.Subject, claims.FHIRUser, claims.Roles, claims.Patients = user.ID, profile.FHIRUser, user.Roles, profile.Patients
	return nil
}

// mintContext wants what the levels of the scopes need.
func (s *Service) mintContext(ctx context.Context, store *datastore.Store, granted authz.Scopes, claims *token.Claims) error {
	if wantsPatient(granted) && claims.Patient == "" {
		return refuse(codeInvalidRequest, "patient is missing, which patient scopes need")
	}
	if hasLevel(granted, authz.LevelUser) && claims.FHIRUser == "" {
		return refuse(codeInvalidRequest, "user is missing, which user scopes need")
	}
	if claims.Patient == "" {
		return nil
	}
	if !about.ValidID(claims.Patient) || claims.Encounter != "" && !about.ValidID(claims.Encounter) {
		return refuse(codeInvalidRequest, "patient and encounter must be resource ids")
	}
	v, err := store.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return err
	}
	defer v.Close()
	_, err = v.Read(ctx, "Patient", claims.Patient)
	if kind := fhir.KindOf(err); err != nil && (kind == fhir.KindNotFound || kind == fhir.KindGone) {
		return refuse(codeInvalidRequest, "there is no such patient")
	}
	return err
}
