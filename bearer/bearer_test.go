package bearer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/token"
)

var ctx = context.Background()

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// A world is a data store, and what authorizes its requests.
type world struct {
	catalog *datastore.Catalog
	ds      *datastore.Store
	keys    *token.Keys
	proofs  *token.Proofs
	policy  atomic.Pointer[authz.Policy]
	clock   *still.Clock
	*bearer.Authorizer
}

// revocable is a Verifier that may say no.
type revocable struct {
	token.Verifier
	err error
}

func (v *revocable) Verify(ctx context.Context, raw, audience string) (*token.Claims, error) {
	if v.err != nil {
		return nil, v.err
	}
	return v.Verifier.Verify(ctx, raw, audience)
}

func newWorld(t testing.TB, changes ...func(*bearer.Config)) *world {
	t.Helper()
	w := &world{clock: still.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	now := w.clock.Now
	folder := must(pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem(), Now: now}))
	catalog := must(datastore.Open(ctx, datastore.Options{Backend: folder, BaseURL: "http://example.org", Now: now}))
	t.Cleanup(func() {
		if err := catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	w.catalog = catalog
	w.ds = must(catalog.Create(ctx, "main", ""))
	box := must(crypt.NewBox([]byte("0123456789abcdef0123456789abcdef")))
	w.keys = must(token.OpenKeys(ctx, token.KeysConfig{DB: folder.Records(), Box: box, Issuer: "http://example.org/auth", Now: now}))
	w.proofs = must(token.NewProofs(token.ProofsConfig{DB: folder.Records(), Box: box, BaseURL: "http://example.org", RequireNonce: true, Now: now}))
	w.policy.Store(&authz.Policy{})
	cfg := bearer.Config{
		Verifier: func(*datastore.Store) token.Verifier { return w.keys },
		Policy:   func(*datastore.Store) *authz.Policy { return w.policy.Load() },
		Proofs:   w.proofs,
	}
	for _, change := range changes {
		change(&cfg)
	}
	w.Authorizer = must(bearer.New(cfg))
	return w
}

func (w *world) claims() token.Claims {
	return token.Claims{
		Subject: "u1", ClientID: "app", Audience: []string{w.ds.Base()}, Expires: w.clock.Now().Add(time.Hour),
		Scope: "openid patient/*.rs nonsense", Patient: "p1", FHIRUser: w.ds.Base() + "/Patient/p1",
	}
}

func (w *world) mint(t testing.TB, change func(*token.Claims)) string {
	t.Helper()
	c := w.claims()
	if change != nil {
		change(&c)
	}
	raw, err := w.keys.Mint(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func request(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://example.org/datastore/main/r4/Patient/p1", nil)
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	return r
}

func TestTokenBecomesAccess(t *testing.T) {
	w := newWorld(t)
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
		access, err := w.Authorize(request(scheme+w.mint(t, nil)), w.ds)
		if err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		c := access.Caller()
		if c.Subject != "u1" || c.Client != "app" || c.Patient != "p1" || c.Issuer != "http://example.org/auth" || c.Scopes.String() != "openid patient/*.rs" {
			t.Errorf("%+v", c)
		}
		if access.Check(authz.Read, "Patient") != nil || access.Check(authz.Create, "Patient") == nil {
			t.Error("the access is not that of the scopes")
		}
	}
}

// TestRefusals compares each refusal with its status and challenges.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	good := w.mint(t, nil)
	const dpop = `DPoP algs="ES256 ES384 RS256 RS384"`
	for _, c := range []struct {
		name       string
		headers    []string
		kind       fhir.Kind
		challenges []string
	}{
		{"nothing", nil, fhir.KindUnauthenticated, []string{"Bearer", dpop}},
		{"another scheme", []string{"Basic YWRtaW46YWRtaW4="}, fhir.KindUnauthenticated, []string{"Bearer", dpop}},
		{"an empty token", []string{"Bearer "}, fhir.KindUnauthenticated, []string{`Bearer error="invalid_token"`, dpop}},
		{"not a token", []string{"Bearer a b"}, fhir.KindUnauthenticated, []string{`Bearer error="invalid_token"`, dpop}},
		{"too long", []string{"Bearer " + strings.Repeat("a", 40<<10)}, fhir.KindUnauthenticated, []string{`Bearer error="invalid_token"`, dpop}},
		{"two headers", []string{"Bearer " + good, "Bearer " + good}, fhir.KindInvalid, nil},
		{"tampered", []string{"Bearer " + good[:len(good)-4] + "AAAA"}, fhir.KindUnauthenticated, []string{`Bearer error="invalid_token"`, dpop}},
		{"another data store's", []string{"Bearer " + w.mint(t, func(c *token.Claims) { c.Audience = []string{"http://example.org/datastore/other/r4"} })},
			fhir.KindUnauthenticated, []string{`Bearer error="invalid_token"`, dpop}},
		{"no patient in context", []string{"Bearer " + w.mint(t, func(c *token.Claims) { c.Patient = "" })},
			fhir.KindForbidden, []string{`Bearer error="insufficient_scope"`}},
		{"system and patient scopes", []string{"Bearer " + w.mint(t, func(c *token.Claims) { c.Scope += " system/*.rs" })},
			fhir.KindForbidden, []string{`Bearer error="insufficient_scope"`}},
		{"unbound in the scheme DPoP", []string{"DPoP " + good}, fhir.KindUnauthenticated, []string{"Bearer", `DPoP error="invalid_token"`}},
		{"bound to a key, as bearer", []string{"Bearer " + w.mint(t, func(c *token.Claims) { c.Thumbprint = "x" })},
			fhir.KindUnauthenticated, []string{`Bearer error="invalid_token"`, dpop}},
		{"bound to a key, without a proof", []string{"DPoP " + w.mint(t, func(c *token.Claims) { c.Thumbprint = "x" })},
			fhir.KindUnauthenticated, []string{"Bearer", `DPoP error="invalid_dpop_proof"`}},
		{"bound to a certificate", []string{"Bearer " + w.mint(t, func(c *token.Claims) { c.Certificate = "x" })},
			fhir.KindUnauthenticated, []string{`Bearer error="invalid_token"`, dpop}},
	} {
		_, err := w.Authorize(request(c.headers...), w.ds)
		var e *fhir.Error
		if !errors.As(err, &e) || e.Kind != c.kind || len(e.Headers) != len(c.challenges) {
			t.Errorf("%s: %+v", c.name, e)
			continue
		}
		for i, want := range c.challenges {
			if h := e.Headers[i]; h.Name != "WWW-Authenticate" || !strings.HasPrefix(h.Value, want) || want == "Bearer" && h.Value != want {
				t.Errorf("%s: %q", c.name, e.Headers)
			}
		}
	}
	w.clock.Pass(2 * time.Hour)
	if _, err := w.Authorize(request("Bearer "+good), w.ds); fhir.KindOf(err) != fhir.KindUnauthenticated {
		t.Errorf("expired: %v", err)
	}
}

func TestProofOfPossession(t *testing.T) {
	w := newWorld(t)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	jwk := jose.JSONWebKey{Key: key.Public()}
	thumbprint := base64.RawURLEncoding.EncodeToString(must(jwk.Thumbprint(5))) // crypto.SHA256
	raw := w.mint(t, func(c *token.Claims) { c.Thumbprint = thumbprint })
	hash := sha256.Sum256([]byte(raw))
	prove := func(nonce string) string {
		opts := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
		signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, opts))
		return must(must(signer.Sign([]byte(`{"jti":"` + rand.Text() + `","htm":"GET","htu":"http://example.org/datastore/main/r4/Patient/p1","iat":` +
			"1772366400" + `,"nonce":"` + nonce + `","ath":"` + base64.RawURLEncoding.EncodeToString(hash[:]) + `"}`))).CompactSerialize())
	}
	r := request("DPoP " + raw)
	r.Header.Set("DPoP", prove(""))
	_, err := w.Authorize(r, w.ds)
	var e *fhir.Error
	if !errors.As(err, &e) || e.Kind != fhir.KindUnauthenticated || e.Headers[0].Name != "DPoP-Nonce" || !strings.HasPrefix(e.Headers[2].Value, `DPoP error="use_dpop_nonce"`) {
		t.Fatalf("without a nonce: %+v", err)
	}
	r.Header.Set("DPoP", prove(e.Headers[0].Value))
	if _, err := w.Authorize(r, w.ds); err != nil {
		t.Fatalf("with the nonce: %v", err)
	}
	if _, err := w.Authorize(r, w.ds); fhir.KindOf(err) != fhir.KindUnauthenticated {
		t.Errorf("a proof counts twice: %v", err)
	}
	without := newWorld(t, func(c *bearer.Config) { c.Proofs = nil })
	raw = without.mint(t, func(c *token.Claims) { c.Thumbprint = thumbprint })
	if _, err := without.Authorize(request("DPoP "+raw), without.ds); fhir.KindOf(err) != fhir.KindUnauthenticated {
		t.Errorf("where proofs are not checked: %v", err)
	}
}

