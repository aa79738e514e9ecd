package smart_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

// tokens walks ann through a launch of a client and returns the response of the
// token endpoint.
func (c *conversation) tokens(t *testing.T, client, scope string) map[string]any {
	t.Helper()
	code := c.code(t, client, scope)
	rec := c.redeem(client, code)
	if rec.Code != http.StatusOK {
		t.Fatalf("no tokens: %d %s", rec.Code, rec.Body)
	}
	return object(t, rec)
}

// code walks ann through a launch up to the code.
func (c *conversation) code(t *testing.T, client, scope string) string {
	t.Helper()
	if c.browsers["ann"] == nil {
		c.signIn(t, "ann", "ann")
	}
	rec := c.authorize("ann", url.Values{"client_id": {client}, "scope": {scope}})
	if rec.Code == http.StatusOK {
		rec = c.submit(t, "ann", "decision=allow")
	}
	to, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		t.Fatalf("no code: %d %s %s", rec.Code, rec.Header().Get("Location"), seen(rec))
	}
	return to.Query().Get("code")
}

func (c *conversation) redeem(client, code string) *httptest.ResponseRecorder {
	values := url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "redirect_uri": {callback}, "code": {code}, "code_verifier": {verifier}}
	if secret := c.secrets[client]; secret != "" {
		values.Set("client_secret", secret)
	}
	return c.do(nil, form(http.MethodPost, home+"/auth/token", values))
}

func (c *conversation) refresh(client, raw string) *httptest.ResponseRecorder {
	values := url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {raw}}
	if secret := c.secrets[client]; secret != "" {
		values.Set("client_secret", secret)
	}
	return c.do(nil, form(http.MethodPost, home+"/auth/token", values))
}

func object(t *testing.T, rec *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func start(t *testing.T, change ...func(*smart.Config)) *conversation {
	t.Helper()
	w := newWorld(t, change...)
	w.addClients(t, publicKeys(t))
	return newConversation(t, w)
}

func wantError(t *testing.T, rec *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	if rec.Code != status || !strings.Contains(rec.Body.String(), `"error":"`+code+`"`) {
		t.Errorf("got %d %s, want %d %s", rec.Code, rec.Body, status, code)
	}
}

// State survives a restart: clients, grants, refresh tokens, codes, used jtis.
func TestRestart(t *testing.T) {
	c := start(t)
	tokens := c.tokens(t, "app", "openid patient/*.rs offline_access")
	code := c.code(t, "app", "patient/*.rs")
	if rec := c.redeem("app", code); rec.Code != http.StatusOK {
		t.Fatal(rec.Body)
	}
	second := c.code(t, "app", "patient/*.rs")
	c.close(t)
	c.open(t)
	if _, err := c.s.Verify(ctx, tokens["access_token"].(string), base); err != nil {
		t.Error(err)
	}
	if rec := c.refresh("app", tokens["refresh_token"].(string)); rec.Code != http.StatusOK {
		t.Error(rec.Code, rec.Body)
	}
	wantError(t, c.redeem("app", code), 400, "invalid_grant")
	if rec := c.redeem("app", second); rec.Code != http.StatusOK {
		t.Error(rec.Code, rec.Body)
	}
}

// Of many who redeem one code at once, at most one gets tokens, and those are
// dead, for the code was used again (A16).
func TestCodeRace(t *testing.T) {
	c := start(t)
	code := c.code(t, "app", "patient/*.rs offline_access")
	var got []map[string]any
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			rec := c.redeem("app", code)
			if rec.Code == http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				var m map[string]any
				_ = json.Unmarshal(rec.Body.Bytes(), &m)
				got = append(got, m)
			}
		})
	}
	all.Wait()
	if len(got) > 1 {
		t.Errorf("%d got tokens", len(got))
	}
	for _, tokens := range got {
		if _, err := c.s.Verify(ctx, tokens["access_token"].(string), base); token.CodeOf(err) != token.InvalidToken {
			t.Errorf("the access token is good: %v", err)
		}
		wantError(t, c.refresh("app", tokens["refresh_token"].(string)), 400, "invalid_grant")
	}
}

