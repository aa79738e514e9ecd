package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

// BenchmarkAuthorize is what a request costs for being asked for its token: the
// checks for revocation included, which are made each time.
func BenchmarkAuthorize(b *testing.B) {
	ctx := context.Background()
	c := testConfig(b.TempDir())
	c.Auth, c.BaseURL, c.Stderr = AuthSMART, "http://127.0.0.1:1", b.Output()
	s, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	f, err := s.openFolder(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	a, err := f.authority()
	if err != nil {
		b.Fatal(err)
	}
	client, _, err := a.smart.Clients().Add(ctx, smart.Client{
		ID: "c", Type: smart.Symmetric, Scopes: "system/*.rs", Grants: []string{"client_credentials"}, DataStores: []string{"*"},
	})
	if err != nil {
		b.Fatal(err)
	}
	store, err := f.catalog.Store(DefaultStore)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := a.keys.Mint(ctx, token.Claims{
		Subject: client.ID, ClientID: client.ID, Scope: client.Scopes, Audience: []string{store.Base()}, Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, store.Base()+"/Patient/1", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.authorize(r, store); err != nil {
			b.Fatal(err)
		}
	}
}