func TestCertificateBoundToken(t *testing.T) {
	w := newWorld(t)
	sum := sha256.Sum256([]byte("certificate"))
	raw := w.mint(t, func(c *token.Claims) { c.Certificate = base64.RawURLEncoding.EncodeToString(sum[:]) })
	r := request("Bearer " + raw)
	for certificate, want := range map[string]bool{"certificate": true, "another": false} {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte(certificate)}}}
		if _, err := w.Authorize(r, w.ds); (err == nil) != want {
			t.Errorf("%s: %v", certificate, err)
		}
	}
}

// TestDecisionsAreRemembered and made anew when something changes.
func TestDecisionsAreRemembered(t *testing.T) {
	v := &revocable{}
	w := newWorld(t, func(c *bearer.Config) {
		c.Verifier = func(*datastore.Store) token.Verifier { return v }
		c.Remember = 2
	})
	v.Verifier = w.keys
	first := w.mint(t, nil)
	authorize := func(raw string) authz.Access {
		t.Helper()
		access, err := w.Authorize(request("Bearer "+raw), w.ds)
		if err != nil {
			t.Fatal(err)
		}
		return access
	}
	known := authorize(first)
	if authorize(first) != known {
		t.Error("the decision is not remembered")
	}
	for range 3 {
		authorize(w.mint(t, nil))
		if authorize(first) != known {
			t.Error("what is used is forgotten")
		}
	}
	for range 5 {
		authorize(w.mint(t, nil))
	}
	if authorize(first) == known {
		t.Error("nothing is ever forgotten")
	}
	known = authorize(first)
	w.policy.Store(&authz.Policy{Tenant: "other"})
	if _, err := w.Authorize(request("Bearer "+first), w.ds); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("another policy: %v", err)
	}
	w.policy.Store(&authz.Policy{})
	if authorize(first) == known {
		t.Error("a decision outlives its policy")
	}
	for code, kind := range map[string]fhir.Kind{
		token.InvalidToken: fhir.KindUnauthenticated, token.Unavailable: fhir.KindUnavailable, token.ServerError: fhir.KindInternal,
	} {
		v.err = &token.Error{Code: code, Description: "no"}
		if _, err := w.Authorize(request("Bearer "+first), w.ds); fhir.KindOf(err) != kind {
			t.Errorf("%s: %v", code, err)
		}
	}
	v.err = errors.New("disk")
	if _, err := w.Authorize(request("Bearer "+first), w.ds); fhir.KindOf(err) != fhir.KindInternal {
		t.Errorf("an unknown failure: %v", err)
	}
}

