package token_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/token"
)

type proofs struct {
	*clock
	db      kv.DB
	checker *token.Proofs
}

func newProofs(t testing.TB, requireNonce bool) *proofs {
	t.Helper()
	c := newClock()
	p := &proofs{clock: c, db: newDB(t, c)}
	p.checker = p.process(requireNonce)
	return p
}

func (p *proofs) process(requireNonce bool) *token.Proofs {
	box := must(newOtherBox())
	return must(token.NewProofs(token.ProofsConfig{DB: p.db, Box: box, BaseURL: "https://fhir.example.org", RequireNonce: requireNonce, Now: p.Now}))
}

const (
	resource    = "https://fhir.example.org/datastore/default/r4/Patient"
	accessToken = "an.access.token"
)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (p *proofs) claims() map[string]any {
	return claims("jti", "1", "htm", "GET", "htu", resource, "iat", p.Now().Unix(), "ath", hashOf(accessToken))
}

// proof signs with a key that the header has, unless header says another.
func proof(key any, alg string, payload any, header ...any) string {
	if len(header) == 0 {
		header = []any{"jwk", publicKey(key)}
	}
	return sign(key, alg, "dpop+jwt", "", payload, header...)
}

func publicKey(key any) jose.JSONWebKey {
	k := jose.JSONWebKey{Key: key}
	return k.Public()
}

func (p *proofs) check(raw string) (string, error) {
	r := httptest.NewRequest(http.MethodGet, "http://internal:8080/datastore/default/r4/Patient?name=a", nil)
	if raw != "" {
		r.Header.Set("DPoP", raw)
	}
	return p.checker.CheckProof(r, accessToken)
}

func TestProofs(t *testing.T) {
	p := newProofs(t, false)
	if got, err := p.check(""); got != "" || err != nil {
		t.Errorf("without a proof: %q, %v", got, err)
	}
	key := publicKey(ec256())
	want := base64.RawURLEncoding.EncodeToString(must(key.Thumbprint(crypto.SHA256)))
	for i, htu := range []string{resource, strings.Replace(resource, "https://fhir.example.org", "HTTPS://FHIR.example.org:443", 1), resource + "?name=a#b"} {
		got, err := p.check(proof(ec256(), "ES256", with(p.claims(), "jti", strings.Repeat("x", i+1), "htu", htu)))
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", htu, got, err, want)
		}
	}
	for name, raw := range map[string]string{"ES384": proof(ec384(), "ES384", p.claims()), "PS256": proof(rsa2k(), "PS256", p.claims()), "RS256": proof(rsa2k(), "RS256", with(p.claims(), "jti", "r"))} {
		if got, err := p.check(raw); err != nil || got == want || got == "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/auth/token", nil)
	r.Header.Set("DPoP", proof(ec256(), "ES256", with(p.claims(), "jti", "t", "htm", "POST", "htu", "https://fhir.example.org/auth/token", "ath", nil)))
	if got, err := p.checker.CheckProof(r, ""); err != nil || got != want {
		t.Errorf("at the token endpoint: %q, %v", got, err)
	}
}

