package smart_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

// A token that is bound to a certificate is good on a connection with that alone.
// RFC 8705 section 3
func TestTokensOfACertificate(t *testing.T) {
	c := start(t, func(c *smart.Config) { c.Certificates.On = true })
	own, other := &x509.Certificate{Raw: []byte("its own")}, &x509.Certificate{Raw: []byte("another")}
	sum := sha256.Sum256(own.Raw)
	now := c.clock.Now()
	raw, err := c.keys.Mint(ctx, token.Claims{
		Subject: "app", ClientID: "app", Audience: []string{base}, Scope: "openid", ID: "one", IssuedAt: now, Expires: now.Add(time.Hour),
		Certificate: base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, on := range map[string]struct {
		certificates []*x509.Certificate
		status       int
		code         string
	}{
		"none": {nil, 401, "invalid_token"}, "another": {[]*x509.Certificate{other}, 401, "invalid_token"},
		"its own": {[]*x509.Certificate{own}, 403, "insufficient_scope"}, // which is not about a user
	} {
		r := httptest.NewRequest(http.MethodGet, home+"/auth/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+raw)
		r.TLS = &tls.ConnectionState{PeerCertificates: on.certificates}
		t.Run(what, func(t *testing.T) { wantError(t, c.do(nil, r), on.status, on.code) })
	}
}

// A code is of the client that asked, and not of one that took its name later.
func TestCodesEndWithTheirClient(t *testing.T) {
	c := start(t)
	code := c.code(t, "web", "patient/*.rs")
	c.addAgain(t, "web")
	wantError(t, c.redeem("web", code), 400, "invalid_grant")
	if rec := c.redeem("web", c.code(t, "web", "patient/*.rs")); rec.Code != http.StatusOK {
		t.Errorf("one of its own: %s", rec.Body)
	}
}

// A code that comes again while its first use is answered is good for nobody (A16).
func TestCodesUsedAgainMeanwhile(t *testing.T) {
	var meanwhile func()
	c := start(t, func(c *smart.Config) {
		c.Event = func(_ context.Context, e smart.Event) {
			if again := meanwhile; e.Kind == "token" && again != nil {
				meanwhile = nil
				again()
			}
		}
	})
	code := c.code(t, "app", "patient/*.rs offline_access")
	meanwhile = func() { wantError(t, c.redeem("app", code), 400, "invalid_grant") }
	wantError(t, c.redeem("app", code), 400, "invalid_grant")
	if meanwhile != nil {
		t.Error("the code did not come again")
	}
}
