package smart_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tarnhealth/tarn/smart"
)

// BenchmarkToken is client_credentials with a secret: the cost is that of the
// signature.
func BenchmarkToken(b *testing.B) {
	w := newWorld(b)
	w.addClients(b, publicKeys(b))
	values := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "resource": {base},
		"client_id": {"svc2"}, "client_secret": {w.secrets["svc2"]},
	}
	for b.Loop() {
		if rec := w.do(nil, form(http.MethodPost, home+"/auth/token", values)); rec.Code != http.StatusOK {
			b.Fatal(rec.Body)
		}
	}
}

// BenchmarkIntrospect is introspection of one token.
func BenchmarkIntrospect(b *testing.B) {
	w := newWorld(b)
	w.addClients(b, publicKeys(b))
	raw, _, err := w.s.Mint(ctx, smart.MintRequest{ClientID: "admin", Scope: "patient/*.rs", DataStore: "default", Patient: "ann"})
	if err != nil {
		b.Fatal(err)
	}
	values := url.Values{"token": {raw}, "client_id": {"rs"}, "client_secret": {w.secrets["rs"]}}
	for b.Loop() {
		if rec := w.do(nil, form(http.MethodPost, home+"/auth/introspect", values)); rec.Code != http.StatusOK {
			b.Fatal(rec.Body)
		}
	}
}
