package login

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// An issuer is an OpenID Connect provider that signs the person in whom the
// test says, without asking.
type issuer struct {
	t      *testing.T
	server *httptest.Server
	key    *ecdsa.PrivateKey
	clock  *clock
	names  bool // puts iss into its responses

	mu     sync.Mutex
	claims map[string]any // of the ID token
	info   map[string]any // of userinfo
	codes  map[string]url.Values
	deny   string // error to answer with
	twist  func(c claims)
	seen   url.Values // of the last request for a token
	signer *ecdsa.PrivateKey
}

func newIssuer(t *testing.T, clock *clock) *issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, signer: key, clock: clock, codes: map[string]url.Values{}}
	i.server = httptest.NewServer(i)
	t.Cleanup(i.server.Close)
	i.says("sub-1", "email", "grace@example.org", "email_verified", true, "name", "Grace Hopper", "preferred_username", "grace")
	return i
}

// says sets who signs in next.
func (i *issuer) says(subject string, pairs ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims, i.info = map[string]any{"sub": subject}, map[string]any{"sub": subject}
	for k := 0; k < len(pairs); k += 2 {
		i.claims[pairs[k].(string)] = pairs[k+1]
	}
}

// asked is the last request for a token.
func (i *issuer) asked() url.Values {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.seen
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	base := i.server.URL
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		i.json(w, map[string]any{
			"issuer": base, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token", "jwks_uri": base + "/keys",
			"userinfo_endpoint": base + "/userinfo", "id_token_signing_alg_values_supported": []string{"ES256"},
			"authorization_response_iss_parameter_supported": i.names,
		})
	case "/keys":
		i.json(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	case "/token":
		i.token(w, r)
	case "/userinfo":
		i.json(w, i.info)
	default:
		http.NotFound(w, r)
	}
}

func (i *issuer) json(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

// authorize is the browser's visit to the authorization endpoint: it returns
// where the provider would send it.
func (i *issuer) authorize(to string) string {
	i.t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		i.t.Fatal(err)
	}
	q := u.Query()
	if !strings.HasPrefix(to, i.server.URL+"/authorize?") || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" {
		i.t.Fatalf("request for authorization: %s", to)
	}
	back := url.Values{"state": {q.Get("state")}}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.deny != "" {
		back.Set("error", i.deny)
	} else {
		code := newID()
		i.codes[code] = q
		back.Set("code", code)
	}
	if i.names {
		back.Set("iss", i.server.URL)
	}
	return q.Get("redirect_uri") + "?" + back.Encode()
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	i.seen = r.PostForm
	asked, ok := i.codes[r.PostForm.Get("code")]
	delete(i.codes, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") || r.PostForm.Get("redirect_uri") != asked.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		i.json(w, map[string]any{"error": "invalid_grant", "error_description": "about somebody@example.org"})
		return
	}
	now := i.clock.Now()
	c := claims{"iss": i.server.URL, "aud": "tarn", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "nonce": asked.Get("nonce")}
	for name, value := range i.claims {
		c[name] = value
	}
	if i.twist != nil {
		i.twist(c)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.signer}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		i.t.Error(err)
		return
	}
	payload, _ := json.Marshal(c)
	signed, err := signer.Sign(payload)
	if err != nil {
		i.t.Error(err)
		return
	}
	raw, _ := signed.CompactSerialize()
	i.json(w, map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": raw})
}

// provider is the issuer as the service's configuration has it.
func (i *issuer) provider(change func(*Provider)) func(*Config) {
	p := Provider{ID: "clinic", Name: "Clinic ID", Issuer: i.server.URL, ClientID: "tarn", ClientSecret: "s3cret"}
	if change != nil {
		change(&p)
	}
	return func(c *Config) { c.Providers = append(c.Providers, p) }
}

func federation(t *testing.T, change func(*Provider)) (*world, *issuer) {
	w := newWorld(t)
	i := newIssuer(t, w.clock)
	w.serve(i.provider(change))
	return w, i
}

// visit goes from the sign-in page to the provider and back.
func (p *person) visit(i *issuer) *person {
	p.t.Helper()
	p.get("/login")
	p.get(p.link("/login/with/clinic"))
	return p.get(i.authorize(p.head.Get("Location")))
}

