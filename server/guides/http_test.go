package guides_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/server/guides"
)

// serve serves a data store with the operations on guides. The header Caller
// says who calls: "open", or roles and scopes, as "admin system/*.cruds".
func serve(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	books := shelf.New(folder.Records(), time.Now)
	catalog, err := datastore.Open(ctx, datastore.Options{Backend: folder, Guides: books})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = catalog.Close() })
	if _, err := catalog.Create(ctx, "default", ""); err != nil {
		t.Fatal(err)
	}
	service := &guides.Service{Shelf: books, Catalog: catalog}
	server := httptest.NewServer(rest.New(rest.Options{
		Stores: catalog, Operations: service.Operations(),
		Authorize: func(r *http.Request, s *datastore.Store) (authz.Access, error) {
			who := strings.Fields(r.Header.Get("Caller"))
			if len(who) == 1 {
				return authz.Unrestricted(), nil
			}
			scopes, _ := authz.ParseScopes(who[1], s.Registry())
			return authz.Decide(s.Registry(), authz.Caller{Client: "app", Subject: "ann", Roles: who[:1], Scopes: scopes}, authz.Policy{Base: s.Base()})
		},
	}))
	t.Cleanup(server.Close)
	return server.URL + "/datastore/default/r4/"
}

// call sends a request and returns the status and the answer.
func call(t *testing.T, method, url, caller string, body io.Reader, mime string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Caller", caller)
	if mime != "" {
		req.Header.Set("Content-Type", mime)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// TestOverHTTP adds, lists, uses and removes a guide, by callers of all kinds.
func TestOverHTTP(t *testing.T) {
	base := serve(t)
	const admin, full = "admin user/*.cruds", "admin system/*.cruds"
	pack := string(guidetest.Package{Name: "example", Version: "1.0.0", Resources: []string{guidetest.Profile("http://example.org/p", "1.0.0", "name")}}.Archive(t))
	for _, test := range []struct {
		method, path, caller, body, mime string
		status                           int
		want                             string
	}{
		{"GET", "$guides", "open", "", "", 200, `{"resourceType":"Parameters"}`},
		{"GET", "$guides", admin, "", "", 200, `{"resourceType":"Parameters"}`},
		{"GET", "$guides", "practitioner system/*.cruds", "", "", 403, "with the role admin"},
		{"GET", "$guides", "none system/*.cruds", "", "", 403, "with the role admin"},
		{"POST", "$guide-add", "admin user/*.rs", pack, "application/gzip", 403, "scope"},
		{"POST", "$guide-add", "admin user/Patient.cruds", pack, "application/gzip", 403, "scope"},
		{"POST", "$guide-add", admin, "{}", "application/fhir+json", 415, "has to be a package"},
		{"POST", "$guide-add", admin, "no archive", "application/gzip", 422, "it is not a gzip archive"},
		{"POST", "$guide-add", admin, pack[:len(pack)/2], "application/gzip", 422, "the package cannot be used"},
		{"POST", "$guide-add?incomplete=maybe", admin, pack, "application/gzip", 400, "it must be true or false"},
		{"POST", "$guide-add?registry=http://127.0.0.1", admin, pack, "application/gzip", 400, `there is no parameter \"registry\"`},
		{"POST", "$guide-add?package=example", admin, "", "", 400, "there is no registry"},
		{"GET", "$guide-add", admin, "", "", 405, "cannot be called by GET"},
		{"POST", "$guide-add", admin, pack, "application/gzip", 200, `{"name":"name","valueString":"example"},{"name":"version","valueString":"1.0.0"}`},
		{"GET", "$guides", full, "", "", 200, `{"name":"StructureDefinition","valueInteger":1}`},
		{"POST", "Patient", "open", `{"resourceType":"Patient","meta":{"profile":["http://example.org/p"]}}`, "application/fhir+json", 422, "Patient.name"},
		{"POST", "$guide-set?demand=http://example.org/unknown", admin, "", "", 400, "cannot be demanded"},
		{"POST", "$guide-set?demand=http://example.org/p&refuse-unknown=true", admin, "", "", 200, `{"name":"demand","valueString":"http://example.org/p"},{"name":"refuse-unknown","valueBoolean":true}`},
		{"POST", "Patient", "open", `{"resourceType":"Patient"}`, "application/fhir+json", 422, "Patient.name"},
		{"POST", "$guide-remove?package=example", admin, "", "", 409, "cannot be demanded"},
		{"POST", "$guide-set?demand=&default=example@1.0.0", admin, "", "", 200, `{"name":"default","valueString":"example#1.0.0"}`},
		{"POST", "$guide-set?default=", admin, "", "", 200, `{"resourceType":"Parameters","parameter":[{"name":"refuse-unknown","valueBoolean":true}]}`},
		{"GET", "$guide-settings", admin, "", "", 200, `"valueBoolean":true`},
		{"POST", "$guide-remove?package=other", admin, "", "", 404, "has no guide other"},
		{"POST", "$guide-remove", admin, "", "", 400, "the parameter package is missing"},
		{"POST", "$guide-remove?package=example@1.0.0", "admin user/*.crus", "", "", 403, "scope"},
		{"POST", "$guide-remove?package=example@1.0.0", admin, "", "", 200, `{"resourceType":"Parameters"}`},
		{"GET", "Patient/$guides", admin, "", "", 404, ""},
		{"GET", "$guides?_format=xml", admin, "", "", 200, "<Parameters"},
	} {
		status, answer := call(t, test.method, base+test.path, test.caller, strings.NewReader(test.body), test.mime)
		if status != test.status || !strings.Contains(answer, test.want) {
			t.Errorf("%s %s by %s: %d %.500s; want %d %s", test.method, test.path, test.caller, status, answer, test.status, test.want)
		}
	}
}