func TestKeepAndRestore(t *testing.T) {
	w := newWorld(t)
	all := func(c *token.Claims) {
		c.Scope, c.Roles, c.Patients, c.Tenant = "user/Observation.rs?category=laboratory patient/Condition.rs", []string{"practitioner"}, []string{"p2"}, "t"
	}
	r := request("Bearer " + w.mint(t, all))
	access := must(w.Authorize(r, w.ds))
	caller, grant, err := w.Keep(r, w.ds)
	if err != nil || caller != access.Caller().Identity() || strings.Contains(string(grant), "eyJ") {
		t.Fatalf("%q %s %v", caller, grant, err)
	}
	again, err := w.Restore(ctx, w.ds, grant)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := access.Caller(), again.Caller(); a.Scopes.String() != b.Scopes.String() || a.Identity() != b.Identity() || b.Roles[0] != "practitioner" || b.Patients[0] != "p2" {
		t.Errorf("%+v became %+v", a, b)
	}
	if other, _, err := w.Keep(request("Bearer "+w.mint(t, func(c *token.Claims) { c.Subject = "u2" })), w.ds); err != nil || other == caller {
		t.Errorf("two callers are one: %v", err)
	}
	if _, _, err := w.Keep(request(), w.ds); fhir.KindOf(err) != fhir.KindUnauthenticated {
		t.Errorf("keeping nobody: %v", err)
	}
	w.policy.Store(&authz.Policy{Tenant: "other"})
	if _, err := w.Restore(ctx, w.ds, grant); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("restoring what is not allowed any more: %v", err)
	}
	if _, err := w.Restore(ctx, w.ds, []byte("{")); err == nil {
		t.Error("a broken grant is restored")
	}
}

// TestRegistryChangesTheDecision: a scope may name a parameter that the data
// store defines, and means nothing before.
func TestRegistryChangesTheDecision(t *testing.T) {
	w := newWorld(t)
	raw := w.mint(t, func(c *token.Claims) { c.Scope = "user/Patient.rs?shoe-size=43" })
	access := must(w.Authorize(request("Bearer "+raw), w.ds))
	if access.Check(authz.Read, "Patient") == nil {
		t.Fatal("a scope with an unknown parameter allows something")
	}
	define := must(w.ds.Parse([]byte(`{"resourceType":"SearchParameter","url":"http://e.org/shoe","name":"S","status":"active","description":"d","code":"shoe-size","base":["Patient"],"type":"token","expression":"Patient.identifier.value"}`)))
	if _, err := w.ds.Commit(ctx, authz.Unrestricted(), []datastore.Op{{Interaction: authz.Create, Type: "SearchParameter", Resource: define}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.ds.WaitIndexed(ctx); err != nil {
		t.Fatal(err)
	}
	access = must(w.Authorize(request("Bearer "+raw), w.ds))
	if err := access.Check(authz.Read, "Patient"); err != nil {
		t.Errorf("the decision is that of another registry: %v", err)
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := bearer.New(bearer.Config{}); err == nil {
		t.Error("an Authorizer without a verifier")
	}
}

func BenchmarkAuthorize(b *testing.B) {
	w := newWorld(b)
	r := request("Bearer " + w.mint(b, nil))
	for _, known := range []*bearer.Known{nil, new(bearer.Known)} {
		b.Run(map[bool]string{true: "other", false: "same"}[known == nil], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.AuthorizeAgain(r, w.ds, known); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
