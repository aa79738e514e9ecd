package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestFits checks the table of keys and algorithms directly: a key of the wrong
// curve or size cannot be made to sign, so no token would show it.
func TestFits(t *testing.T) {
	modulus := func(bits uint) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
	}
	p256, p384 := &ecdsa.PublicKey{Curve: elliptic.P256()}, &ecdsa.PublicKey{Curve: elliptic.P384()}
	for _, c := range []struct {
		name string
		key  any
		fits string
	}{
		{"P-256", p256, "ES256"},
		{"P-384", p384, "ES384"},
		{"P-521", &ecdsa.PublicKey{Curve: elliptic.P521()}, ""},
		{"RSA 2047", modulus(2047), ""},
		{"RSA 2048", modulus(2048), "RS256 RS384 PS256 PS384"},
		{"RSA 8193", modulus(8193), ""},
		{"Ed25519", ed25519.PublicKey(make([]byte, 32)), ""},
		{"a secret", []byte("secret"), ""},
		{"nothing", nil, ""},
	} {
		got := ""
		for _, algorithm := range []string{"none", "HS256", "ES256", "ES384", "ES512", "RS256", "RS384", "PS256", "PS384", "EdDSA", ""} {
			if fits(&jose.JSONWebKey{Key: c.key}, algorithm) {
				got += " " + algorithm
			}
		}
		if got != "" {
			got = got[1:]
		}
		if got != c.fits {
			t.Errorf("%s goes with %q, want %q", c.name, got, c.fits)
		}
	}
	for name, key := range map[string]jose.JSONWebKey{"another algorithm": {Key: p384, Algorithm: "ES256"}, "another use": {Key: p384, Use: "enc"}} {
		if fits(&key, "ES384") {
			t.Errorf("a key for %s fits", name)
		}
	}
}

// TestTimeLimits checks the defaults, which other tests replace so that they
// fail at once or never.
func TestTimeLimits(t *testing.T) {
	function, err := NewFunction(FunctionConfig{URL: "https://example.org/check"})
	if err != nil || function.remote.timeout != time.Second {
		t.Errorf("a function has %v, %v; want 1s", function.remote.timeout, err)
	}
	introspection, err := NewIntrospection(IntrospectionConfig{URL: "https://example.org/introspect"})
	if err != nil || introspection.remote.timeout != 2*time.Second {
		t.Errorf("introspection has %v, %v; want 2s", introspection.remote.timeout, err)
	}
}

// TestAddressesAreCheckedWhenDialled goes past the check of the URL, as a name
// does that resolves to an address of the inside.
func TestAddressesAreCheckedWhenDialled(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	answer, err := newFetcher(true, false, nil).client.Get(server.URL)
	if err == nil {
		answer.Body.Close()
	}
	if err == nil || reached || !strings.Contains(err.Error(), "not of the public internet") {
		t.Errorf("a loopback address was dialled: %v", err)
	}
	for _, address := range []string{"10.0.0.1:443", "169.254.169.254:80", "[fe80::1%eth0]:443", "[::ffff:192.168.0.1]:443", "nonsense"} {
		if newFetcher(false, false, nil).checkAddress(address) == nil {
			t.Errorf("%s may be dialled", address)
		}
	}
}
