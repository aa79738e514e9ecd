package smart_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

// register adds a client beside those of the transcripts.
func (c *conversation) register(t *testing.T, client smart.Client) {
	t.Helper()
	if client.DataStores == nil {
		client.DataStores = []string{"default"}
	}
	_, secret, err := c.s.Clients().Add(ctx, client)
	if err != nil {
		t.Fatal(client.ID, err)
	}
	c.secrets[client.ID] = secret
}

// wantRefusal wants the app to be told of an error, instead of a code.
func wantRefusal(t *testing.T, rec *httptest.ResponseRecorder, code string) {
	t.Helper()
	to, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || to.Query().Get("error") != code || to.Query().Get("code") != "" {
		t.Errorf("got %d %s, want the error %s\n%.500s", rec.Code, rec.Header().Get("Location"), code, seen(rec))
	}
}

func isCode(rec *httptest.ResponseRecorder) bool {
	return strings.HasPrefix(rec.Header().Get("Location"), callback+"?code=")
}

// A client gets what it is registered for, and no more.
func TestWhatClientsAreFor(t *testing.T) {
	c := start(t)
	c.register(t, smart.Client{ID: "once", Type: smart.Public, RedirectURIs: []string{callback}, Scopes: "patient/*.rs offline_access", Grants: []string{"authorization_code"}})
	tokens := c.tokens(t, "once", "patient/*.rs offline_access")
	if tokens["refresh_token"] != nil || tokens["scope"] != "patient/*.rs" {
		t.Errorf("a client that may not refresh: %v", tokens)
	}
	c.register(t, smart.Client{ID: "mixed", Type: smart.Symmetric, RedirectURIs: []string{callback}, Scopes: "system/*.rs patient/*.rs", Grants: []string{"authorization_code", "client_credentials"}})
	if tokens = c.tokens(t, "mixed", "system/*.rs patient/*.rs"); tokens["scope"] != "patient/*.rs" {
		t.Errorf("a user gives away system scopes: %v", tokens["scope"])
	}
	c.register(t, smart.Client{ID: "service", Type: smart.Symmetric, RedirectURIs: []string{callback}, Scopes: "system/*.rs patient/*.rs", Grants: []string{"client_credentials"}})
	wantRefusal(t, c.authorize("ann", url.Values{"client_id": {"service"}}), "unauthorized_client")

	hint := c.tokens(t, "web", "openid patient/*.rs")["id_token"].(string)
	wantRefusal(t, c.authorize("ann", url.Values{"client_id": {"app"}, "id_token_hint": {hint}}), "invalid_request")
}

