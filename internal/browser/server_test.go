package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/internal/running"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/smart"
)

const password = "violet harbour lantern"

// A world is a Tarn server on a port of this machine, and apps of another
// origin.
type world struct {
	home  string            // "http://localhost:…"
	base  string            // of the data store "default"
	apps  string            // origin of the apps, "http://127.0.0.1:…"
	keys  map[string]string // secrets of the clients that have one
	first string            // the temporary password of the user "new"
	said  lines             // what the server tells people
}

// lines collects what is written, for the server writes while tests read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newWorld starts a server that ends with the test, with people, apps and some
// data.
func newWorld(t *testing.T, change ...func(*server.Config)) *world {
	t.Helper()
	cfg := server.Default()
	cfg.Data = t.TempDir()
	w := startServer(t, cfg, change...)
	a, err := server.OpenAdmin(t.Context(), cfg.Data)
	must(t, err)
	defer a.Close()
	w.addUsers(t, a)
	w.addClients(t, a)
	w.fill(t)
	return w
}

// startServer starts a server and waits until it answers.
func startServer(t *testing.T, cfg server.Config, change ...func(*server.Config)) *world {
	t.Helper()
	w := &world{keys: map[string]string{}}
	apps := httptest.NewServer(http.HandlerFunc(w.serveApp))
	t.Cleanup(apps.Close)
	w.apps = apps.URL

	cfg.Auth, cfg.Listen = server.AuthSMART, "localhost:0" // passkeys want a name
	cfg.PasswordCost, cfg.CacheSize = login.Cost{Time: 1, Memory: 8, Threads: 1}, 8<<20
	cfg.Practitioners = authz.Relations{All: true}
	cfg.Stdout, cfg.Stderr = &w.said, io.Discard
	for _, c := range change {
		c(&cfg)
	}
	s := running.Server(t, cfg)
	w.home = "http://" + s.Addr()
	w.base = w.home + "/datastore/default/r4"
	return w
}

// resources are two patients with visits and results, and a third.
var resources = []string{
	`{"resourceType":"Patient","id":"ann","name":[{"family":"Lee","given":["Ann"]}],"gender":"female","birthDate":"1980-04-01","identifier":[{"system":"urn:mrn","value":"MRN-1"}],"generalPractitioner":[{"reference":"Practitioner/doc"}]}`,
	`{"resourceType":"Patient","id":"bob","name":[{"family":"Lee","given":["Bob"]}],"birthDate":"2012-05-02","identifier":[{"system":"urn:mrn","value":"MRN-2"}]}`,
	`{"resourceType":"Patient","id":"cy","name":[{"family":"Okafor","given":["Chinonso"]}],"birthDate":"1971-01-09","identifier":[{"system":"urn:mrn","value":"MRN-3"}]}`,
	`{"resourceType":"Practitioner","id":"doc","name":[{"family":"Roe","given":["Jane"],"prefix":["Dr."]}]}`,
	`{"resourceType":"Encounter","id":"ann-1","status":"finished","class":{"code":"AMB","display":"ambulatory"},"subject":{"reference":"Patient/ann"},"period":{"start":"2026-01-05","end":"2026-01-05"}}`,
	`{"resourceType":"Encounter","id":"ann-2","status":"in-progress","class":{"code":"IMP","display":"inpatient encounter"},"subject":{"reference":"Patient/ann"},"period":{"start":"2026-02-05"}}`,
	`{"resourceType":"Observation","id":"pulse","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}],"text":"Heart rate"},"subject":{"reference":"Patient/ann"},"encounter":{"reference":"Encounter/ann-1"},"valueQuantity":{"value":62,"unit":"/min"}}`,
	`{"resourceType":"Observation","id":"bobs","status":"final","code":{"text":"Heart rate"},"subject":{"reference":"Patient/bob"},"valueQuantity":{"value":80,"unit":"/min"}}`,
	`{"resourceType":"Condition","id":"asthma","code":{"text":"Asthma"},"subject":{"reference":"Patient/ann"}}`,
}