// Of many who use one refresh token at once, at most one succeeds, and the
// family dies (A52).
func TestRefreshRace(t *testing.T) {
	c := start(t)
	tokens := c.tokens(t, "app", "patient/*.rs offline_access")
	var all sync.WaitGroup
	var mu sync.Mutex
	var next []string
	for range 8 {
		all.Go(func() {
			rec := c.refresh("app", tokens["refresh_token"].(string))
			var m map[string]string
			_ = json.Unmarshal(rec.Body.Bytes(), &m)
			mu.Lock()
			defer mu.Unlock()
			if m["refresh_token"] != "" {
				next = append(next, m["refresh_token"])
			}
		})
	}
	all.Wait()
	if len(next) > 1 {
		t.Errorf("%d succeeded", len(next))
	}
	for _, raw := range next {
		wantError(t, c.refresh("app", raw), 400, "invalid_grant")
	}
}

// With a grace a client that lost the answer may try again (A52).
func TestRefreshGrace(t *testing.T) {
	c := start(t, func(c *smart.Config) { c.Lifetimes.Grace = 10 * time.Second })
	raw := c.tokens(t, "app", "patient/*.rs offline_access")["refresh_token"].(string)
	for range 2 {
		if rec := c.refresh("app", raw); rec.Code != http.StatusOK {
			t.Fatal(rec.Body)
		}
		c.clock.Pass(5 * time.Second)
	}
	wantError(t, c.refresh("app", raw), 400, "invalid_grant")
}

