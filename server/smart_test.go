package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/profile"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/smart"
)

// TestSMARTDemo walks through the whole demonstration as a person and an app do.
func TestSMARTDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 100 patients")
	}
	dir := t.TempDir()
	c := smartConfig(t, dir)
	c.Demo = true
	r := start(t, c)
	d := r.demo
	r.want("/demo/launch", 200, `data-client="demo-app"`, r.cfg.BaseURL+"/datastore/default/r4")
	r.want("/demo/app.js", 200, "code_challenge_method")
	r.want("/demo/app.css", 200, "color-scheme")
	r.want("/demo/other", 404)
	for _, u := range d.users {
		if !strings.Contains(r.out.String(), u.username) || !strings.Contains(r.out.String(), u.password) {
			t.Errorf("%s is not announced", u.username)
		}
		if strings.Contains(r.log.String(), u.password) {
			t.Errorf("the password of %s is in the log", u.username)
		}
	}

	granted := r.walkPatient(d)
	r.walkPractitioner(d)
	r.walkProfile(d)

	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{granted.Access, granted.Refresh, d.patient} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}

	// The next start knows users, grants and keys: the refresh token is good,
	// and the passwords are those of before. The address is the same.
	c.Listen, c.BaseURL = r.addr, r.cfg.BaseURL
	again := start(t, c)
	again.wantFHIR(granted.Access, "Patient/"+d.patient, 200)
	fresh := again.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {granted.Refresh}, "client_id": {demoAppID}})
	again.wantFHIR(fresh.Access, "Patient/"+d.patient, 200)
	if again.demo.users[0].password != d.users[0].password {
		t.Error("the second start has other passwords")
	}
}

// walkPatient launches the app as the patient.
func (r *running) walkPatient(d *demonstration) tokens {
	r.t.Helper()
	w := r.walker().launch()
	if w.at.Path != "/login" {
		r.t.Fatalf("a launch leads to %s", w.at)
	}
	w.submit(map[string]string{"username": d.users[0].username, "password": "violet harbour lantern"})
	if w.at.Path != "/login" || w.status == 200 {
		r.t.Errorf("the wrong password leads to %s, %d", w.at, w.status)
	}
	w.submit(map[string]string{"username": "DEMO-Patient", "password": d.users[0].password})
	if !strings.Contains(w.text, "Sample SMART app") || w.at.Path != "/auth/consent" {
		r.t.Fatalf("after the sign-in: %s %s", w.at, w.text)
	}
	got := w.submit(map[string]string{"decision": "allow"}).redeem()
	if got.Patient != d.patient || got.ID == "" || got.Refresh == "" || !strings.Contains(got.Scope, "patient/*.rs") {
		r.t.Fatalf("the token response is %+v", got)
	}
	r.wantFHIR(got.Access, "Patient/"+d.patient, 200, d.patient)
	r.wantFHIR(got.Access, "Patient?_total=accurate", 200, `"total":1`)
	r.wantFHIR(got.Access, "Observation?patient="+d.patient+"&_count=1", 200, `"Patient/`+d.patient)
	r.wantFHIR(got.Access, "Patient/"+d.other, 404, "does not exist")
	r.wantFHIR(got.Access, "Patient/none", 404, "does not exist")
	r.wantFHIR(got.Access, "Observation?patient="+d.other+"&_total=accurate", 200, `"total":0`)
	r.wantFHIR("", "Patient/"+d.patient, 401, "access token")
	r.wantFHIR(got.Access+"x", "Patient/"+d.patient, 401)
	if _, _, header := r.ask("", "Patient"); !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") {
		r.t.Errorf("the challenge is %q", header.Values("WWW-Authenticate"))
	}
	if w.open("/auth/apps"); !strings.Contains(w.text, "Sample SMART app") {
		r.t.Errorf("the list of apps lacks the app: %s", w.text)
	}
	return got
}

// walkPractitioner launches the app as the practitioner, who finds a patient of
// theirs, and not one of somebody else's.
func (r *running) walkPractitioner(d *demonstration) {
	r.t.Helper()
	w := r.walker().launch().submit(map[string]string{"username": d.users[1].username, "password": d.users[1].password})
	if w.at.Path != "/auth/patients" {
		r.t.Fatalf("after the sign-in: %s %s", w.at, w.text)
	}
	w.submit(map[string]string{"find": "yes", "name": strings.Fields(d.users[0].name)[0]})
	if !strings.Contains(w.text, `value="`+d.patient+`"`) {
		r.t.Fatalf("the practitioner does not find their patient: %s", w.text)
	}
	w.submit(map[string]string{"patient": d.patient})
	got := w.submit(map[string]string{"decision": "allow"}).redeem()
	if got.Patient != d.patient {
		r.t.Errorf("the token response is %+v", got)
	}
	r.wantFHIR(got.Access, "Patient/"+d.patient, 200)
	w = r.walker().launch().submit(map[string]string{"username": d.users[1].username, "password": d.users[1].password})
	if w.submit(map[string]string{"patient": d.other}); !strings.Contains(w.location, "error=access_denied") {
		r.t.Errorf("the practitioner chooses another's patient: %d %q %s", w.status, w.location, w.at)
	}
}