// A client that must prove a key gets no token without.
func TestBoundClients(t *testing.T) {
	c := start(t, func(c *smart.Config) { c.Certificates.On = true })
	wantError(t, c.redeem("bound", c.code(t, "bound", "patient/*.rs")), 400, "invalid_dpop_proof")

	another := url.Values{"dpop_jkt": {challenge("another key")}}
	ask := override(url.Values{
		"response_type": {"code"}, "client_id": {"par"}, "client_secret": {c.secrets["par"]}, "redirect_uri": {callback}, "state": {"st4te"},
		"scope": {"patient/*.rs"}, "aud": {base}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"},
	}, another)
	proof := http.Header{"Dpop": {"@proof"}}
	wantError(t, c.post(t, proof, "/auth/par", ask), 400, "invalid_dpop_proof")
	ask.Set("dpop_jkt", thumbprint(t))
	if rec := c.post(t, proof, "/auth/par", ask); rec.Code != http.StatusOK && rec.Code != http.StatusCreated {
		t.Errorf("by its own key: %d %s", rec.Code, rec.Body)
	}

	c.register(t, smart.Client{ID: "tls", Type: smart.Symmetric, BindTokens: true, Scopes: "system/*.rs", Grants: []string{"client_credentials"}})
	own := &x509.Certificate{Raw: []byte("its own")}
	on := func(certificates ...*x509.Certificate) *httptest.ResponseRecorder {
		r := form(http.MethodPost, home+"/auth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"tls"}, "client_secret": {c.secrets["tls"]}, "scope": {"system/*.rs"}})
		r.TLS = &tls.ConnectionState{PeerCertificates: certificates}
		return c.do(nil, r)
	}
	wantError(t, on(), 400, "invalid_request")
	claims, err := c.s.Verify(ctx, object(t, on(own))["access_token"].(string), base)
	sum := sha256.Sum256(own.Raw)
	if err != nil || claims.Certificate != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("bound to %+v, %v", claims, err)
	}
}

// A launch token is for the data store that the EHR named, and stays good for it.
func TestLaunchesOfOneDataStore(t *testing.T) {
	c := start(t)
	c.register(t, smart.Client{ID: "wide", Type: smart.Public, RedirectURIs: []string{callback}, Scopes: "launch patient/*.rs", Grants: []string{"authorization_code"}, DataStores: []string{"*"}})
	launch, err := c.s.IssueLaunch(ctx, smart.Launch{ClientID: "wide", DataStore: "default", Context: smart.Context{Patient: "ann"}})
	if err != nil {
		t.Fatal(err)
	}
	c.signIn(t, "ann", "ann")
	ask := url.Values{"client_id": {"wide"}, "scope": {"launch patient/*.rs"}, "launch": {launch}, "aud": {home + "/datastore/other/r4"}}
	wantRefusal(t, c.authorize("ann", ask), "invalid_request")
	ask.Set("aud", base)
	if rec := c.authorize("ann", ask); rec.Code != http.StatusOK {
		t.Errorf("at its own: %d %s", rec.Code, rec.Header().Get("Location"))
	}
}

// A launch gives no patient for whom the user may not act, whatever else the user
// may read.
func TestLaunchesOfOthersPatients(t *testing.T) {
	c := start(t, func(c *smart.Config) { c.Access = everything })
	c.signIn(t, "ann", "ann")
	for patient, mine := range map[string]bool{"ann": true, "cy": false} {
		launch, err := c.s.IssueLaunch(ctx, smart.Launch{ClientID: "web", DataStore: "default", Context: smart.Context{Patient: patient}})
		if err != nil {
			t.Fatal(err)
		}
		rec := c.authorize("ann", url.Values{"client_id": {"web"}, "scope": {"launch patient/*.rs"}, "launch": {launch}})
		switch {
		case !mine:
			wantRefusal(t, rec, "access_denied")
		case rec.Code != http.StatusOK:
			t.Errorf("her own: %d %s", rec.Code, rec.Header().Get("Location"))
		}
	}
}

// What a client may have no more, it cannot refresh.
func TestScopesThatWereTaken(t *testing.T) {
	c := start(t)
	raw := c.tokens(t, "web", "patient/*.rs offline_access")["refresh_token"].(string)
	web, err := c.s.Clients().Show(ctx, "web")
	if err != nil {
		t.Fatal(err)
	}
	web.Scopes = "user/Observation.rs offline_access"
	if _, err := c.s.Clients().Update(ctx, web); err != nil {
		t.Fatal(err)
	}
	wantError(t, c.refresh("web", raw), 400, "invalid_grant")
}

// A refresh token that was used ends when it would have ended, though clients may
// try again for a while.
func TestRefreshGraceEnds(t *testing.T) {
	c := start(t, func(c *smart.Config) {
		c.Lifetimes.Grace, c.Lifetimes.Refresh = 10*time.Second, 2*time.Hour
	})
	raw := c.tokens(t, "app", "patient/*.rs offline_access")["refresh_token"].(string)
	c.clock.Pass(2*time.Hour - time.Second)
	if rec := c.refresh("app", raw); rec.Code != http.StatusOK {
		t.Fatal(rec.Body)
	}
	c.clock.Pass(5 * time.Second)
	wantError(t, c.refresh("app", raw), 400, "invalid_grant")
}

// A token that was verified is found revoked when it is checked again, and a
// user's tokens end with the user's rights though no app was given anything.
func TestRevokedMeanwhile(t *testing.T) {
	c := start(t)
	ann, err := c.login.Directory().Find(ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := c.s.Mint(ctx, smart.MintRequest{ClientID: "admin", Scope: "user/*.rs", DataStore: "default", User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := c.s.Verify(ctx, raw, base)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.s.Recheck(ctx, claims, base); err != nil {
		t.Error(err)
	}
	if err := c.s.RevokeUser(ctx, ann.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.s.Recheck(ctx, claims, base); token.CodeOf(err) != token.InvalidToken {
		t.Errorf("checked again: %v", err)
	}
	if _, err := c.s.Verify(ctx, raw, base); token.CodeOf(err) != token.InvalidToken {
		t.Errorf("verified: %v", err)
	}
}

// What one app says of a token is nothing to another's; and a token that was used,
// or is not for it, tells nothing.
func TestTokensOfOthers(t *testing.T) {
	c := start(t)
	tokens := c.tokens(t, "web", "patient/*.rs offline_access")
	access := tokens["access_token"].(string)
	ask := func(client, path, raw string) *httptest.ResponseRecorder {
		return c.post(t, http.Header{}, path, url.Values{"client_id": {client}, "client_secret": {c.secrets[client]}, "token": {raw}})
	}
	if rec := ask("trusted", "/auth/revoke", access); rec.Code != http.StatusOK {
		t.Error(rec.Code, rec.Body)
	}
	if _, err := c.s.Verify(ctx, access, base); err != nil {
		t.Errorf("another app revoked the token: %v", err)
	}
	r := httptest.NewRequest(http.MethodGet, home+"/auth/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+access)
	wantError(t, c.do(nil, r), 403, "insufficient_scope")

	old := tokens["refresh_token"].(string)
	if rec := ask("web", "/auth/introspect", old); object(t, rec)["active"] != true {
		t.Errorf("before its use: %s", rec.Body)
	}
	if rec := c.refresh("web", old); rec.Code != http.StatusOK {
		t.Fatal(rec.Body)
	}
	if rec := ask("web", "/auth/introspect", old); object(t, rec)["active"] != false {
		t.Errorf("after its use: %s", rec.Body)
	}
}

// What tokens may be minted of.
func TestMintingRefused(t *testing.T) {
	c := start(t)
	gone, err := c.login.Directory().Find(ctx, "parent")
	if err == nil {
		err = c.login.Directory().Disable(ctx, gone.ID, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	for part, ask := range map[string]smart.MintRequest{
		"may not use that data store": {Scope: "system/*.rs", DataStore: "other"},
		"is disabled":                 {Scope: "user/*.rs", DataStore: "default", User: "parent"},
		"user is missing":             {Scope: "user/*.rs", DataStore: "default"},
		"patient is missing":          {Scope: "patient/*.rs", DataStore: "default", User: "ann"},
	} {
		ask.ClientID = "admin"
		if raw, _, err := c.s.Mint(ctx, ask); err == nil || raw != "" || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q, %v", part, raw, err)
		}
	}
}

// Who may not register an app is not told what is wrong with it.
func TestRegistrationNeedsItsTokenFirst(t *testing.T) {
	c := start(t, func(c *smart.Config) { c.Registration.Mode = smart.RegistrationToken })
	r := httptest.NewRequest(http.MethodPost, home+"/auth/register", strings.NewReader(`{"redirect_uris":["javascript:alert(1)"]}`))
	r.Header.Set("Content-Type", "application/json")
	wantError(t, c.do(nil, r), 401, "invalid_token")
}

// Who has no profile at the data store any more, or acts for the patient no more,
// cannot refresh.
func TestProfilesThatWereTaken(t *testing.T) {
	for name, profiles := range map[string][]login.Profile{
		"no profile": nil,
		"no patient": {{DataStore: "default", FHIRUser: "Patient/ann"}},
	} {
		c := start(t)
		c.signIn(t, "x", "parent")
		c.authorize("x", url.Values{"scope": {"launch/patient patient/*.rs offline_access"}})
		c.submit(t, "x", "patient=bob")
		to, err := url.Parse(c.submit(t, "x", "decision=allow").Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := object(t, c.redeem("app", to.Query().Get("code")))["refresh_token"].(string)
		if raw == "" {
			t.Fatal("no refresh token")
		}
		parent, err := c.login.Directory().Find(ctx, "parent")
		if err == nil {
			_, err = c.login.Directory().Update(ctx, parent.ID, func(u *login.User) error { u.Profiles = profiles; return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { wantError(t, c.refresh("app", raw), 400, "invalid_grant") })
	}
}

// Revoking a user ends what the user gave to apps; forgetting one app leaves what
// the others have.
func TestGrantsThatWereTaken(t *testing.T) {
	c := start(t)
	app, web := c.tokens(t, "app", "patient/*.rs offline_access"), c.tokens(t, "web", "patient/*.rs offline_access")
	ann, err := c.login.Directory().Find(ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	has := func(client string) bool {
		t.Helper()
		granted, err := c.s.Granted(ctx, ann.ID, client)
		if err != nil {
			t.Fatal(err)
		}
		return granted
	}
	if err := c.s.RevokeApp(ctx, ann.ID, "web"); err != nil {
		t.Fatal(err)
	}
	wantError(t, c.refresh("web", web["refresh_token"].(string)), 400, "invalid_grant")
	if !has("app") || has("web") {
		t.Errorf("after one app was forgotten: app %v, web %v", has("app"), has("web"))
	}
	if _, err := c.s.Verify(ctx, app["access_token"].(string), base); err != nil {
		t.Errorf("the other app's token: %v", err)
	}
	c.clock.Pass(time.Second)
	if err := c.s.RevokeUser(ctx, ann.ID); err != nil {
		t.Fatal(err)
	}
	if has("app") {
		t.Error("a revoked user's app has a grant")
	}
}

// A refresh token of a client that was removed is not good of one that took its
// name.
func TestTokensEndWithTheirClient(t *testing.T) {
	c := start(t)
	raw := c.tokens(t, "web", "patient/*.rs offline_access")["refresh_token"].(string)
	old, err := c.s.Clients().Show(ctx, "web")
	if err == nil {
		err = c.s.Clients().Remove(ctx, "web")
	}
	if err != nil {
		t.Fatal(err)
	}
	c.clock.Pass(time.Second)
	c.register(t, old)
	rec := c.post(t, http.Header{}, "/auth/introspect", url.Values{"client_id": {"web"}, "client_secret": {c.secrets["web"]}, "token": {raw}})
	if object(t, rec)["active"] != false {
		t.Error(rec.Body)
	}
}

// Launches and requests are for data stores as they are.
func TestDataStoresOfLaunches(t *testing.T) {
	c := start(t)
	if raw, err := c.s.IssueLaunch(ctx, smart.Launch{ClientID: "web", DataStore: "other"}); err == nil || raw != "" {
		t.Errorf("a launch at a data store that the app may not use: %v", err)
	}
	c.signIn(t, "ann", "ann")
	for _, aud := range []string{"/tenant/t1/datastore/default/r4", "/tenant//datastore/default/r4"} {
		wantRefusal(t, c.authorize("ann", url.Values{"aud": {home + aud}}), "invalid_request")
	}
}
