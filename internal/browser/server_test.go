package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

const password = "violet harbour lantern"

// A server is a Tarn server on a port of this machine, with its data in memory,
// and an app of another origin.
type server struct {
	home  string // "http://localhost:…"
	base  string // of the data store "default"
	apps  string // origin of the apps, "http://127.0.0.1:…"
	login *login.Service
	smart *smart.Service
	ehr   string // secret of the client "ehr"
	ahead atomic.Int64
}

// now is the server's clock, which tests can put ahead.
func (s *server) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

func (s *server) pass(d time.Duration) { s.ahead.Add(int64(d)) }

// newServer starts a server that ends with the test.
func newServer(t *testing.T, change ...func(*login.Config)) *server {
	t.Helper()
	s := &server{}
	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	apps := httptest.NewServer(http.HandlerFunc(s.serveApp))
	t.Cleanup(web.Close)
	t.Cleanup(apps.Close)
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	must(t, err)
	s.home, s.apps = "http://localhost:"+port, apps.URL // passkeys want a name

	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem(), Now: s.now})
	must(t, err)
	catalog, err := datastore.Open(t.Context(), datastore.Options{Backend: folder, BaseURL: s.home, Now: s.now})
	must(t, err)
	t.Cleanup(func() { _ = catalog.Close() })
	store, err := catalog.Create(t.Context(), "default", "default")
	must(t, err)
	s.base = store.Base()
	s.assemble(t, folder, catalog, change)
	s.mount(mux, catalog)
	fill(t, store)
	s.addUsers(t)
	s.addClients(t)
	return s
}

// assemble makes the services.
func (s *server) assemble(t *testing.T, folder *pebble.Folder, catalog *datastore.Catalog, change []func(*login.Config)) {
	t.Helper()
	db, log := folder.Records(), slog.New(slog.DiscardHandler)
	box, err := crypt.NewBox(bytes.Repeat([]byte{7}, 32))
	must(t, err)
	keys, err := token.OpenKeys(t.Context(), token.KeysConfig{DB: db, Box: box, Issuer: s.home + "/auth", Now: s.now})
	must(t, err)
	proofs, err := token.NewProofs(token.ProofsConfig{DB: db, Box: box, BaseURL: s.home, Now: s.now})
	must(t, err)
	cfg := login.Config{
		DB: db, Box: box, BaseURL: s.home, Now: s.now, Log: log, Apps: "/auth/apps",
		Cost: login.Cost{Time: 1, Memory: 8, Threads: 1},
	}
	for _, c := range change {
		c(&cfg)
	}
	s.login, err = login.New(cfg)
	must(t, err)
	s.smart, err = smart.New(smart.Config{
		DB: db, BaseURL: s.home, Keys: keys, Login: s.login, Stores: catalog, Log: log, Now: s.now,
		Assertions: token.NewAssertions(token.AssertionsConfig{DB: db, KeySets: token.NewKeySets(token.KeySetsConfig{Now: s.now}), Now: s.now}),
		Proofs:     proofs,
		Access: func(_ context.Context, user *login.User, store *datastore.Store) (authz.Access, error) {
			profile, _ := user.Profile(store.Record().ID)
			return decide(store, "user/*.rs", authz.Caller{FHIRUser: profile.FHIRUser, Patients: profile.Patients})
		},
	})
	must(t, err)
}

// mount puts the services where a server has them.
func (s *server) mount(mux *http.ServeMux, catalog *datastore.Catalog) {
	mux.Handle("/auth/", s.smart)
	mux.Handle(smart.MetadataPath, s.smart)
	mux.Handle("/", s.login)
	mux.HandleFunc("/datastore/{id}/r4/.well-known/smart-configuration", func(w http.ResponseWriter, r *http.Request) {
		s.smart.ServeDiscovery(w, r, r.PathValue("id"))
	})
	mux.Handle("/datastore/", rest.New(rest.Options{
		Stores: catalog, Logger: slog.New(slog.DiscardHandler), Now: s.now, Authorize: s.authorize,
		Origin: func(ctx context.Context, origin string) bool {
			ok, err := s.smart.AllowsOrigin(ctx, origin)
			return ok && err == nil
		},
	}))
}

