package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/profile"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/smart"
)

// interactions are requests of every kind, with the action and the status that
// the log has of them.
var interactions = []struct {
	method, path, contentType, body string
	action                          string
	status                          int
}{
	{"PUT", "/Patient/1", "", `{"resourceType":"Patient","id":"1","active":true}`, "update", 201},
	{"POST", "/Observation", "", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}}`, "create", 201},
	{"PATCH", "/Patient/1", "application/json-patch+json", `[{"op":"replace","path":"/active","value":false}]`, "patch", 200},
	{"GET", "/Patient/1", "", "", "read", 200},
	{"HEAD", "/Patient/1", "", "", "read", 200},
	{"GET", "/Patient/1/_history/1", "", "", "vread", 200},
	{"GET", "/Patient?_id=1", "", "", "search-type", 200},
	{"POST", "/Patient/_search", "application/x-www-form-urlencoded", "_id=1", "search-type", 200},
	{"GET", "/Patient/1/Observation", "", "", "search-type", 200},
	{"GET", "?_type=Patient", "", "", "search-system", 200},
	{"GET", "/Patient/1/_history", "", "", "history-instance", 200},
	{"GET", "/Patient/_history", "", "", "history-type", 200},
	{"GET", "/_history", "", "", "history-system", 200},
	{"GET", "/Patient/1/$everything", "", "", "$everything", 200},
	{"POST", "/$graphql", "application/graphql", "{PatientList{id}}", "$graphql", 200},
	{"POST", "/Patient/$validate", "", `{"resourceType":"Patient"}`, "$validate", 200},
	{"POST", "", "", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}}]}`, "batch", 200},
	{"POST", "", "", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Patient/1"}}]}`, "transaction", 200},
	{"GET", "/Patient/none", "", "", "read", 404},
	{"GET", "/AuditEvent", "", "", "search-type", 403},
	{"PUT", "/Patient/1", "", `{`, "update", 400},
	{"GET", "/Nothing", "", "", "unknown", 404},
	{"GET", "/Patient/1/$nothing", "", "", "operation", 404},
	{"PUT", "/Nothing/1", "", `{}`, "unknown", 404},
	{"PUT", "/Patient", "", `{"resourceType":"Patient"}`, "update", 400},
	{"GET", "/Patient?_format=yaml", "", "", "unknown", 406},
	{"POST", "/Patient/1/_history/1", "", `{}`, "unknown", 405},
	{"DELETE", "/Patient/1", "", "", "delete", 204},
}

// TestEveryRequestIsInTheLog sends requests of every kind, signs in, asks for
// tokens, administers, and looks for each in the log.
func TestEveryRequestIsInTheLog(t *testing.T) {
	for _, durability := range []string{AuditDisk, AuditProcess} {
		t.Run(durability, func(t *testing.T) { lookForEveryRequest(t, durability) })
	}
}

