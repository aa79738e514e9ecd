package smart_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

const (
	home     = "https://tarn.test"
	base     = home + "/datastore/default/r4"
	callback = "https://app.example/callback"
	password = "violet harbour lantern"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

var ctx = context.Background()

type clock = still.Clock

// clientKeys are the keys of asymmetric clients, made once.
var clientKeys = sync.OnceValue(func() (k struct {
	ec    *ecdsa.PrivateKey
	other *ecdsa.PrivateKey
	rsa   *rsa.PrivateKey
}) {
	k.ec, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.other, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	return k
})

// publicKeys is the JWKS of asymmetric clients.
func publicKeys(t testing.TB) json.RawMessage {
	t.Helper()
	k := clientKeys()
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: k.ec.Public(), KeyID: "ec", Algorithm: "ES384", Use: "sig"},
		{Key: k.rsa.Public(), KeyID: "rsa", Algorithm: "RS384", Use: "sig"},
	}}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A world is a server with sign-in, on an in-memory file system.
type world struct {
	clock   *clock
	fs      *crashing.Disk
	catalog *datastore.Catalog
	folder  *pebble.Folder
	keys    *token.Keys
	login   *login.Service
	cfg     smart.Config
	s       *smart.Service
	handler http.Handler
	secrets map[string]string // of symmetric clients

	mu  sync.Mutex
	log bytes.Buffer
}

// Write takes the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// template is the file system of a server with data stores, users and keys,
// made once.
var template = sync.OnceValue(func() *crashing.Disk {
	var t panics
	w := &world{clock: newClock(), fs: crashing.New(), secrets: map[string]string{}}
	w.open(t)
	for _, id := range []string{"default", "other"} {
		store, err := w.catalog.Create(ctx, id, id)
		if err != nil {
			t.Fatal(err)
		}
		w.fill(t, store)
	}
	w.addUsers(t)
	w.close(t)
	return w.fs
})

// panics is a testing.TB outside of any test.
type panics struct{ testing.TB }

func (panics) Helper()           {}
func (panics) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
func (panics) Error(args ...any) { panic(fmt.Sprint(args...)) }

func newClock() *clock { return still.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) }

func newWorld(t testing.TB, change ...func(*smart.Config)) *world {
	t.Helper()
	w := &world{clock: newClock(), fs: template().CrashClone(vfs.CrashCloneCfg{}), secrets: map[string]string{}}
	w.open(t, change...)
	t.Cleanup(func() { w.close(t) })
	return w
}

func (w *world) close(t testing.TB) {
	if err := w.catalog.Close(); err != nil {
		t.Error(err)
	}
}

// open starts a server on the file system, as another process would.
func (w *world) open(t testing.TB, change ...func(*smart.Config)) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	w.folder, err = pebble.OpenFolder("data", pebble.FolderOptions{FS: w.fs, Now: w.clock.Now})
	must(err)
	w.catalog, err = datastore.Open(ctx, datastore.Options{Backend: w.folder, BaseURL: home, Now: w.clock.Now})
	must(err)
	db := w.folder.Records()
	box, err := crypt.NewBox(bytes.Repeat([]byte{7}, 32))
	must(err)
	w.keys, err = token.OpenKeys(ctx, token.KeysConfig{DB: db, Box: box, Issuer: home + "/auth", Now: w.clock.Now})
	must(err)
	log := slog.New(slog.NewTextHandler(w, nil))
	w.login, err = login.New(login.Config{
		DB: db, Box: box, BaseURL: home, Now: w.clock.Now, Log: log, Cost: login.Cost{Time: 1, Memory: 8, Threads: 1},
	})
	must(err)
	proofs, err := token.NewProofs(token.ProofsConfig{DB: db, Box: box, BaseURL: home, Now: w.clock.Now})
	must(err)
	sets := token.NewKeySets(token.KeySetsConfig{AllowLoopback: true, Now: w.clock.Now})
	cfg := smart.Config{
		DB: db, BaseURL: home, Keys: w.keys, Login: w.login, Stores: w.catalog, Log: log, Now: w.clock.Now, KeySets: sets,
		Assertions: token.NewAssertions(token.AssertionsConfig{DB: db, KeySets: sets, Now: w.clock.Now}),
		Proofs:     proofs,
		Access:     accessOf,
		Address:    func(r *http.Request) string { return r.Header.Get("Test-Address") },
	}
	for _, c := range change {
		c(&cfg)
	}
	w.cfg = cfg
	w.s, err = smart.New(cfg)
	must(err)
	w.handler = w.routes()
}

