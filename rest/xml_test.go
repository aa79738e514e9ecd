package rest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest"
)

// TestXMLResponses asks every kind of response for XML and reads it back.
func TestXMLResponses(t *testing.T) {
	s := newServer(t)
	store := s.create(t, "xml")
	h := rest.New(rest.Options{Stores: s.catalog, Authorize: func(*http.Request, *datastore.Store) (authz.Access, error) {
		return authz.Unrestricted(), nil
	}})
	path := strings.TrimPrefix(store.Base(), "http://example.org")
	ask := func(method, url, body string, status int) *fhir.Tree {
		t.Helper()
		req := httptest.NewRequest(method, path+url, strings.NewReader(body))
		req.Header.Set("Accept", "application/fhir+xml")
		if body != "" {
			req.Header.Set("Content-Type", "application/fhir+xml; charset=utf-8")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if got := w.Header().Get("Content-Type"); w.Code != status || got != "application/fhir+xml;charset=utf-8" {
			t.Fatalf("%s %s: %d, %s: %s", method, url, w.Code, got, w.Body)
		}
		tree, err := store.ParseXML(w.Body.Bytes())
		if err != nil {
			t.Fatalf("%s %s: %v in %s", method, url, err, w.Body)
		}
		return tree
	}
	observation := `<Observation xmlns="http://hl7.org/fhir"><id value="o"/><status value="final"/><code><text value="x"/></code><valueQuantity><value value="1.50"/></valueQuantity></Observation>`
	bundle := `<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><request><method value="GET"/><url value="Observation/o"/></request></entry></Bundle>`
	for _, c := range []struct {
		method, url, body string
		status            int
		want              string
	}{
		{"PUT", "/Observation/o", observation, 201, "Observation"},
		{"GET", "/Observation/o", "", 200, "Observation"},
		{"GET", "/Observation/o?_pretty=true", "", 200, "Observation"},
		{"GET", "/Observation?value-quantity=1.50", "", 200, "Bundle"},
		{"GET", "/Observation/o/_history", "", 200, "Bundle"},
		{"GET", "/Observation/none", "", 404, "OperationOutcome"},
		{"GET", "/metadata", "", 200, "CapabilityStatement"},
		{"POST", "", bundle, 200, "Bundle"},
	} {
		tree := ask(c.method, c.url, c.body, c.status)
		if got := tree.Root().Type().Name; got != c.want {
			t.Errorf("%s %s answers with %s, want %s", c.method, c.url, got, c.want)
		}
	}
	if got := ask("GET", "/Observation/o", "", 200).Root().Child("value").TextOf("value"); got != "1.50" {
		t.Errorf("the decimal reads %q, want 1.50", got)
	}
}