// addAgain removes a client, and adds another of its name.
func (c *conversation) addAgain(t *testing.T, id string) {
	t.Helper()
	old, err := c.s.Clients().Show(ctx, id)
	if err == nil {
		err = c.s.Clients().Remove(ctx, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.clock.Pass(time.Second)
	if _, c.secrets[id], err = c.s.Clients().Add(ctx, old); err != nil {
		t.Fatal(err)
	}
}

// Removing a client, disabling or revoking a user, and deleting a data store
// end what was granted.
func TestEnds(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *conversation){
		"client removed": func(t *testing.T, c *conversation) {
			if err := c.s.Clients().Remove(ctx, "web"); err != nil {
				t.Fatal(err)
			}
		},
		"client removed and added again": func(t *testing.T, c *conversation) { c.addAgain(t, "web") },
		"user revoked": func(t *testing.T, c *conversation) {
			u, err := c.login.Directory().Find(ctx, "ann")
			if err == nil {
				err = c.s.RevokeUser(ctx, u.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			tokens := c.tokens(t, "web", "patient/*.rs offline_access")
			c.clock.Pass(time.Second)
			end(t, c)
			if _, err := c.s.Verify(ctx, tokens["access_token"].(string), base); token.CodeOf(err) != token.InvalidToken {
				t.Errorf("the access token is good: %v", err)
			}
			if rec := c.refresh("web", tokens["refresh_token"].(string)); rec.Code == http.StatusOK {
				t.Error("the refresh token is good")
			}
		})
	}
}

// A disabled user, and one who may no longer act for the patient, cannot
// refresh (A33).
func TestUserChanges(t *testing.T) {
	c := start(t)
	raw := c.tokens(t, "app", "patient/*.rs offline_access")["refresh_token"].(string)
	u, err := c.login.Directory().Find(ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.login.Directory().Disable(ctx, u.ID, true); err != nil {
		t.Fatal(err)
	}
	wantError(t, c.refresh("app", raw), 400, "invalid_grant")
}

// A token is good at its own data store alone.
func TestVerifyAudience(t *testing.T) {
	c := start(t)
	raw := c.tokens(t, "app", "patient/*.rs")["access_token"].(string)
	if _, err := c.s.Verify(ctx, raw, home+"/datastore/other/r4"); token.CodeOf(err) != token.InvalidToken {
		t.Errorf("got %v", err)
	}
	claims, err := c.s.Verify(ctx, raw, base)
	if err != nil || claims.Patient != "ann" {
		t.Errorf("got %+v, %v", claims, err)
	}
}

func TestClients(t *testing.T) {
	c := start(t)
	clients := c.s.Clients()
	list, err := clients.List(ctx)
	if err != nil || len(list) != 13 {
		t.Fatalf("%d clients, %v", len(list), err)
	}
	shown, err := clients.Show(ctx, "app")
	if err != nil {
		t.Fatal(err)
	}
	if i := 1; list[i].ID == "app" && cmp.Diff(list[i], shown) != "" {
		t.Error(cmp.Diff(list[i], shown))
	}
	if _, _, err := clients.Add(ctx, shown); fhir.KindOf(err) != fhir.KindConflict {
		t.Errorf("added twice: %v", err)
	}
	secret, err := clients.RotateSecret(ctx, "web")
	if err != nil || secret == c.secrets["web"] || len(secret) < 43 {
		t.Fatal(secret, err)
	}
	code := c.code(t, "web", "patient/*.rs")
	wantError(t, c.redeem("web", code), 401, "invalid_client")
	c.secrets["web"] = secret
	if rec := c.redeem("web", code); rec.Code != http.StatusOK {
		t.Error(rec.Body)
	}
	if _, err := clients.RotateSecret(ctx, "app"); fhir.KindOf(err) != fhir.KindInvalid {
		t.Errorf("a public client got a secret: %v", err)
	}
	for _, err := range []error{clients.Remove(ctx, "zzz"), second(clients.RotateSecret(ctx, "zzz")), second(clients.Show(ctx, "zzz"))} {
		if fhir.KindOf(err) != fhir.KindNotFound {
			t.Errorf("got %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Registrations that make no sense are refused, and say why (A8).
func TestClientProblems(t *testing.T) {
	c := start(t)
	good := smart.Client{
		ID: "new", Type: smart.Public, RedirectURIs: []string{callback}, Scopes: "patient/*.rs",
		Grants: []string{"authorization_code"}, DataStores: []string{"default"},
	}
	for part, change := range map[string]func(*smart.Client){
		"client id":               func(c *smart.Client) { c.ID = "a b" },
		"client type":             func(c *smart.Client) { c.Type = "secret" },
		"plain texts":             func(c *smart.Client) { c.Name = "a\nb" },
		"public keys":             func(c *smart.Client) { c.Type = smart.Asymmetric },
		"has no public keys":      func(c *smart.Client) { c.JWKSURL = "https://x.example/jwks" },
		"cannot prove who":        func(c *smart.Client) { c.MayMint = true },
		"grant type":              func(c *smart.Client) { c.Grants = []string{"password"} },
		"needs authorization_cod": func(c *smart.Client) { c.Grants = []string{"refresh_token"} },
		"needs a redirect URI":    func(c *smart.Client) { c.RedirectURIs = nil },
		"fragment":                func(c *smart.Client) { c.RedirectURIs = []string{"https://x.example/#a"} },
		"wildcard":                func(c *smart.Client) { c.RedirectURIs = []string{"https://x.example/*"} },
		"not an absolute":         func(c *smart.Client) { c.RedirectURIs = []string{"/cb"} },
		"user information":        func(c *smart.Client) { c.RedirectURIs = []string{"https://a@x.example/"} },
		"use https":               func(c *smart.Client) { c.RedirectURIs = []string{"http://x.example/cb"} },
		"launch URL":              func(c *smart.Client) { c.LaunchURL = "ftp://x" },
		"logo URL":                func(c *smart.Client) { c.LogoURL = "data:image/svg+xml;base64,AAAA" },
		"origin":                  func(c *smart.Client) { c.Origins = []string{"https://x.example/"} },
		"may live":                func(c *smart.Client) { c.AccessLifetime = 25 * time.Hour },
		"cannot be granted":       func(c *smart.Client) { c.Scopes = "patient/Nothing.rs" },
		"longer than":             func(c *smart.Client) { c.Scopes = strings.Repeat("a", 20_000) },
		"not both": func(c *smart.Client) {
			c.Type, c.JWKS, c.JWKSURL = smart.Asymmetric, publicKeys(t), "https://x.example/jwks"
		},
		"cannot be used": func(c *smart.Client) { c.Type, c.JWKS = smart.Asymmetric, json.RawMessage(`{"keys":[]}`) },
	} {
		client := good
		change(&client)
		_, _, err := c.s.Clients().Add(ctx, client)
		if fhir.KindOf(err) != fhir.KindInvalid || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v", part, err)
		}
	}
	if _, _, err := c.s.Clients().Add(ctx, good); err != nil {
		t.Error(err)
	}
}

// An initial access token registers as many apps as it says, until it expires.
func TestInitialTokens(t *testing.T) {
	c := start(t, func(c *smart.Config) { c.Registration.Mode = smart.RegistrationToken })
	raw, err := c.s.Clients().NewInitialToken(ctx, 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	app := "https://x.example/cb"
	ask := func(raw string) int {
		req := httptest.NewRequest(http.MethodPost, home+"/auth/register", strings.NewReader(`{"redirect_uris":["`+app+`"]}`))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+raw)
		return c.do(nil, req).Code
	}
	app = "javascript:alert(1)"
	if got := ask(raw); got != http.StatusBadRequest {
		t.Errorf("wrong metadata: got %d", got)
	}
	app = "https://x.example/cb"
	if got := ask(raw); got != http.StatusCreated {
		t.Errorf("after a refused app, which uses nothing up: got %d", got)
	}
	if got := ask(raw); got != http.StatusUnauthorized {
		t.Errorf("used twice: got %d", got)
	}
	if raw, err = c.s.Clients().NewInitialToken(ctx, 5, time.Hour); err != nil {
		t.Fatal(err)
	}
	c.clock.Pass(time.Hour)
	if got := ask(raw); got != http.StatusUnauthorized {
		t.Errorf("expired: got %d", got)
	}
	if _, err := c.s.Clients().NewInitialToken(ctx, 0, time.Hour); fhir.KindOf(err) != fhir.KindInvalid {
		t.Errorf("no uses: %v", err)
	}
}

// A software statement overrides the request, where its issuer is known.
func TestSoftwareStatement(t *testing.T) {
	c := start(t, func(c *smart.Config) {
		c.Registration = smart.Registration{
			Mode: smart.RegistrationOpen, RequireStatement: true,
			StatementKeys: map[string]json.RawMessage{"https://issuer.example": publicKeys(t)},
		}
	})
	statement := func(change map[string]any, key string) string {
		claims := map[string]any{
			"iss": "https://issuer.example", "client_name": "Signed", "redirect_uris": []string{"https://signed.example/cb"},
			"exp": c.clock.Now().Add(time.Hour).Unix(),
		}
		for name, value := range change {
			claims[name] = value
		}
		return sign(t, map[string]any{"alg": "ES384", "kid": "ec", "typ": "JWT"}, claims, key)
	}
	ask := func(body map[string]any) *httptest.ResponseRecorder {
		raw, _ := json.Marshal(body)
		req := httptest.NewRequest(http.MethodPost, home+"/auth/register", strings.NewReader(string(raw)))
		req.Header.Set("Content-Type", "application/json")
		return c.do(nil, req)
	}
	rec := ask(map[string]any{"client_name": "Liar", "redirect_uris": []string{"https://liar.example/cb"}, "software_statement": statement(nil, "")})
	if rec.Code != http.StatusCreated || !strings.Contains(rec.Body.String(), "Signed") || strings.Contains(rec.Body.String(), "liar") {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	wantError(t, ask(map[string]any{"redirect_uris": []string{"https://x.example/"}}), 400, "invalid_software_statement")
	wantError(t, ask(map[string]any{"software_statement": statement(nil, "other")}), 400, "invalid_software_statement")
	wantError(t, ask(map[string]any{"software_statement": statement(map[string]any{"exp": 1}, "")}), 400, "invalid_software_statement")
	wantError(t, ask(map[string]any{"software_statement": statement(map[string]any{"iss": "x"}, "")}), 400, "unapproved_software_statement")
	wantError(t, ask(map[string]any{"software_statement": sign(t, map[string]any{"alg": "none"}, map[string]any{"iss": "https://issuer.example"}, "")}), 400, "invalid_software_statement")
}

// The oauth-uris of a CapabilityStatement (A5).
func TestOAuthURIs(t *testing.T) {
	c := start(t)
	want := map[string]string{
		"authorize": home + "/auth/authorize", "token": home + "/auth/token", "introspect": home + "/auth/introspect",
		"revoke": home + "/auth/revoke", "manage": home + "/auth/apps",
	}
	if diff := cmp.Diff(want, c.s.OAuthURIs()); diff != "" {
		t.Error(diff)
	}
}

// What clients send never ends up in the log as they sent it, and secrets never
// do.
func TestLog(t *testing.T) {
	c := start(t)
	tokens := c.tokens(t, "web", "openid patient/*.rs offline_access")
	code := c.code(t, "web", "patient/*.rs")
	c.authorize("ann", url.Values{"client_id": {"x\nlevel=ERROR msg=forged"}})
	c.redeem("web", "guess\nlevel=ERROR")
	c.refresh("web", "wrong-token")
	for _, secret := range []string{
		tokens["access_token"].(string), tokens["refresh_token"].(string), tokens["id_token"].(string), code,
		c.secrets["web"], verifier, password, "wrong-token", "\nlevel=ERROR", "Ann Lee", "1980-04-01",
	} {
		if strings.Contains(c.logged(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(c.logged(), "event=authorized") {
		t.Error("the log does not tell of the authorization")
	}
}

// Minting is for clients with the right, and is told to the audit log.
func TestMint(t *testing.T) {
	var events []smart.Event
	c := start(t, func(c *smart.Config) { c.Event = collect(&events) })
	raw, expires, err := c.s.Mint(ctx, smart.MintRequest{ClientID: "admin", Scope: "patient/*.rs", DataStore: "default", Patient: "ann"})
	if err != nil || !expires.Equal(c.clock.Now().Add(time.Hour)) {
		t.Fatal(expires, err)
	}
	if claims, err := c.s.Verify(ctx, raw, base); err != nil || claims.Patient != "ann" {
		t.Errorf("got %+v, %v", claims, err)
	}
	if len(events) != 1 || events[0].Kind != "minted" || events[0].Patient != "ann" {
		t.Errorf("events: %+v", events)
	}
	if _, _, err := c.s.Mint(ctx, smart.MintRequest{ClientID: "svc", Scope: "system/*.rs", DataStore: "default"}); err == nil {
		t.Error("minted without the right")
	}
	if _, _, err := c.s.Mint(ctx, smart.MintRequest{ClientID: "zzz"}); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("an unknown client: %v", err)
	}
}

// New refuses a configuration that is not whole.
func TestNewChecks(t *testing.T) {
	if _, err := smart.New(smart.Config{}); err == nil {
		t.Error("an empty configuration was taken")
	}
	c := start(t)
	for name, change := range map[string]func(*smart.Config){
		"issuer":       func(c *smart.Config) { c.BaseURL = "https://other.test" },
		"mode":         func(c *smart.Config) { c.Registration.Mode = "maybe" },
		"statement":    func(c *smart.Config) { c.Registration.RequireStatement = true },
		"the JWKS can": func(c *smart.Config) { c.Registration.StatementKeys = map[string]json.RawMessage{"x": nil} },
	} {
		err := c.tryNew(change)
		if err == nil || !strings.Contains(err.Error(), name) && !strings.Contains(err.Error(), "statements") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