// accessOf is what a user sees on the pages that choose a patient.
func accessOf(_ context.Context, user *login.User, store *datastore.Store) (authz.Access, error) {
	profile, _ := user.Profile(store.Record().ID)
	caller := authz.Caller{FHIRUser: profile.FHIRUser, Patients: profile.Patients}
	caller.Scopes, _ = authz.ParseScopes("user/*.read", store.Registry())
	return authz.Decide(store.Registry(), caller, authz.Policy{Base: store.Base(), Practitioners: authz.Relations{All: true}, Persons: 3})
}

// tryNew makes another service with a changed configuration.
func (w *world) tryNew(change func(*smart.Config)) error {
	cfg := w.cfg
	change(&cfg)
	_, err := smart.New(cfg)
	return err
}

// collect keeps events.
func collect(events *[]smart.Event) func(context.Context, smart.Event) {
	var mu sync.Mutex
	return func(_ context.Context, e smart.Event) {
		mu.Lock()
		defer mu.Unlock()
		*events = append(*events, e)
	}
}

// routes is what package server does with the services.
func (w *world) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/", w.s)
	mux.Handle(smart.MetadataPath, w.s)
	mux.Handle("/", w.login)
	mux.HandleFunc("/datastore/{id}/r4/.well-known/smart-configuration", func(rw http.ResponseWriter, r *http.Request) {
		w.s.ServeDiscovery(rw, r, r.PathValue("id"))
	})
	return mux
}