// authorize gives a request the access of its bearer token.
func (s *server) authorize(r *http.Request, store *datastore.Store) (authz.Access, error) {
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return authz.Access{}, fhir.Errorf(fhir.KindUnauthenticated, "a bearer token is needed")
	}
	claims, err := s.smart.Verify(r.Context(), raw, store.Base())
	if err != nil {
		return authz.Access{}, fhir.Errorf(fhir.KindUnauthenticated, "the token is not good: %v", err)
	}
	return decide(store, claims.Scope, authz.Caller{
		Subject: claims.Subject, Client: claims.ClientID, Patient: claims.Patient, FHIRUser: claims.FHIRUser, Patients: claims.Patients,
	})
}

func decide(store *datastore.Store, scope string, caller authz.Caller) (authz.Access, error) {
	caller.Scopes, _ = authz.ParseScopes(scope, store.Registry())
	return authz.Decide(store.Registry(), caller, authz.Policy{Base: store.Base(), Practitioners: authz.Relations{All: true}})
}

// fill puts two patients with visits and results into a data store.
func fill(t *testing.T, store *datastore.Store) {
	t.Helper()
	for _, text := range []string{
		`{"resourceType":"Patient","id":"ann","name":[{"family":"Lee","given":["Ann"]}],"gender":"female","birthDate":"1980-04-01","identifier":[{"system":"urn:mrn","value":"MRN-1"}],"generalPractitioner":[{"reference":"Practitioner/doc"}]}`,
		`{"resourceType":"Patient","id":"bob","name":[{"family":"Lee","given":["Bob"]}],"birthDate":"2012-05-02","identifier":[{"system":"urn:mrn","value":"MRN-2"}]}`,
		`{"resourceType":"Patient","id":"cy","name":[{"family":"Okafor","given":["Chinonso"]}],"birthDate":"1971-01-09","identifier":[{"system":"urn:mrn","value":"MRN-3"}]}`,
		`{"resourceType":"Practitioner","id":"doc","name":[{"family":"Roe","given":["Jane"],"prefix":["Dr."]}]}`,
		`{"resourceType":"Encounter","id":"ann-1","status":"finished","class":{"code":"AMB","display":"ambulatory"},"subject":{"reference":"Patient/ann"},"period":{"start":"2026-01-05","end":"2026-01-05"}}`,
		`{"resourceType":"Encounter","id":"ann-2","status":"in-progress","class":{"code":"IMP","display":"inpatient encounter"},"subject":{"reference":"Patient/ann"},"period":{"start":"2026-02-05"}}`,
		`{"resourceType":"Observation","id":"pulse","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}],"text":"Heart rate"},"subject":{"reference":"Patient/ann"},"encounter":{"reference":"Encounter/ann-1"},"valueQuantity":{"value":62,"unit":"/min"}}`,
		`{"resourceType":"Observation","id":"bobs","status":"final","code":{"text":"Heart rate"},"subject":{"reference":"Patient/bob"},"valueQuantity":{"value":80,"unit":"/min"}}`,
		`{"resourceType":"Condition","id":"asthma","code":{"text":"Asthma"},"subject":{"reference":"Patient/ann"}}`,
	} {
		tree, err := store.Parse([]byte(text))
		must(t, err)
		root := tree.Root()
		_, err = store.Commit(t.Context(), authz.Unrestricted(), []datastore.Op{{
			Interaction: authz.Update, Type: root.Type().Name, ID: root.TextOf("id"), Resource: tree,
		}}, nil)
		must(t, err)
	}
}

