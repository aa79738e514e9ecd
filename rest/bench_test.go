package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/rest"
)

// BenchmarkHandler measures the handler without the network.
func BenchmarkHandler(b *testing.B) {
	s := newServer(b)
	store := s.create(b, "bench")
	h := rest.New(rest.Options{Stores: s.catalog, Authorize: func(*http.Request, *datastore.Store) (authz.Access, error) {
		return authz.Unrestricted(), nil
	}})
	path := strings.TrimPrefix(store.Base(), "http://example.org")
	serve := func(b *testing.B, method, url, body string) {
		req := httptest.NewRequest(method, path+url, strings.NewReader(body))
		if w := httptest.NewRecorder(); true {
			if h.ServeHTTP(w, req); w.Code >= 300 {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
		}
	}
	patient := `{"resourceType":"Patient","id":"%d","gender":"male","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + strings.Repeat("x", 2000) + `</div>"}}`
	for i := range 100 {
		serve(b, "PUT", fmt.Sprintf("/Patient/%d", i), fmt.Sprintf(patient, i))
	}
	for _, c := range []struct{ name, method, url, body string }{
		{"read", "GET", "/Patient/7", ""},
		{"search20", "GET", "/Patient?gender=male", ""},
		{"update", "PUT", "/Patient/7", fmt.Sprintf(patient, 7)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serve(b, c.method, c.url, c.body)
			}
		})
	}
}