// fill puts some patients and encounters into a data store.
func (w *world) fill(t testing.TB, store *datastore.Store) {
	t.Helper()
	for _, text := range []string{
		`{"resourceType":"Patient","id":"ann","name":[{"family":"Lee","given":["Ann"]}],"birthDate":"1980-04-01","identifier":[{"system":"urn:mrn","value":"MRN-1"}]}`,
		`{"resourceType":"Patient","id":"bob","name":[{"family":"Lee","given":["Bob"]}],"birthDate":"2012-05-02"}`,
		`{"resourceType":"Patient","id":"cy","name":[{"family":"<b>Ng</b>","given":["Cy"]}],"birthDate":"1971-01-09"}`,
		`{"resourceType":"Practitioner","id":"doc","name":[{"family":"Roe"}]}`,
		`{"resourceType":"RelatedPerson","id":"aunt","active":true,"patient":{"reference":"Patient/bob"}}`,
		`{"resourceType":"RelatedPerson","id":"former","active":false,"patient":{"reference":"Patient/bob"}}`,
		`{"resourceType":"Person","id":"twice","link":[{"target":{"reference":"Patient/cy"},"assurance":"level3"},{"target":{"reference":"Patient/bob"},"assurance":"level4"},{"target":{"reference":"Patient/ann"},"assurance":"level2"}]}`,
		`{"resourceType":"Person","id":"aunt","link":[{"target":{"reference":"RelatedPerson/aunt"},"assurance":"level4"},{"target":{"reference":"RelatedPerson/old"},"assurance":"level4"}]}`,
		`{"resourceType":"RelatedPerson","id":"old","active":false,"patient":{"reference":"Patient/cy"}}`,
		`{"resourceType":"Encounter","id":"ann-1","status":"finished","class":{"code":"AMB","display":"ambulatory"},"subject":{"reference":"Patient/ann"},"period":{"start":"2026-01-05"}}`,
		`{"resourceType":"Encounter","id":"ann-2","status":"in-progress","class":{"code":"IMP","display":"inpatient"},"subject":{"reference":"Patient/ann"},"period":{"start":"2026-02-05"}}`,
		`{"resourceType":"Encounter","id":"bob-1","status":"finished","class":{"code":"AMB","display":"ambulatory"},"subject":{"reference":"Patient/bob"},"period":{"start":"2026-01-06"}}`,
	} {
		tree, err := store.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		root := tree.Root()
		_, err = store.Commit(ctx, authz.Unrestricted(), []datastore.Op{{
			Interaction: authz.Update, Type: root.Type().Name, ID: root.TextOf("id"), Resource: tree,
		}}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) addUsers(t testing.TB) {
	t.Helper()
	for _, u := range []login.NewUser{
		{Name: "Ann Lee", Username: "ann", Email: "ann@example.org", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Patient/ann"}}},
		{Name: "Pat Lee", Username: "parent", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Patient/ann", Patients: []string{"bob"}}}},
		{Name: "Dr. Roe", Username: "doc", Roles: []string{"practitioner"}, Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Practitioner/doc"}}},
		{Name: "Aunt Jo", Username: "aunt", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "RelatedPerson/aunt"}}},
		{Name: "Uncle Al", Username: "former", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "RelatedPerson/former"}}},
		{Name: "Cy Ng", Username: "cy", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Person/twice"}}},
		{Name: "Jo Lee", Username: "jo", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Person/aunt"}}},
		{Name: "Nobody", Username: "nobody"},
		{Name: "Lost", Username: "lost", Profiles: []login.Profile{{DataStore: "default", FHIRUser: "Person/x"}}},
	} {
		u.Password = password
		if _, err := w.login.Directory().Add(ctx, u); err != nil {
			t.Fatal(err)
		}
	}
}

const appScopes = "openid fhirUser profile email launch launch/patient launch/encounter offline_access online_access patient/*.cruds user/*.cruds"

// addClients registers the clients of the transcripts.
func (w *world) addClients(t testing.TB, keys json.RawMessage) {
	t.Helper()
	app := smart.Client{
		Name: "Heart App", Publisher: "Cardio Inc", RedirectURIs: []string{callback}, LaunchURL: "https://app.example/launch",
		LogoutURIs: []string{"https://app.example/bye"}, Origins: []string{"https://app.example"},
		Scopes: appScopes, Grants: []string{"authorization_code", "refresh_token"}, DataStores: []string{"default"},
	}
	public, native, confidential, trusted, narrow := app, app, app, app, app
	public.ID, public.Type = "app", smart.Public
	native.ID, native.Type = "native", smart.Public
	native.RedirectURIs = []string{"http://127.0.0.1/cb", "com.example.heart:/cb", "http://localhost:9000/cb"}
	confidential.ID, confidential.Type = "web", smart.Symmetric
	trusted.ID, trusted.Type, trusted.Trusted = "trusted", smart.Symmetric, true
	narrow.ID, narrow.Type, narrow.Scopes = "narrow", smart.Public, "launch/patient patient/Observation.rs openid"
	keyed := app
	keyed.ID, keyed.Type, keyed.JWKS = "keyed", smart.Asymmetric, keys
	all := []smart.Client{public, native, confidential, trusted, narrow, keyed,
		{ID: "svc", Type: smart.Asymmetric, JWKS: keys, Scopes: "system/*.rs", Grants: []string{"client_credentials"}, DataStores: []string{"default"}},
		{ID: "svc2", Type: smart.Symmetric, Scopes: "system/*.cruds", Grants: []string{"client_credentials"}, DataStores: []string{"*"}},
		{ID: "ehr", Type: smart.Symmetric, Scopes: "system/*.rs", Grants: []string{"client_credentials"}, DataStores: []string{"default"}, MayLaunch: true},
		{ID: "rs", Type: smart.Symmetric, Scopes: "system/*.rs", Grants: []string{"client_credentials"}, DataStores: []string{"default"}, MayIntrospect: true},
		{ID: "admin", Type: smart.Symmetric, Scopes: "system/*.cruds user/*.cruds patient/*.cruds launch/patient", DataStores: []string{"default"}, MayMint: true},
		{ID: "par", Type: smart.Symmetric, RequirePAR: true, RedirectURIs: []string{callback}, Scopes: appScopes, Grants: []string{"authorization_code"}, DataStores: []string{"default"}},
		{ID: "bound", Type: smart.Public, RequireDPoP: true, RedirectURIs: []string{callback}, Scopes: appScopes, Grants: []string{"authorization_code", "refresh_token"}, DataStores: []string{"default"}},
	}
	for _, c := range all {
		_, secret, err := w.s.Clients().Add(ctx, c)
		if err != nil {
			t.Fatal(c.ID, err)
		}
		w.secrets[c.ID] = secret
	}
}

// A browser keeps cookies of the server.
type browser map[string]string

// do sends a request as a browser, or with a nil browser as an app.
func (w *world) do(b browser, req *http.Request) *httptest.ResponseRecorder {
	for name, value := range b {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, req)
	for _, c := range rec.Result().Cookies() {
		switch {
		case b == nil:
		case c.MaxAge < 0:
			delete(b, c.Name)
		default:
			b[c.Name] = c.Value
		}
	}
	return rec
}

// follow goes on while the server redirects to itself.
func (w *world) follow(b browser, rec *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	for range 20 {
		to := rec.Header().Get("Location")
		if rec.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/") {
			return rec
		}
		rec = w.do(b, httptest.NewRequest(http.MethodGet, home+to, nil))
	}
	return rec
}

func form(method, to string, values url.Values) *http.Request {
	req := httptest.NewRequest(method, to, strings.NewReader(values.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// thumbprint is the jkt of the key that proofs are made with.
func thumbprint(t testing.TB) string {
	t.Helper()
	key := jose.JSONWebKey{Key: clientKeys().ec.Public()}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}
