package healthlake_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/sigv4"
)

// TestWhoMayWhat goes through all roles and operations.
func TestWhoMayWhat(t *testing.T) {
	s := start(t, func(c *healthlake.Config) {
		c.Roles = func() map[string]healthlake.Role {
			return map[string]healthlake.Role{"tagger": {Operations: []string{"TagResource", "UntagResource", "List*"}}, "none": {}}
		}
	})
	if _, err := s.stores.Create(ctx, "mine", ""); err != nil {
		t.Fatal(err)
	}
	const arn = `"ResourceARN":"arn:aws:healthlake:us-east-1:123456789012:datastore/fhir/mine"`
	bodies := []struct{ operation, body string }{
		{"CreateFHIRDatastore", `{"DatastoreTypeVersion":"R4"}`},
		{"DescribeFHIRDatastore", `{"DatastoreId":"mine"}`},
		{"ListFHIRDatastores", `{}`},
		{"UpdateFHIRDatastore", `{"DatastoreId":"mine","DatastoreName":"a"}`},
		{"TagResource", `{` + arn + `,"Tags":[]}`},
		{"UntagResource", `{` + arn + `,"TagKeys":[]}`},
		{"ListTagsForResource", `{` + arn + `}`},
		{"StartFHIRImportJob", `{"DatastoreId":"mine","InputDataConfig":{"S3Uri":"s3://aaa"},"JobOutputDataConfig":{"S3Configuration":{"S3Uri":"s3://aaa"}}}`},
		{"DeleteFHIRDatastore", `{"DatastoreId":"none"}`},
		{"RestoreFHIRDatastore", `{"SourceDatastoreId":"mine","RestoreConfiguration":{"ContinuousBackupRestoreConfiguration":{"RestorePointTime":1}}}`},
	}
	for _, test := range []struct {
		key  sigv4.Key
		want string // + may, - may not
	}{
		{sigv4.Key{Role: sigv4.RoleAdmin}, "++++++++++"},
		{sigv4.Key{Role: sigv4.RoleReadOnly}, "-++---+---"},
		{sigv4.Key{Role: "tagger"}, "--+-+++---"},
		{sigv4.Key{Role: "none"}, "----------"},
		{sigv4.Key{Role: "unknown"}, "----------"},
		{sigv4.Key{Role: sigv4.RoleAdmin, DataStores: []string{"mine"}}, "-+++++++--"},
		{sigv4.Key{Role: sigv4.RoleAdmin, DataStores: []string{"other"}}, "--+-------"},
	} {
		caller := s.caller(test.key)
		got := ""
		for _, b := range bodies {
			a := caller.do(b.operation, b.body)
			got += map[bool]string{true: "-", false: "+"}[a.code == "AccessDeniedException"]
		}
		if got != test.want {
			t.Errorf("%+v: %s, want %s", test.key, got, test.want)
		}
	}
	confined := s.caller(sigv4.Key{Role: sigv4.RoleAdmin, DataStores: []string{"other"}})
	if a := confined.do("ListFHIRDatastores", `{}`); strings.Contains(a.body, "mine") {
		t.Errorf("sees another's: %s", a.body)
	}
}

func TestUnsignedIsRefused(t *testing.T) {
	s := start(t, nil)
	admin := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/", strings.NewReader(`{}`))
	r.Header.Set("X-Amz-Target", "HealthLake.ListFHIRDatastores")
	if a := s.send(r); a.status != 403 || a.code != "MissingAuthenticationTokenException" {
		t.Errorf("unsigned: %d %s", a.status, a.code)
	}
	admin.key.SecretAccessKey += "x"
	if a := admin.do("ListFHIRDatastores", `{}`); a.status != 403 || a.code != "InvalidSignatureException" {
		t.Errorf("with a wrong secret: %d %s", a.status, a.code)
	}
	admin.key.AccessKeyID = "AKIAUNKNOWN12345"
	if a := admin.do("ListFHIRDatastores", `{}`); a.status != 403 || a.code != "UnrecognizedClientException" {
		t.Errorf("with an unknown key: %d %s", a.status, a.code)
	}
}