func TestProofsRefused(t *testing.T) {
	p := newProofs(t, false)
	good := p.claims()
	es := func(pairs ...any) string { return proof(ec256(), "ES256", with(good, pairs...)) }
	for name, c := range map[string]struct{ raw, part string }{
		"no JWT":            {"x", "no JWT"},
		"none":              {"eyJhbGciOiJub25lIiwidHlwIjoiZHBvcCtqd3QifQ.e30.", "no JWT"},
		"another type":      {sign(ec256(), "ES256", "JWT", "", good, "jwk", publicKey(ec256())), "type"},
		"no key":            {sign(ec256(), "ES256", "dpop+jwt", "", good), "jwk"},
		"another key":       {proof(ec256(), "ES256", good, "jwk", jose.JSONWebKey{Key: must(newP256()).Public()}), "signature"},
		"a private key":     {proof(ec256(), "ES256", good, "jwk", jose.JSONWebKey{Key: ec256()}), ""},
		"a shared key":      {proof([]byte(strings.Repeat("k", 32)), "HS256", good, "jwk", map[string]string{"kty": "oct", "k": "a2s"}), "no JWT"},
		"a weak key":        {proof(rsa1k(), "RS256", good), "go with its algorithm"},
		"another method":    {es("htm", "POST"), "method"},
		"method in letters": {es("htm", "get"), "method"},
		"another path":      {es("htu", resource+"/1"), "URL"},
		"another host":      {es("htu", strings.Replace(resource, "fhir.", "evil.", 1)), "URL"},
		"another scheme":    {es("htu", strings.Replace(resource, "https", "http", 1)), "URL"},
		"another port":      {es("htu", strings.Replace(resource, ".org", ".org:8443", 1)), "URL"},
		"no htu":            {es("htu", nil), "URL"},
		"old":               {es("iat", p.Now().Add(-4*time.Minute).Unix()), "within the last"},
		"of the future":     {es("iat", p.Now().Add(2*time.Minute).Unix()), "within the last"},
		"no iat":            {es("iat", nil), "iat"},
		"iat is a text":     {es("iat", "now"), "iat"},
		"no jti":            {es("jti", nil), "jti"},
		"long jti":          {es("jti", strings.Repeat("a", 600)), "jti"},
		"no ath":            {es("ath", nil), "ath"},
		"another token":     {es("ath", hashOf("another")), "ath"},
	} {
		got, err := p.check(c.raw)
		wantError(t, name, err, token.InvalidProof, c.part)
		if got != "" {
			t.Errorf("%s: thumbprint %q", name, got)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/datastore/default/r4/Patient", nil)
	r.Header["Dpop"] = []string{es(), es()}
	_, err := p.checker.CheckProof(r, accessToken)
	wantError(t, "two proofs", err, token.InvalidProof, "2 DPoP headers")
	if _, err := p.check(es()); err != nil {
		t.Errorf("what was refused counts as used: %v", err)
	}
}

func TestProofReplay(t *testing.T) {
	p := newProofs(t, false)
	raw := proof(ec256(), "ES256", p.claims())
	if _, err := p.check(raw); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if _, err := p.check(raw); token.CodeOf(err) != token.InvalidProof {
			t.Errorf("again at %v: %v", p.Now(), err)
		}
		p.checker = p.process(false)
		p.Pass(30 * time.Second)
	}
	if _, err := p.check(proof(ec384(), "ES384", with(p.claims(), "iat", p.Now().Unix()))); err != nil {
		t.Errorf("the jti of another key: %v", err)
	}
}

func TestProofNonces(t *testing.T) {
	p := newProofs(t, true)
	n := 0
	try := func(nonce any) error {
		n++
		_, err := p.check(proof(ec256(), "ES256", with(p.claims(), "jti", strings.Repeat("x", n), "nonce", nonce)))
		return err
	}
	wantError(t, "no nonce", try(nil), token.UseNonce, "needs the nonce")
	wantError(t, "another nonce", try("abc"), token.UseNonce, "not of this server")
	nonce := p.checker.Nonce()
	if err := try(nonce); err != nil {
		t.Error(err)
	}
	p.checker = p.process(true)
	p.Pass(5 * time.Minute)
	if err := try(nonce); err != nil {
		t.Errorf("in another process, five minutes later: %v", err)
	}
	p.Pass(5 * time.Minute)
	wantError(t, "an old nonce", try(nonce), token.UseNonce, "too old")
	p.checker = p.process(false)
	wantError(t, "an old nonce where none is needed", try(nonce), token.UseNonce, "too old")
}

func FuzzProof(f *testing.F) {
	p := newProofs(f, false)
	f.Add(proof(ec256(), "ES256", p.claims()))
	f.Add(sign(ec256(), "ES256", "dpop+jwt", "", "{}"))
	f.Add("eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7fX0.e30.AA")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := p.check(raw)
		if raw != "" && (err == nil) != (got != "") {
			t.Errorf("%q: %q, %v", raw, got, err)
		}
	})
}