func (s *server) addUsers(t *testing.T) {
	t.Helper()
	for _, u := range []login.NewUser{
		{Name: "Ann Lee", Username: "ann", Email: "ann@example.org", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Patient/ann"}}},
		{Name: "Pat Lee", Username: "parent", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Patient/ann", Patients: []string{"bob"}}}},
		{Name: "Dr. Jane Roe", Username: "doc", Email: "doc@example.org", Roles: []string{"practitioner"}, Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Practitioner/doc"}}},
		{Name: "New Person", Username: "new", Temporary: true},
	} {
		u.Password = password
		_, err := s.login.Directory().Add(t.Context(), u)
		must(t, err)
	}
}

// appScopes are what each app of the tests asks for.
var appScopes = map[string]string{
	"growth":  "openid fhirUser launch/patient patient/Patient.rs patient/Observation.rs patient/Condition.rs offline_access",
	"visits":  "openid fhirUser profile launch/patient launch/encounter patient/*.rs user/Practitioner.rs offline_access",
	"chart":   "openid fhirUser launch patient/*.rs user/*.rs online_access",
	"journal": "openid fhirUser launch patient/Patient.read patient/Observation.read",
}

// addClients registers the apps and an EHR.
func (s *server) addClients(t *testing.T) {
	t.Helper()
	names := map[string]string{"growth": "Growth Chart", "visits": "Visit Notes", "chart": "Chart Review", "journal": "Health Journal"}
	for id, scopes := range appScopes {
		_, _, err := s.smart.Clients().Add(t.Context(), smart.Client{
			ID: id, Type: smart.Public, Name: names[id], Publisher: "Example Health Apps",
			RedirectURIs: []string{s.apps + "/" + id + "/"}, LaunchURL: s.apps + "/" + id + "/launch", Origins: []string{s.apps},
			LogoutURIs: []string{s.apps + "/" + id + "/bye"}, PolicyURL: "https://apps.example/privacy", TermsURL: "https://apps.example/terms",
			Scopes: scopes, Grants: []string{"authorization_code", "refresh_token"}, DataStores: []string{"default"},
		})
		must(t, err)
	}
	var err error
	_, s.ehr, err = s.smart.Clients().Add(t.Context(), smart.Client{
		ID: "ehr", Name: "The EHR", Type: smart.Symmetric, Scopes: "system/*.rs", Grants: []string{"client_credentials"},
		DataStores: []string{"default"}, MayLaunch: true,
	})
	must(t, err)
}

// standalone is where a person opens an app by itself.
func (s *server) standalone(app string) string {
	return s.apps + "/" + app + "/launch?iss=" + url.QueryEscape(s.base)
}

// ehrLaunch asks for a launch as an EHR does, and returns where it sends the
// browser.
func (s *server) ehrLaunch(t *testing.T, ask map[string]any) string {
	t.Helper()
	body, err := json.Marshal(ask)
	must(t, err)
	req, err := http.NewRequest(http.MethodPost, s.home+"/auth/launch", bytes.NewReader(body))
	must(t, err)
	req.SetBasicAuth("ehr", s.ehr)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	var answer struct {
		URI string `json:"launch_uri"`
	}
	must(t, json.NewDecoder(res.Body).Decode(&answer))
	if res.StatusCode != http.StatusCreated || !strings.HasPrefix(answer.URI, s.apps) {
		t.Fatalf("launch: %s, %+v", res.Status, answer)
	}
	return answer.URI
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serveApp serves the pages of the apps: /ID/launch, which starts the launch,
// /ID/, which it comes back to, and the library that both use.
func (s *server) serveApp(w http.ResponseWriter, r *http.Request) {
	id, page, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if id == "fhir-client.js" {
		http.ServeFile(w, r, fhirClient)
		return
	}
	scope, known := appScopes[id]
	if !known {
		http.NotFound(w, r)
		return
	}
	script := map[string]string{
		"launch": fmt.Sprintf(`FHIR.oauth2.authorize({clientId: %q, scope: %q, redirectUri: "./", pkceMode: "required"}).catch(fail)`, id, scope),
		"":       `FHIR.oauth2.ready().then(ready).catch(fail)`,
		"bye":    `document.body.dataset.state = "bye"`,
	}[page]
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, appPage, script)
}

// appPage is a page of an app. Its data-state says how far it is.
const appPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>App</title><link rel="icon" href="data:,">
<body data-state="busy"><h1>App</h1><p id="message"></p>
<script src="/fhir-client.js"></script>
<script>
function fail(error) {
  document.getElementById("message").textContent = error.message;
  document.body.dataset.state = "failed";
}
function ready(client) {
  window.client = client;
  document.body.dataset.state = "ready";
}
%s
</script>
</body></html>`