func lookForEveryRequest(t *testing.T, durability string) {
	ctx := context.Background()
	c := smartConfig(t, t.TempDir())
	c.Audit.Durability = durability
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	client, err := a.AddClient(ctx, smart.Client{ID: "tests", Type: smart.Symmetric, MayMint: true, Scopes: "system/*.cruds user/*.rs", Grants: []string{"client_credentials"}, DataStores: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	const fhirUser = "Practitioner/7"
	user, err := a.AddUser(ctx, admin.NewUser{Username: "roe", Name: "Dr. Roe", Profiles: []login.Profile{{DataStore: "*", FHIRUser: fhirUser}}})
	if err != nil {
		t.Fatal(err)
	}
	p := profile.Profile{Server: r.cfg.BaseURL, ClientID: client.ID, ClientSecret: client.Secret}
	minted, err := p.Token(ctx, nil, profile.Ask{Scope: "user/*.rs", DataStore: DefaultStore, User: "roe"})
	if err != nil {
		t.Fatal(err)
	}
	service := r.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {client.ID}, "client_secret": {client.Secret}, "scope": {"system/*.cruds"}})
	for n, one := range interactions {
		r.numbered(service.Access, n, one.method, one.path, one.contentType, one.body, one.status)
	}
	r.numbered("", len(interactions), "GET", "/Patient/1", "", "", 401)
	r.numbered(minted.Access, len(interactions)+1, "GET", "/Patient", "", "", 200)
	r.otherEvents(a, client)
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}

	actions, byRequest := map[string]int{}, map[string]audit.Stored{}
	err = auditFolder(t, c.Data).Each(func(s audit.Stored) error {
		actions[s.Action]++
		if s.Entry == 0 {
			byRequest[s.Request] = s
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n, one := range interactions {
		got, ok := byRequest[numberedID(n)]
		if !ok || got.Action != one.action || got.Status != one.status || got.Store != DefaultStore || got.Time.IsZero() {
			t.Errorf("%s %s: recorded as %+v", one.method, one.path, got)
		}
		if got.Agent.Address != "127.0.0.1" || got.Agent.Client != client.ID || got.Agent.Purpose != purposeOf(n) {
			t.Errorf("%s %s: by %+v, for %q", one.method, one.path, got.Agent, purposeOf(n))
		}
	}
	if got := byRequest[numberedID(len(interactions))]; got.Status != 401 || got.Agent.Address != "127.0.0.1" {
		t.Errorf("without a token: %+v", got)
	}
	if got := byRequest[numberedID(len(interactions)+1)]; got.Agent.User != user.ID || got.Agent.FHIRUser != fhirUser || got.Agent.Client != client.ID || got.Agent.Address != "127.0.0.1" {
		t.Errorf("for a user: %+v", got)
	}
	for _, want := range []string{"sign-in", "sign-in-failed", "minted", "token", "token-refused", "POST /clients", "POST /users", "POST /access-keys", "healthlake:ListFHIRDatastores"} {
		if actions[want] == 0 {
			t.Errorf("no %q in the log: %v", want, actions)
		}
	}
	alterTheLog(t, c.Data)
}

// purposeOf is the purpose of use that a request declares, "" for none.
func purposeOf(n int) string { return []string{"", "TREAT", "HPAYMT"}[n%3] }

func numberedID(n int) string { return fmt.Sprintf("mixed-%d", n) }

// numbered sends a request with an id of its own.
func (r *running) numbered(access string, n int, method, path, contentType, body string, status int) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.cfg.BaseURL+auditedPath+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if contentType == "" {
		contentType = "application/fhir+json"
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Request-Id", numberedID(n))
	if access != "" {
		req.Header.Set("Authorization", "Bearer "+access)
	}
	if purpose := purposeOf(n); purpose != "" {
		req.Header.Set("X-Purpose-Of-Use", purpose)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		r.t.Errorf("%s %s: %s %s %v, want %d", method, path, res.Status, text, err, status)
	}
}

// otherEvents are those beside the FHIR API.
func (r *running) otherEvents(a *admin.Admin, client admin.ClientInfo) {
	r.t.Helper()
	ctx := context.Background()
	made, err := a.AddUser(ctx, admin.NewUser{Username: "ann", Name: "Ann", Password: "violet harbour lantern", Profiles: []login.Profile{{DataStore: "*", FHIRUser: "Patient/1"}}})
	if err != nil {
		r.t.Fatal(err)
	}
	w := r.walker().open("/account")
	w.submit(map[string]string{"username": made.Username, "password": "wrong harbour lantern"})
	w.submit(map[string]string{"username": made.Username, "password": "violet harbour lantern"})
	if got := r.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {client.ID}, "client_secret": {"wrong"}}); got.Error == "" {
		r.t.Errorf("a wrong secret gets %+v", got)
	}
	key, err := a.AddAccessKey(ctx, sigv4.Key{Role: sigv4.RoleAdmin})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.controlClient(key.ID, key.Secret).ListFHIRDatastores(ctx, &sdk.ListFHIRDatastoresInput{}); err != nil {
		r.t.Fatal(err)
	}
}

// alterTheLog changes one byte of the log, and takes that back.
func alterTheLog(t *testing.T, data string) {
	t.Helper()
	if v, err := (AuditCheck{Data: data}).Verify(); err != nil || v.Signed != v.Last {
		t.Fatalf("%+v, %v", v, err)
	}
	name := filepath.Join(AuditDir(data), "00000001.log")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := (AuditCheck{Data: data}).Verify(); err == nil {
		t.Errorf("an altered byte is not found: %+v", v)
	}
}

// TestArchiveInABucket archives a log to a bucket, by the part of the server
// that does so for S3.
func TestArchiveInABucket(t *testing.T) {
	bucket, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	dir := t.TempDir()
	log, err := audit.Open(audit.Options{Dir: dir, Key: audit.Key(make([]byte, 32)), SegmentSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for range 20 {
		if err := log.Append(audit.Record{Action: "read", Status: 200, Query: "a query"}); err != nil {
			t.Fatal(err)
		}
	}
	vault := &bucketVault{bucket, "audit/one/"}
	if archived, removed, err := (&audit.Archive{Log: log, To: vault, Keep: 1}).Run(t.Context()); err != nil || archived == 0 || removed != archived {
		t.Fatal(archived, removed, err)
	}
	found := 0
	err = audit.Folder{Dir: dir, Vault: vault}.Each(func(s audit.Stored) error { found++; return nil })
	if err != nil || found != 21 { // and that segments were removed
		t.Errorf("%d records, %v", found, err)
	}
	if _, err := vault.Open(t.Context(), "none"); !os.IsNotExist(err) {
		t.Errorf("what is not there: %v", err)
	}
	for place, good := range map[string]bool{
		"": true, "/srv/audit": true, "s3://bucket": true, "s3://bucket/a/b/": true,
		"s3://": false, "s3://bucket/a?x=y": false, "https://bucket.example.org/": false, "file:///srv": false,
	} {
		if _, _, err := auditBucket(place); (err == nil) != good {
			t.Errorf("%q: %v", place, err)
		}
	}
	if _, err := AuditVault(t.Context(), "s3://bucket/a", S3Service{}); err == nil {
		t.Error("a bucket of no service is opened")
	}
}