// fill puts the resources into the data store, as a service does.
func (w *world) fill(t *testing.T) {
	t.Helper()
	var bundle strings.Builder
	bundle.WriteString(`{"resourceType": "Bundle", "type": "transaction", "entry": [`)
	for i, text := range resources {
		var resource struct{ ResourceType, ID string }
		must(t, json.Unmarshal([]byte(text), &resource))
		if i > 0 {
			bundle.WriteString(",")
		}
		fmt.Fprintf(&bundle, `{"request": {"method": "PUT", "url": "%s/%s"}, "resource": %s}`, resource.ResourceType, resource.ID, text)
	}
	bundle.WriteString("]}")
	var token struct {
		Access string `json:"access_token"`
	}
	w.post(t, "/auth/token", "application/x-www-form-urlencoded", "Basic loader",
		url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.cruds"}}.Encode(), &token)
	w.post(t, "/datastore/default/r4", "application/fhir+json", "Bearer "+token.Access, bundle.String(), new(any))
}

// post sends a request as an app or service, and reads the answer, which must
// be a success. "Basic ID" stands for the client with the id.
func (w *world) post(t *testing.T, path, kind, authorization, body string, answer any) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, w.home+path, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Content-Type", kind)
	if id, ok := strings.CutPrefix(authorization, "Basic "); ok {
		req.SetBasicAuth(id, w.keys[id])
	} else {
		req.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode/100 != 2 {
		t.Fatalf("%s: %s: %s", path, res.Status, text)
	}
	must(t, json.Unmarshal(text, answer))
}

func (w *world) addUsers(t *testing.T, a *admin.Admin) {
	t.Helper()
	for _, u := range []admin.NewUser{
		{Name: "Ann Lee", Username: "ann", Email: "ann@example.org", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Patient/ann"}}},
		{Name: "Pat Lee", Username: "parent", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Patient/ann", Patients: []string{"bob"}}}},
		{Name: "Dr. Jane Roe", Username: "doc", Email: "doc@example.org", Roles: []string{authz.RolePractitioner}, Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Practitioner/doc"}}},
	} {
		u.Password = password
		_, err := a.AddUser(t.Context(), u)
		must(t, err)
	}
	added, err := a.AddUser(t.Context(), admin.NewUser{Name: "New Person", Username: "new"})
	must(t, err)
	w.first = added.Password
}

// appScopes are what each app of the tests asks for.
var appScopes = map[string]string{
	"growth":  "openid fhirUser launch/patient patient/Patient.rs patient/Observation.rs patient/Condition.rs offline_access",
	"visits":  "openid fhirUser profile launch/patient launch/encounter patient/*.rs user/Practitioner.rs offline_access",
	"chart":   "openid fhirUser launch patient/*.rs user/*.rs online_access",
	"journal": "openid fhirUser launch patient/Patient.read patient/Observation.read",
}

// addClients registers the apps, an EHR, and the service that loads the data.
func (w *world) addClients(t *testing.T, a *admin.Admin) {
	t.Helper()
	clients := []smart.Client{
		{ID: "ehr", Name: "The EHR", Type: smart.Symmetric, Scopes: "system/*.rs", Grants: []string{"client_credentials"}, MayLaunch: true},
		{ID: "loader", Type: smart.Symmetric, Scopes: "system/*.cruds", Grants: []string{"client_credentials"}},
	}
	names := map[string]string{"growth": "Growth Chart", "visits": "Visit Notes", "chart": "Chart Review", "journal": "Health Journal"}
	for id, scopes := range appScopes {
		clients = append(clients, smart.Client{
			ID: id, Type: smart.Public, Name: names[id], Publisher: "Example Health Apps",
			RedirectURIs: []string{w.apps + "/" + id + "/"}, LaunchURL: w.apps + "/" + id + "/launch", Origins: []string{w.apps},
			LogoutURIs: []string{w.apps + "/" + id + "/bye"}, PolicyURL: "https://apps.example/privacy", TermsURL: "https://apps.example/terms",
			Scopes: scopes, Grants: []string{"authorization_code", "refresh_token"},
		})
	}
	for _, c := range clients {
		c.DataStores = []string{server.DefaultStore}
		added, err := a.AddClient(t.Context(), c)
		must(t, err)
		w.keys[c.ID] = added.Secret
	}
}

// standalone is where a person opens an app by itself.
func (w *world) standalone(app string) string {
	return w.apps + "/" + app + "/launch?iss=" + url.QueryEscape(w.base)
}

// ehrLaunch asks for a launch as an EHR does, and returns where it sends the
// browser.
func (w *world) ehrLaunch(t *testing.T, ask map[string]any) string {
	t.Helper()
	body, err := json.Marshal(ask)
	must(t, err)
	var answer struct {
		URI string `json:"launch_uri"`
	}
	w.post(t, "/auth/launch", "application/json", "Basic ehr", string(body), &answer)
	if !strings.HasPrefix(answer.URI, w.apps) {
		t.Fatalf("launch: %s", answer.URI)
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
func (*world) serveApp(w http.ResponseWriter, r *http.Request) {
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
