package rest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/rest"
)

// TestNoAccess calls everything that reads or writes as somebody who may do
// nothing: no answer may show anything of what is stored, and nothing may
// change.
func TestNoAccess(t *testing.T) {
	s := newServer(t, func(o *rest.Options) {
		o.Authorize = func(req *http.Request, _ *datastore.Store) (authz.Access, error) {
			if req.Header.Get("Authorization") == "" {
				return authz.Access{}, nil
			}
			return authz.Unrestricted(), nil
		}
	})
	c := s.newConversation(t, "no-access")
	const all = "\nAuthorization: all\n\n"
	c.send(t, `POST /`+all+`{"resourceType":"Bundle","type":"transaction","entry":[
		{"resource":{"resourceType":"Patient","id":"p","name":[{"family":"Secret","given":["Sam"]}],"birthDate":"1970-01-01"},"request":{"method":"PUT","url":"Patient/p"}},
		{"resource":{"resourceType":"Observation","id":"o","status":"final","code":{"text":"Secret"},"subject":{"reference":"Patient/p"}},"request":{"method":"PUT","url":"Observation/o"}},
		{"resource":{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"Secret"},"subject":{"reference":"Patient/p"}},"request":{"method":"PUT","url":"Encounter/e"}},
		{"resource":{"resourceType":"Composition","id":"c","status":"final","type":{"text":"x"},"date":"2020","author":[{"reference":"Patient/p"}],"title":"Secret"},"request":{"method":"PUT","url":"Composition/c"}},
		{"resource":{"resourceType":"DocumentReference","id":"d","status":"current","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"urn:Secret"}}]},"request":{"method":"PUT","url":"DocumentReference/d"}},
		{"resource":{"resourceType":"Group","id":"g","type":"person","actual":true,"name":"Secret","member":[{"entity":{"reference":"Patient/p"}}]},"request":{"method":"PUT","url":"Group/g"}}]}`)
	before := c.send(t, "GET /_history"+all)
	if before.status != 200 || bytes.Count(before.body, []byte("Secret")) != 6 {
		t.Fatalf("%d %s", before.status, before.body)
	}
	const params = "\n\n" + `{"resourceType":"Parameters","parameter":[`
	for _, ask := range []string{
		"GET /Patient/p", "GET /Patient/p/_history/1", "GET /Patient", "GET /_history", "GET /?_id=p", "GET /Patient/p/Observation", "GET /Patient/p/*", "DELETE /Patient/p", "DELETE /Patient?_id=p&_count=5",
		"PATCH /Patient/p\nContent-Type: application/json-patch+json\n\n" + `[{"op":"test","path":"/name/0/family","value":"Secret"}]`,
		"PATCH /Patient?_id=p\nContent-Type: application/merge-patch+json\n\n" + `{"active":true}`,
		"GET /Patient/p/$everything", "GET /Patient/$everything", "GET /Encounter/e/$everything", "GET /Group/g/$everything",
		"GET /Observation/$lastn?patient=p&code=x", "GET /Observation/$lastn?patient=p&category=x", "GET /Composition/c/$document", "POST /Composition/c/$document?persist=true",
		"GET /DocumentReference/$docref?patient=p", "GET /Patient/p/$diff?fromVersion=1&toVersion=1", "GET /Patient/p/$meta", "GET /Patient/p/_history/1/$meta", "GET /Patient/p/$validate",
		"POST /Patient/p/$meta-add" + params + `{"name":"meta","valueMeta":{"tag":[{"code":"t"}]}}]}`,
		"POST /Patient/p/$meta-delete" + params + `{"name":"meta","valueMeta":{"tag":[{"code":"t"}]}}]}`,
		"POST /Group/g/$member-add" + params + `{"name":"patientReference","valueReference":{"reference":"Patient/p"}}]}`,
		"POST /Group/g/$member-remove" + params + `{"name":"patientReference","valueReference":{"reference":"Patient/p"}}]}`,
		"POST /Patient/$match\n\n" + `{"resourceType":"Patient","name":[{"family":"Secret","given":["Sam"]}],"birthDate":"1970-01-01"}`,
		"POST /\n\n" + `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Binary","contentType":"application/merge-patch+json","data":"e30="},"request":{"method":"PATCH","url":"Patient/p"}}]}`,
	} {
		res := c.send(t, ask)
		// The body of a request is not what is stored.
		if res.status != 403 && res.status != 422 || bytes.Contains(res.body, []byte("Secret")) {
			t.Errorf("%s: %d %s", ask, res.status, res.body)
		}
	}
	if after := c.send(t, "GET /_history"+all); bytes.Count(after.body, []byte("fullUrl")) != 6 {
		t.Errorf("something was written: %s", after.body)
	}
}

// TestEverythingOfSynthea walks the pages of a patient's $everything: each
// resource of the patient's Bundle once, and all whose type is in compartments.
func TestEverythingOfSynthea(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(syntheaBundles, "synthea2021__8*"))
	if len(files) == 0 {
		t.Skip("../shared/data is absent")
	}
	s := newServer(t)
	c := s.newConversation(t, "everything-walk")
	for _, pattern := range []string{"*hospitalInformation*", "*practitionerInformation*"} {
		info, _ := filepath.Glob(filepath.Join(syntheaBundles, pattern))
		for _, file := range info {
			c.post(t, "/", bytes.NewReader(unzip(t, file)))
		}
	}
	for _, file := range files[:min(2, len(files))] {
		body := unzip(t, file)
		res := c.post(t, "/", bytes.NewReader(body))
		if res.status != 200 {
			t.Fatalf("%d %.500s", res.status, res.body)
		}
		types := map[string]int{}
		count(t, body, types)
		want := 0
		for name, n := range types {
			if _, in := definition.R4().Compartment("Patient").Params[name]; in {
				want += n
			}
		}
		matches, supporting := c.walk(t, "/"+firstWritten(t, res.body)+"/$everything?_count=100")
		if len(matches) != want || len(supporting) == 0 {
			t.Errorf("%s: %d matches of %d, %d supporting resources", filepath.Base(file), len(matches), want, len(supporting))
		}
	}
}

// firstWritten is the resource of the first entry of a transaction-response:
// a Synthea Bundle begins with the patient.
func firstWritten(t *testing.T, body []byte) string {
	t.Helper()
	var bundle struct {
		Entry []struct{ Response struct{ Location string } }
	}
	if err := json.Unmarshal(body, &bundle); err != nil {
		t.Fatal(err)
	}
	location, _, _ := strings.Cut(bundle.Entry[0].Response.Location, "/_history/")
	return location
}

// walk follows the next links and returns the URLs of the matches and of what
// is included.
func (c *conversation) walk(t *testing.T, path string) (matches, included map[string]bool) {
	t.Helper()
	matches, included = map[string]bool{}, map[string]bool{}
	for path != "" {
		res := c.send(t, "GET "+path)
		var page struct {
			Link  []struct{ Relation, URL string }
			Entry []struct {
				FullURL string
				Search  struct{ Mode string }
			}
		}
		if err := json.Unmarshal(res.body, &page); err != nil || res.status != 200 {
			t.Fatalf("%s: %d %.500s %v", path, res.status, res.body, err)
		}
		for _, e := range page.Entry {
			if e.Search.Mode == "match" {
				if matches[e.FullURL] {
					t.Errorf("%s comes twice", e.FullURL)
				}
				matches[e.FullURL] = true
			} else {
				included[e.FullURL] = true
			}
		}
		path = ""
		for _, l := range page.Link {
			if l.Relation == "next" {
				path = strings.TrimPrefix(l.URL, c.base)
			}
		}
	}
	return matches, included
}