func TestProviderCreatesUsers(t *testing.T) {
	w, i := federation(t, func(p *Provider) { p.Create = true })
	p := w.person()
	w.signInWith(p, SignInRequest{ReturnTo: "/auth/continue?id=7", Hint: "grace@example.org"})
	p.follow().want(200, "Continue with Clinic ID")
	p.get(p.link("/login/with/clinic"))
	to := p.head.Get("Location")
	if !strings.Contains(to, "login_hint=grace%40example.org") || strings.Contains(to, "prompt=") {
		t.Errorf("request: %s", to)
	}
	p.get(i.authorize(to)).wantRedirect("/auth/continue?id=7")
	_, user := p.session()
	if user == nil || user.Username != "grace" || user.Name != "Grace Hopper" || user.Email != "grace@example.org" || len(user.Roles) > 0 {
		t.Fatalf("user %+v", user)
	}
	s := p.wantUser(user.ID, "fed")
	if s.Provider != "clinic" || !slices.Equal(w.kinds(), []string{"user-created", "sign-in"}) {
		t.Errorf("session %+v, events %v", s, w.kinds())
	}
	if i.asked().Get("code_verifier") == "" {
		t.Error("no PKCE")
	}
	// The same subject is the same user, whatever their address is now.
	i.says("sub-1", "email", "new@example.org", "amr", []string{"pwd", "mfa"}, "name", "Other", "preferred_username", "other")
	w.person().visit(i).wantRedirect("/account").wantUser(user.ID, "fed", "mfa")
	// They have no password here, and no factors.
	for _, path := range []string{"/account/password", "/account/totp", "/account/passkeys"} {
		p.get(path).want(403, "through another provider")
	}
	p.get("/account").want(200, "through another provider").want(200, "Linked")
	w.person().signIn("grace", "").want(422, "The name or the proof")

	if err := w.s.Directory().Disable(t.Context(), user.ID, true); err != nil {
		t.Fatal(err)
	}
	w.person().visit(i).want(403, "has no access here")
}

