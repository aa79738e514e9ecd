package server

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/profile"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/smart"
)

// A subscriber asks for notifications, each at a path of its own.
type subscriber struct {
	name string
	// do sends a request to the data store.
	do func(method, path, body string) (status int, text string, header http.Header)
	// end takes the right away by which it subscribed; nil for one who stays.
	end func() error
	id  string // of its Subscription
}

const bothBase = "/datastore/both/r4"

// bearing sends requests with an access token.
func (r *running) bearing(access string) func(method, path, body string) (int, string, http.Header) {
	return func(method, path, body string) (int, string, http.Header) {
		r.t.Helper()
		req, err := http.NewRequest(method, r.cfg.BaseURL+bothBase+path, strings.NewReader(body))
		if err != nil {
			r.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("Authorization", "Bearer "+access)
		return r.send(req)
	}
}

// signing sends requests that are signed with an access key.
func (r *running) signing(key admin.AccessKey) func(method, path, body string) (int, string, http.Header) {
	return func(method, path, body string) (int, string, http.Header) {
		return r.signer(key).do(method, bothBase+path, body)
	}
}

// serviceOf is the token of a client by itself.
func (r *running) serviceOf(a *admin.Admin, id string) string {
	r.t.Helper()
	c, err := a.AddClient(context.Background(), smart.Client{ID: id, Type: smart.Symmetric, Scopes: "system/*.cruds", Grants: []string{"client_credentials"}, DataStores: []string{"*"}})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.token(url.Values{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {c.Secret}, "scope": {"system/*.cruds"}, "resource": {r.cfg.BaseURL + bothBase},
	}).Access
}

const (
	userScopes = "user/Patient.rs user/Subscription.cruds"
	aPassword  = "violet harbour lantern"
)

// userOf adds a user who is the patient, with a token that no app was given.
func (r *running) userOf(a *admin.Admin, name string) string {
	r.t.Helper()
	ctx := context.Background()
	c, err := a.AddClient(ctx, smart.Client{ID: "minter-of-" + name, Type: smart.Symmetric, MayMint: true, Scopes: userScopes, DataStores: []string{"*"}})
	if err == nil {
		_, err = a.AddUser(ctx, admin.NewUser{Username: name, Name: name, Password: aPassword, Profiles: []login.Profile{{DataStore: "*", FHIRUser: "Patient/1"}}})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	p := profile.Profile{Server: r.cfg.BaseURL, ClientID: c.ID, ClientSecret: c.Secret}
	minted, err := p.Token(ctx, nil, profile.Ask{Scope: userScopes, DataStore: "both", User: name})
	if err != nil {
		r.t.Fatal(err)
	}
	return minted.Access
}

// appOf is the token that a user gives to an app, and the browser of the user.
func (r *running) appOf(a *admin.Admin, user string) (string, *walker) {
	r.t.Helper()
	r.userOf(a, user)
	app := r.cfg.BaseURL + demoPrefix + "/app"
	_, err := a.AddClient(context.Background(), smart.Client{ID: "app-of-" + user, Type: smart.Public, RedirectURIs: []string{app}, Scopes: userScopes, Grants: []string{"authorization_code"}, DataStores: []string{"*"}})
	if err != nil {
		r.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(walkVerifier))
	w := r.walker().open("/auth/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"app-of-" + user}, "redirect_uri": {app}, "scope": {userScopes}, "state": {"s"},
		"aud": {r.cfg.BaseURL + bothBase}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	w.submit(map[string]string{"username": user, "password": aPassword}).submit(map[string]string{"decision": "allow"})
	to, err := url.Parse(w.location)
	if err != nil || to.Query().Get("code") == "" {
		r.t.Fatalf("no code: %d %q", w.status, w.location)
	}
	return r.token(url.Values{
		"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "client_id": {"app-of-" + user}, "redirect_uri": {app}, "code_verifier": {walkVerifier},
	}).Access, w
}

// subscribers are those whose rights end in all the ways that there are, after one
// who stays.
func (r *running) subscribers(a *admin.Admin) []*subscriber {
	ctx := context.Background()
	disabled, deleted := accessKey(r.t, a, sigv4.RoleAdmin), accessKey(r.t, a, sigv4.RoleAdmin)
	given, browser := r.appOf(a, "forgetful")
	return []*subscriber{
		{name: "stays", do: r.bearing(r.serviceOf(a, "stays"))},
		{name: "client", do: r.bearing(r.serviceOf(a, "leaves")), end: func() error { _, err := a.RemoveClient(ctx, "leaves"); return err }},
		{name: "user", do: r.bearing(r.userOf(a, "disabled")), end: func() error { _, err := a.DisableUser(ctx, "disabled", true); return err }},
		{name: "deleted", do: r.bearing(r.userOf(a, "deleted")), end: func() error { _, err := a.DeleteUser(ctx, "deleted"); return err }},
		{name: "app", do: r.bearing(given), end: func() error { browser.open("/auth/apps").submit(nil); return nil }},
		{name: "client-again", do: r.bearing(r.serviceOf(a, "returns")), end: func() error {
			_, err := a.RemoveClient(ctx, "returns")
			r.serviceOf(a, "returns")
			return err
		}},
		{name: "user-again", do: r.bearing(r.userOf(a, "pardoned")), end: func() error {
			_, err := a.DisableUser(ctx, "pardoned", true)
			_, err2 := a.DisableUser(ctx, "pardoned", false)
			return errors.Join(err, err2)
		}},
		{name: "key", do: r.signing(disabled), end: func() error { _, err := a.DisableAccessKey(ctx, disabled.ID, true); return err }},
		{name: "key-deleted", do: r.signing(deleted), end: func() error { _, err := a.DeleteAccessKey(ctx, deleted.ID); return err }},
	}
}

// TestSubscriptionsEndWithTheirRights: nobody is told of anything once the right is
// gone by which a Subscription was asked for, be it a client, a user, what a user
// gave to an app, or an access key.
func TestSubscriptionsEndWithTheirRights(t *testing.T) {
	told := make(chan string, 100)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- strings.TrimPrefix(r.URL.Path, "/") }))
	defer endpoint.Close()
	c := smartConfig(t, t.TempDir())
	c.Subscriptions.Endpoints, c.Subscriptions.PrivateNetworks = []string{endpoint.URL}, []string{"127.0.0.0/8"}
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	if _, err := a.Create(t.Context(), "both", "", &datastore.IdentityProvider{Strategy: datastore.StrategySMART, FineGrained: true, Signed: true}); err != nil {
		t.Fatal(err)
	}
	all := r.subscribers(a)
	stays := all[0]
	status := func(s *subscriber) string {
		_, text, _ := stays.do(http.MethodGet, "/Subscription/"+s.id, "")
		var resource struct{ Status string }
		if err := json.Unmarshal([]byte(text), &resource); err != nil {
			t.Fatal(text, err)
		}
		return resource.Status
	}
	for _, s := range all {
		code, text, _ := s.do(http.MethodPost, "/Subscription", `{"resourceType":"Subscription","status":"requested","reason":"test","criteria":"Patient?active=true","channel":{"type":"rest-hook","endpoint":"`+endpoint.URL+"/"+s.name+`"}}`)
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(text), &made); err != nil || code != http.StatusCreated {
			t.Fatalf("%s: %d %s", s.name, code, text)
		}
		for s.id = made.ID; status(s) == "requested"; { //nolint:revive // until it is active
		}
	}
	change := func(born string) {
		t.Helper()
		if code, text, _ := stays.do(http.MethodPut, "/Patient/1", `{"resourceType":"Patient","id":"1","active":true,"birthDate":"`+born+`"}`); code != http.StatusCreated && code != http.StatusOK {
			t.Fatal(code, text)
		}
	}
	change("1980-01-01")
	for got := map[string]bool{}; len(got) < len(all); {
		got[<-told] = true
	}
	for _, s := range all[1:] {
		if err := s.end(); err != nil {
			t.Fatal(s.name, err)
		}
	}
	heard := false
	hear := func(name string) {
		if heard = heard || name == stays.name; name != stays.name {
			t.Fatalf("%s is told of what came after its end", name)
		}
	}
	change("1981-01-01")
	for _, s := range all[1:] {
		for status(s) == "active" { // until it has ended
			for len(told) > 0 {
				hear(<-told)
			}
		}
		if got := status(s); got != "off" {
			t.Errorf("%s: the Subscription is %s", s.name, got)
		}
	}
	for !heard || len(told) > 0 {
		hear(<-told)
	}
}

// TestAdminSocketMode: who may open the socket is who may read the folder's keys.
func TestAdminSocketMode(t *testing.T) {
	dir := t.TempDir()
	start(t, testConfig(dir))
	info, err := os.Stat(filepath.Join(dir, admin.SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