// walkProfile gets tokens for the command line.
func (r *running) walkProfile(d *demonstration) {
	r.t.Helper()
	p, err := profile.Load(r.cfg.BaseURL)
	if err != nil || p.ClientID != demoServiceID {
		r.t.Fatalf("the profile is %+v, %v", p, err)
	}
	system, err := p.Token(context.Background(), nil, profile.Ask{Scope: "system/*.rs", DataStore: DefaultStore})
	if err != nil {
		r.t.Fatal(err)
	}
	r.wantFHIR(system.Access, "Patient?_total=accurate", 200, `"total":100`)
	minted, err := p.Token(context.Background(), nil, profile.Ask{Scope: "user/*.rs", DataStore: DefaultStore, User: "demo-admin"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.wantFHIR(minted.Access, "Patient/"+d.other, 200)
	if !strings.Contains(r.log.String(), "minted") {
		r.t.Error("the log does not say that a token was minted")
	}
	if strings.Contains(r.log.String(), p.ClientSecret) {
		r.t.Error("the secret is in the log")
	}
}

// TestSMARTMetadata reads what is open to everybody.
func TestSMARTMetadata(t *testing.T) {
	r := start(t, smartConfig(t, t.TempDir()))
	r.want("/datastore/default/r4/.well-known/smart-configuration", 200, r.cfg.BaseURL+"/auth/authorize", "launch-standalone")
	r.want("/datastore/other/r4/.well-known/smart-configuration", 404)
	r.want("/auth/.well-known/openid-configuration", 200, `"issuer":"`+r.cfg.BaseURL+`/auth"`)
	r.want(smart.MetadataPath, 200, "pushed_authorization_request_endpoint")
	r.want("/auth/jwks", 200, "ES384", "RS384")
	r.want("/login", 200, "<form")
	if w := r.walker().open("/account"); w.status != 200 || w.at.Path != "/login" {
		t.Errorf("/account without a sign-in leads to %s, %d", w.at, w.status)
	}
	r.want("/authority", 404, "OperationOutcome")
	r.want("/demo/launch", 404)
	_, text := r.get("/datastore/default/r4/metadata")
	var statement struct {
		Rest []struct {
			Security struct {
				CORS      bool
				Service   []struct{ Coding []struct{ Code string } }
				Extension []struct {
					URL       string
					Extension []struct{ URL, ValueURI string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &statement); err != nil {
		t.Fatal(err)
	}
	security := statement.Rest[0].Security
	uris := map[string]string{}
	for _, e := range security.Extension[0].Extension {
		uris[e.URL] = e.ValueURI
	}
	if !security.CORS || security.Service[0].Coding[0].Code != "SMART-on-FHIR" || uris["authorize"] != r.cfg.BaseURL+"/auth/authorize" || uris["token"] != r.cfg.BaseURL+"/auth/token" {
		t.Errorf("security is %+v", security)
	}
	if _, there := uris["register"]; there {
		t.Error("registration is advertised, and off")
	}
}

// TestSettingsReachTheServices starts with what tarn.yaml can say of sign-in.
func TestSettingsReachTheServices(t *testing.T) {
	c, _, err := loadFile(t, `
providers: [{id: okta, name: Hospital sign-in, issuer: "https://hospital.okta.com", client_id: tarn}]
registration: {mode: open}
password: {min_length: 20}
token: {service: 7m}
access:
  practitioners: [all]
  roles: [{name: nurse, rules: [{types: [Observation]}]}]
`, Sources{})
	if err != nil {
		t.Fatal(err)
	}
	base := smartConfig(t, t.TempDir())
	c.Data, c.Listen, c.CacheSize, c.PasswordCost = base.Data, base.Listen, base.CacheSize, base.PasswordCost
	r := start(t, c)
	r.want("/login", 200, "Hospital sign-in", "/login/with/okta")
	r.want("/datastore/default/r4/.well-known/smart-configuration", 200, r.cfg.BaseURL+"/auth/register")
	r.want("/datastore/default/r4/metadata", 200, r.cfg.BaseURL+"/auth/register")

	ctx, a := context.Background(), openTestAdmin(t, c.Data)
	if _, err := a.AddUser(ctx, admin.NewUser{Username: "short", Name: "x", Password: "violet harbour 1"}); err == nil || !strings.Contains(err.Error(), "at least 20 characters") {
		t.Errorf("a password of 16 characters: %v", err)
	}
	client, err := a.AddClient(ctx, smart.Client{
		ID: "svc", Type: smart.Symmetric, MayMint: true, Scopes: "system/*.rs user/*.rs", Grants: []string{"client_credentials"}, DataStores: []string{"*"},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := profile.Profile{Server: r.cfg.BaseURL, ClientID: client.ID, ClientSecret: client.Secret}
	service, err := p.Token(ctx, nil, profile.Ask{Scope: "system/*.rs", DataStore: DefaultStore})
	if left := time.Until(service.Expires); err != nil || left < 6*time.Minute || left > 7*time.Minute {
		t.Errorf("the token of a service lives for %s, %v", left, err)
	}
	if _, err := a.AddUser(ctx, admin.NewUser{Username: "nurse", Name: "x", Roles: []string{"nurse"}, Profiles: []login.Profile{{DataStore: "*", FHIRUser: "Practitioner/7"}}}); err != nil {
		t.Fatal(err)
	}
	nurse, err := p.Token(ctx, nil, profile.Ask{Scope: "user/*.rs", DataStore: DefaultStore, User: "nurse"})
	if err != nil {
		t.Fatal(err)
	}
	r.wantFHIR(nurse.Access, "Observation", 200)
	r.wantFHIR(nurse.Access, "Condition", 403)
}

// TestKeysOfClientsOnThisMachine: behind a proxy the server listens at a loopback
// address, and clients from everywhere do not make it ask what is on its machine.
func TestKeysOfClientsOnThisMachine(t *testing.T) {
	for base, want := range map[string]int{"": http.StatusCreated, "https://fhir.example.org": http.StatusBadRequest} {
		c := smartConfig(t, t.TempDir())
		c.BaseURL, c.Registration.Mode = base, smart.RegistrationOpen
		r := start(t, c)
		for _, keys := range []string{"http://127.0.0.1:1/jwks", "https://localhost/jwks"} {
			body := `{"redirect_uris": ["https://app.example.org/cb"], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "` + keys + `"}`
			res, err := http.Post("http://"+r.Addr()+"/auth/register", "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("with the base URL %q, keys at %s: %s, want %d", base, keys, res.Status, want)
			}
		}
	}
}

// TestNoAuthorization serves no pages that could not work.
func TestNoAuthorization(t *testing.T) {
	dir := t.TempDir()
	r := start(t, testConfig(dir))
	for _, path := range []string{"/login", "/auth/token", "/datastore/default/r4/.well-known/smart-configuration", smart.MetadataPath} {
		r.want(path, 404)
	}
	if _, text := r.get("/datastore/default/r4/metadata"); strings.Contains(text, "oauth-uris") {
		t.Error("the CapabilityStatement speaks of OAuth")
	}
	if _, err := os.Stat(filepath.Join(dir, masterKeyName)); err == nil {
		t.Error("a master key was made that nobody needs")
	}
}

// TestOrigins asks as scripts of registered, configured and other origins.
func TestOrigins(t *testing.T) {
	c := smartConfig(t, t.TempDir())
	c.Origins = []string{"https://configured.example"}
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	_, err := a.AddClient(context.Background(), smart.Client{
		ID: "app", Type: smart.Public, Scopes: "patient/*.rs", Grants: []string{"authorization_code"}, DataStores: []string{"*"},
		RedirectURIs: []string{"https://app.example/cb"}, Origins: []string{"https://app.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]string{"https://app.example": "https://app.example", "https://configured.example": "https://configured.example", "https://evil.example": "", "null": ""} {
		for _, method := range []string{http.MethodOptions, http.MethodGet} {
			req, err := http.NewRequest(method, r.cfg.BaseURL+"/datastore/default/r4/Patient", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", origin)
			req.Header.Set("Access-Control-Request-Method", "GET")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != want || !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Origin") {
				t.Errorf("%s of %s: allowed is %q, Vary %q", method, origin, got, res.Header.Values("Vary"))
			}
			if method == http.MethodOptions && (res.Header.Get("Access-Control-Allow-Headers") != "") != (want != "") {
				t.Errorf("the preflight of %s allows the headers %q", origin, res.Header.Get("Access-Control-Allow-Headers"))
			}
		}
	}
}

func openTestAdmin(t *testing.T, dir string) *admin.Admin {
	t.Helper()
	a, err := OpenAdmin(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// TestDisabledUser loses what apps were given, at once.
func TestDisabledUser(t *testing.T) {
	ctx := context.Background()
	c := smartConfig(t, t.TempDir())
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	client, err := a.AddClient(ctx, smart.Client{ID: "tests", Type: smart.Symmetric, MayMint: true, Scopes: "user/*.rs", DataStores: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	added, err := a.AddUser(ctx, admin.NewUser{Username: "roe", Name: "Dr. Roe", Profiles: []login.Profile{{DataStore: "*", FHIRUser: "Practitioner/7"}}})
	if err != nil || added.Password == "" || !added.MustChange {
		t.Fatalf("AddUser = %+v, %v", added, err)
	}
	p := profile.Profile{Server: r.cfg.BaseURL, ClientID: client.ID, ClientSecret: client.Secret}
	minted, err := p.Token(ctx, nil, profile.Ask{Scope: "user/*.rs", DataStore: DefaultStore, User: "roe"})
	if err != nil {
		t.Fatal(err)
	}
	r.wantFHIR(minted.Access, "Patient", 200)
	if _, err := a.DisableUser(ctx, "roe", true); err != nil {
		t.Fatal(err)
	}
	r.wantFHIR(minted.Access, "Patient", 401)
	if _, err := a.RemoveClient(ctx, "tests"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Token(ctx, nil, profile.Ask{Scope: "user/*.rs", DataStore: DefaultStore, User: "roe"}); err == nil {
		t.Error("a removed client gets tokens")
	}
}

// TestExternalFunction asks a token-check function about the callers of one data
// store, and nobody else's tokens are good there.
func TestExternalFunction(t *testing.T) {
	ctx := context.Background()
	c := smartConfig(t, t.TempDir())
	r := start(t, c)
	base := r.cfg.BaseURL + "/datastore/default/r4"
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var asked struct{ DatastoreEndpoint, OperationName, BearerToken string }
		if err := json.NewDecoder(req.Body).Decode(&asked); err != nil || asked.DatastoreEndpoint != base+"/" || asked.OperationName != "SearchWithGet" {
			t.Errorf("asked %+v, %v", asked, err)
		}
		if asked.BearerToken != "good" {
			_, _ = w.Write([]byte(`{"authPayload":null,"isAuthorized":false}`))
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"isAuthorized": true, "authPayload": map[string]any{
			"iss": "https://idp", "aud": base, "sub": "svc", "scope": "system/*.read", "exp": 4102444800, "iat": 1, "nbf": 1, "isAuthorized": true,
		}, "iamRoleARN": "arn:aws:iam::123456789012:role/x"})
	}))
	defer function.Close()
	a := openTestAdmin(t, c.Data)
	p := &datastore.IdentityProvider{Strategy: datastore.StrategySMART1, Function: function.URL, Metadata: json.RawMessage(`{"token_endpoint":"https://idp/token","authorization_endpoint":"https://idp/authorize"}`)}
	if _, err := a.SetIdentity(ctx, DefaultStore, p); err != nil {
		t.Fatal(err)
	}
	r.want("/datastore/default/r4/.well-known/smart-configuration", 200, "https://idp/token")
	if _, text := r.get("/datastore/default/r4/metadata"); !strings.Contains(text, "https://idp/authorize") || strings.Contains(text, "/auth/authorize") {
		t.Error("the CapabilityStatement does not name the external endpoints")
	}
	r.wantFHIR("good", "Patient", 200)
	r.wantFHIR("bad", "Patient", 401)
	if _, err := a.SetIdentity(ctx, DefaultStore, nil); err != nil {
		t.Fatal(err)
	}
	r.wantFHIR("good", "Patient", 401)
	r.want("/datastore/default/r4/.well-known/smart-configuration", 200, r.cfg.BaseURL+"/auth/token")
}

// TestMasterKeyLost refuses to start without the key, and names the way out.
func TestMasterKeyLost(t *testing.T) {
	dir := t.TempDir()
	c := smartConfig(t, dir)
	r := start(t, c)
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, masterKeyName)); err != nil {
		t.Fatal(err)
	}
	err := run(t, c).wait()
	wantRefusal(t, err, nil, "the master key", "is not there", "TARN_MASTER_KEY")
}

func TestClientAddress(t *testing.T) {
	c := Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for _, k := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "203.0.113.9", "192.0.2.1"},
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"10.0.0.1:5", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5", "1.1.1.1, 203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5", "203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"[::ffff:10.0.0.1]:5", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:5", "nonsense", "nonsense"},
		{"10.0.0.1:5", "203.0.113.9:40123", "203.0.113.9"},
		{"10.0.0.1:5", "203.0.113.9, [2001:db8::1]:40123", "2001:db8::1"},
		{"10.0.0.1:5", "[2001:db8::1]", "2001:db8::1"},
		{"10.0.0.1:5", "203.0.113.9, 10.0.0.2:40123", "203.0.113.9"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = k.remote
		if k.forwarded != "" {
			r.Header.Set("X-Forwarded-For", k.forwarded)
		}
		if got := c.address(r); got != k.want {
			t.Errorf("%s for %q: %s, want %s", k.remote, k.forwarded, got, k.want)
		}
	}
}