func TestProviderClaims(t *testing.T) {
	w, i := federation(t, func(p *Provider) {
		p.Create = true
		p.Claims = ClaimMapping{
			Username: "upn", FHIRUser: "ext.fhirUser", DataStore: "main", Roles: "realm_access.roles",
			RoleOf: map[string]string{"doctors": "clinician", "it": "administrator"},
		}
	})
	i.says("s", "upn", "dr.who", "name", "Dr Who", "ext", map[string]any{"fhirUser": "Practitioner/7"},
		"realm_access", map[string]any{"roles": []string{"doctors", "it", "painters"}})
	p := w.person()
	p.visit(i).wantRedirect("/account")
	_, user := p.session()
	if profile, _ := user.Profile("main"); profile.FHIRUser != "Practitioner/7" || !slices.Equal(user.Roles, []string{"clinician", "administrator"}) || user.Username != "dr.who" {
		t.Fatalf("user %+v", user)
	}
	if _, err := w.s.Directory().Update(t.Context(), user.ID, func(u *User) error {
		u.Roles = append(u.Roles, "local")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// Next time the provider gives less, in userinfo, and by an absolute URL.
	i.says("s", "upn", "dr.who")
	i.mu.Lock()
	i.info = map[string]any{"sub": "s", "realm_access": map[string]any{"roles": "doctors"}, "ext": map[string]any{"fhirUser": home + "/datastore/main/r4/Practitioner/8"}}
	i.mu.Unlock()
	p = w.person()
	p.visit(i).wantRedirect("/account")
	_, user = p.session()
	if profile, _ := user.Profile("main"); profile.FHIRUser != "Practitioner/8" || !slices.Equal(user.Roles, []string{"local", "clinician"}) {
		t.Fatalf("user %+v", user)
	}
	i.mu.Lock()
	i.info["sub"] = "somebody else"
	i.mu.Unlock()
	w.person().visit(i).want(403, "could not be trusted")
	i.says("s", "upn", "dr.who", "name", "x", "email", "x@example.org", "realm_access", map[string]any{"roles": "it"}, "ext", map[string]any{"fhirUser": "https://evil.example/Practitioner/1"})
	w.person().visit(i).want(403, "cannot be used here")
}

func TestProviderLinks(t *testing.T) {
	w, i := federation(t, nil)
	grace := w.add("grace")
	w.person().visit(i).want(403, "has no access here") // not by address, not by name

	w.serve(i.provider(func(p *Provider) { p.Create = true }))
	w.person().visit(i).want(403, "already has the name")

	w.serve(i.provider(func(p *Provider) { p.LinkByEmail = true }))
	i.says("sub-1", "email", "grace@example.org", "email_verified", false)
	w.person().visit(i).want(403, "has no access here")
	i.says("sub-1", "email", "grace@example.org")
	w.person().visit(i).want(403, "has no access here")
	i.says("sub-1", "email", "Grace@Example.org", "email_verified", "true")
	w.person().visit(i).wantRedirect("/account").wantUser(grace.ID, "fed")
	// Another account there with the same address is not hers too.
	i.says("sub-2", "email", "grace@example.org", "email_verified", true)
	w.person().visit(i).want(403, "already has the name")
}

func TestLinkFromAccount(t *testing.T) {
	w, i := federation(t, nil)
	grace, ana := w.add("grace"), w.add("ana")
	p := w.person()
	p.signIn("grace", good)
	p.get("/account").want(200, "Not linked")
	link := p.link("/account/links/clinic")
	p.get(link)
	p.get(i.authorize(p.head.Get("Location"))).wantRedirect("/account").follow().want(200, "Linked")
	w.person().visit(i).wantRedirect("/account").wantUser(grace.ID, "fed")

	q := w.person()
	q.signIn("ana", good)
	q.get("/account")
	q.get(link).want(400, "another browser")
	q.get("/account/links/clinic").want(400, "run out of time")
	q.get("/account")
	q.get(q.link("/account/links/clinic"))
	q.get(i.authorize(q.head.Get("Location"))).want(403, "belongs to another user")
	// Who signs out on the way links nothing.
	i.says("sub-9")
	q.get("/account")
	q.get(q.link("/account/links/clinic"))
	back := i.authorize(q.head.Get("Location"))
	q.get("/logout").submit("/logout")
	q.get(back).want(400, "run out of time")
	if f, err := w.s.Directory().Factors(t.Context(), ana.ID); err != nil || len(f.Links) > 0 {
		t.Errorf("links %+v, %v", f.Links, err)
	}
	p.get("/account").submit("/account/links/remove").wantRedirect("/account").follow().want(200, "Not linked")
	i.says("sub-1")
	w.person().visit(i).want(403, "has no access here")
	// An old session must sign in again first.
	w.clock.Pass(16 * time.Minute)
	p.get("/account")
	p.get(p.link("/account/links/clinic")).wantRedirect("/login")
}

func TestProviderRefusals(t *testing.T) {
	w, i := federation(t, func(p *Provider) { p.Create = true })
	i.mu.Lock()
	i.names = true
	i.mu.Unlock()
	for name, twist := range map[string]func(claims){
		"another nonce":    func(c claims) { c["nonce"] = "x" },
		"no nonce":         func(c claims) { delete(c, "nonce") },
		"another audience": func(c claims) { c["aud"] = "other" },
		"another issuer":   func(c claims) { c["iss"] = "https://evil.example" },
		"expired":          func(c claims) { c["exp"] = w.clock.Now().Add(-time.Hour).Unix() },
		"no subject":       func(c claims) { c["sub"] = "" },
		"a wrong at_hash":  func(c claims) { c["at_hash"] = "x" },
	} {
		i.mu.Lock()
		i.twist = twist
		i.mu.Unlock()
		p := w.person()
		p.visit(i)
		if p.status != 403 || !strings.Contains(visible(p.body), "could not be trusted") {
			t.Errorf("%s: status %d\n%s", name, p.status, visible(p.body))
		}
		p.wantNobody()
	}
	i.mu.Lock()
	i.twist = nil
	i.mu.Unlock()

	// RFC 9207: an issuer that says that it names itself must, and rightly.
	for _, iss := range []string{"", "https://evil.example"} {
		p := w.person()
		p.get("/login")
		p.get(p.link("/login/with/clinic"))
		back, _ := url.Parse(i.authorize(p.head.Get("Location")))
		q := back.Query()
		q.Set("iss", iss)
		p.get(back.Path+"?"+q.Encode()).want(403, "could not be trusted")
	}
	for code, want := range map[string]string{"access_denied": "did not allow it", "server_error\nforged": "did not sign you in"} {
		i.mu.Lock()
		i.deny = code
		i.mu.Unlock()
		w.person().visit(i).want(403, want)
	}
	i.mu.Lock()
	i.deny = ""
	i.mu.Unlock()

	p := w.person()
	p.get("/login")
	p.get(p.link("/login/with/clinic"))
	back := i.authorize(p.head.Get("Location"))
	w.person().get(back).want(400, "another browser")
	u, _ := url.Parse(back)
	p.get(u.Path+"?state=short&code=x").want(400, "run out of time")
	p.get(u.Path+"?code=x").want(400, "run out of time")
	p.get("/login/callback/other?"+u.RawQuery).want(404, "no such page")
	p.get("/login/with/other").want(404, "no such page")
	p.get(back).wantRedirect("/account")
	p.get(back).want(400, "run out of time")
	p.get("/logout").submit("/logout")
	p.get("/login")
	p.get(p.link("/login/with/clinic"))
	back = i.authorize(p.head.Get("Location"))
	w.clock.Pass(16 * time.Minute)
	p.get(back).want(400, "run out of time")

	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	i.signer = other
	i.mu.Unlock()
	w.person().visit(i).want(403, "could not be trusted")
	if text := w.log.String(); strings.Contains(text, "somebody@") || strings.Contains(text, "\nforged") || strings.Contains(text, "Grace") {
		t.Errorf("the log holds what it should not:\n%s", text)
	}
}

// TestProviderMixUp takes the response of one provider to the callback of
// another.
func TestProviderMixUp(t *testing.T) {
	w := newWorld(t)
	i, evil := newIssuer(t, w.clock), newIssuer(t, w.clock)
	w.serve(i.provider(nil), evil.provider(func(p *Provider) { p.ID = "evil" }))
	p := w.person()
	p.get("/login")
	p.get(p.link("/login/with/clinic"))
	back, _ := url.Parse(i.authorize(p.head.Get("Location")))
	p.get("/login/callback/evil?"+back.RawQuery).want(400, "run out of time")
	if evil.asked() != nil {
		t.Error("the other provider got the code")
	}
}

func TestProviderForced(t *testing.T) {
	w, i := federation(t, func(p *Provider) { p.Create = true })
	p := w.person()
	w.signInWith(p, SignInRequest{ReturnTo: "/x", Force: true})
	p.follow()
	again := func() *person {
		p.get(p.link("/login/with/clinic"))
		if !strings.Contains(p.head.Get("Location"), "prompt=login") {
			t.Errorf("request %s", p.head.Get("Location"))
		}
		return p.get(i.authorize(p.head.Get("Location")))
	}
	page := p.body
	i.says("sub-1", "preferred_username", "grace", "auth_time", w.clock.Now().Add(-time.Hour).Unix())
	again().want(403, "could not be trusted")
	p.body = page
	i.says("sub-1", "preferred_username", "grace", "auth_time", w.clock.Now().Unix())
	again().wantRedirect("/x")
}

func TestProviderAway(t *testing.T) {
	w, i := federation(t, nil)
	i.server.Close()
	p := w.person()
	p.get("/login")
	p.get(p.link("/login/with/clinic")).want(502, "Clinic ID cannot be reached")
}

// TestProvidersChangeWhileServing replaces the providers: who is at one that stays
// comes back, who is at one that goes does not, and what is refused changes
// nothing.
func TestProvidersChangeWhileServing(t *testing.T) {
	w, i := federation(t, func(p *Provider) { p.Create = true })
	before := w.s.Providers()
	away := func() (*person, string) {
		p := w.person()
		p.get("/login")
		p.get(p.link("/login/with/clinic"))
		return p, i.authorize(p.head.Get("Location"))
	}
	stays, back := away()
	second := Provider{ID: "second", Name: "Second ID", Issuer: "https://second.example", ClientID: "c"}
	if err := w.s.SetProviders(append(slices.Clip(before), second)); err != nil {
		t.Fatal(err)
	}
	stays.get(back).wantRedirect("/account")
	w.person().get("/login").want(200, "Continue with Clinic ID").want(200, "Continue with Second ID")
	if err := w.s.SetProviders([]Provider{{ID: "A/b"}}); err == nil || len(w.s.Providers()) != 2 {
		t.Errorf("refused: %v, %v", err, w.s.Providers())
	}
	goes, back := away()
	if err := w.s.SetProviders([]Provider{second}); err != nil {
		t.Fatal(err)
	}
	goes.get(back).want(404, "")
	w.person().get("/login/with/clinic").want(404, "")
}

// TestProvidersThatStay are not asked again what they say of themselves.
func TestProvidersThatStay(t *testing.T) {
	w, i := federation(t, nil)
	w.person().visit(i)
	i.server.Close()
	if err := w.s.SetProviders(slices.Clone(w.s.Providers())); err != nil {
		t.Fatal(err)
	}
	p := w.person()
	p.get("/login")
	p.get(p.link("/login/with/clinic")).want(303, "")
}

func TestProviderConfiguration(t *testing.T) {
	ok := Provider{ID: "x", Issuer: "https://id.example", ClientID: "c"}
	for name, change := range map[string]func(*Provider){
		"":                func(*Provider) {},
		"loopback":        func(p *Provider) { p.Issuer = "http://127.0.0.1:1" },
		"id ":             func(p *Provider) { p.ID = "" },
		"id":              func(p *Provider) { p.ID = "A/b" },
		"issuer: http":    func(p *Provider) { p.Issuer = "http://id.example" },
		"issuer":          func(p *Provider) { p.Issuer = "id.example" },
		"issuer with ?":   func(p *Provider) { p.Issuer = "https://id.example?x" },
		"client id is ''": func(p *Provider) { p.ClientID = "" },
	} {
		p := ok
		change(&p)
		_, err := newUpstreams(Config{}, nil, []Provider{p}, nil)
		if fine := name == "" || name == "loopback"; (err == nil) != fine {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := newUpstreams(Config{}, nil, []Provider{ok, ok}, nil); err == nil {
		t.Error("two providers with one id")
	}
}