func TestEvents(t *testing.T) {
	s := start(t, nil)
	admin := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	made := admin.do("CreateFHIRDatastore", `{"DatastoreTypeVersion":"R4"}`)
	admin.do("DescribeFHIRDatastore", `{"DatastoreId":"none"}`)
	admin.key.SecretAccessKey += "x"
	admin.do("ListFHIRDatastores", `{}`)
	if len(s.events) != 3 {
		t.Fatalf("%d events", len(s.events))
	}
	create, describe, list := s.events[0], s.events[1], s.events[2]
	if !strings.Contains(made.body, create.DataStore) || len(create.DataStore) != 32 || create.KeyID != admin.key.AccessKeyID || !create.Changes ||
		create.Status != 200 || create.Code != "" || create.Role != "admin" || create.RequestID != made.header.Get("X-Amzn-Requestid") || create.Remote == "" {
		t.Errorf("creation: %+v", create)
	}
	if describe.DataStore != "none" || describe.Code != "ResourceNotFoundException" || describe.Status != 400 || describe.Changes {
		t.Errorf("a miss: %+v", describe)
	}
	if list.KeyID != "" || list.Code != "InvalidSignatureException" || list.Status != 403 {
		t.Errorf("a refusal: %+v", list)
	}
}

// TestNoAnswerWithoutARecord is for an audit log that fails.
func TestNoAnswerWithoutARecord(t *testing.T) {
	s := start(t, func(c *healthlake.Config) {
		c.Record = func(context.Context, healthlake.Event) error { return errors.New("the disk is full of secrets") }
	})
	a := s.caller(sigv4.Key{Role: sigv4.RoleAdmin}).do("ListFHIRDatastores", `{}`)
	if a.status != 500 || a.code != "InternalServerException" || strings.Contains(a.body, "secrets") || !strings.Contains(a.message, a.header.Get("X-Amzn-Requestid")) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	s := start(t, func(c *healthlake.Config) {
		c.Authenticate = func(*http.Request) (sigv4.Key, error) { panic("secrets") }
	})
	a := s.caller(sigv4.Key{Role: sigv4.RoleAdmin}).do("ListFHIRDatastores", `{}`)
	if a.status != 500 || a.code != "InternalServerException" || strings.Contains(a.body, "secrets") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestNewChecksItsConfiguration(t *testing.T) {
	good := healthlake.Config{
		Stores: &datastore.Catalog{}, Bulk: &bulk.Service{}, BaseURL: "http://a", Authenticate: func(*http.Request) (sigv4.Key, error) { return sigv4.Key{}, nil },
	}
	if _, err := healthlake.New(good); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*healthlake.Config){
		"jobs":      func(c *healthlake.Config) { c.Bulk = nil },
		"stores":    func(c *healthlake.Config) { c.Stores = nil },
		"callers":   func(c *healthlake.Config) { c.Authenticate = nil },
		"base":      func(c *healthlake.Config) { c.BaseURL = "" },
		"region":    func(c *healthlake.Config) { c.Region = "a b" },
		"account":   func(c *healthlake.Config) { c.Account = "12" },
		"operation": roles("a", "ListEverything"),
		"beginning": roles("a", "list*"),
		"role":      roles("admin", "List*"),
	} {
		cfg := good
		spoil(&cfg)
		if _, err := healthlake.New(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func roles(name, operation string) func(*healthlake.Config) {
	return func(c *healthlake.Config) {
		c.Roles = func() map[string]healthlake.Role {
			return map[string]healthlake.Role{name: {Operations: []string{operation}}}
		}
	}
}

func TestChanges(t *testing.T) {
	for target, want := range map[string]bool{
		"HealthLake.ListFHIRDatastores": false, "HealthLake.CreateFHIRDatastore": true, "HealthLake.Nothing": true, "": true,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("X-Amz-Target", target)
		if got := healthlake.Changes(r); got != want {
			t.Errorf("%q: %v", target, got)
		}
	}
}

// openHandler takes every request for an admin's.
func openHandler(t testing.TB) http.Handler {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	stores, err := datastore.Open(ctx, datastore.Options{Backend: folder})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := healthlake.New(healthlake.Config{
		Stores: stores, Bulk: newJobs(t, stores, folder.Records(), nil), BaseURL: "http://a", Logger: slog.New(slog.DiscardHandler),
		Authenticate: func(*http.Request) (sigv4.Key, error) { return sigv4.Key{ID: "a", Role: sigv4.RoleAdmin}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func answerTo(t testing.TB, handler http.Handler, operation string, body []byte) int {
	t.Helper()
	r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	r.Header.Set("X-Amz-Target", "HealthLake."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if _, err := io.ReadAll(w.Body); err != nil {
		t.Fatal(err)
	}
	return w.Code
}
