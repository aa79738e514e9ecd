package server

import (
	"crypto/tls"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// TestStrictTransport: it is asked for where the request came over TLS, and said
// by nobody else.
func TestStrictTransport(t *testing.T) {
	for _, c := range []struct {
		name, base, remote, proto string
		tls, want                 bool
	}{
		{name: "TLS here", base: "https://fhir.example.org", remote: "192.0.2.1:5", tls: true, want: true},
		{name: "no TLS", base: "https://fhir.example.org", remote: "192.0.2.1:5"},
		{name: "TLS at a trusted proxy", base: "https://fhir.example.org", remote: "10.0.0.1:5", proto: "https", want: true},
		{name: "a trusted proxy without", base: "https://fhir.example.org", remote: "10.0.0.1:5", proto: "http"},
		{name: "somebody says so", base: "https://fhir.example.org", remote: "192.0.2.1:5", proto: "https"},
		{name: "this machine", base: "https://localhost:8443", remote: "127.0.0.1:5", tls: true},
	} {
		cfg := Default()
		cfg.BaseURL, cfg.Proxies = c.base, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		s := &Server{cfg: cfg, public: !cfg.atHome(), ready: make(chan struct{})}
		for _, path := range []string{"/healthz", "/datastore/default/r4/Patient", "/nothing", "/auth/token"} {
			r := httptest.NewRequest("GET", path, nil)
			r.RemoteAddr = c.remote
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			if c.proto != "" {
				r.Header.Set("X-Forwarded-Proto", c.proto)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if got := w.Header().Get("Strict-Transport-Security") != ""; got != c.want {
				t.Errorf("%s, %s: %t", c.name, path, got)
			}
		}
	}
}
