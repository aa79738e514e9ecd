package token_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble/record"
	"github.com/tarnhealth/tarn/token"
)

const (
	issuer   = "https://fhir.example.org/auth"
	audience = "https://fhir.example.org/datastore/default/r4"
)

type server struct {
	*clock
	db   kv.DB
	keys *token.Keys
}

func newServer(t testing.TB) *server {
	t.Helper()
	c := newClock()
	s := &server{clock: c, db: newDB(t, c)}
	err := s.db.Update(ctx, func(tx kv.Tx) error {
		for _, r := range firstKeys() {
			if err := tx.Set(r.Key, r.Value, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.keys = s.process(t)
	return s
}

// firstKeys are the records of a server's first keys, made once: RSA takes long.
var firstKeys = sync.OnceValue(func() (records []kv.Record) {
	c := newClock()
	db := must(record.Open("records", record.Options{FS: vfs.NewMem(), Now: c.Now}))
	defer db.Close()
	box := must(crypt.NewBox([]byte(masterKey)))
	must(token.OpenKeys(ctx, token.KeysConfig{DB: db, Box: box, Issuer: issuer, Now: c.Now}))
	err := db.View(ctx, func(tx kv.Tx) error {
		for r, err := range tx.Scan(nil, nil) {
			if err != nil {
				return err
			}
			records = append(records, r)
		}
		return nil
	})
	return must(records, err)
})

// process is another process on the same database.
func (s *server) process(t testing.TB) *token.Keys {
	t.Helper()
	k, err := token.OpenKeys(ctx, token.KeysConfig{DB: s.db, Box: newBox(t), Issuer: issuer, Now: s.Now})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *server) claims() token.Claims {
	return token.Claims{
		Subject: "user-1", Audience: []string{audience}, ClientID: "app", Scope: "patient/*.read openid",
		NotBefore: s.Now(), Expires: s.Now().Add(time.Hour), AuthTime: s.Now().Add(-time.Minute),
		FHIRUser: "Practitioner/123", Patient: "p1", Encounter: "e1", Tenant: "t", SessionID: "s",
		Roles: []string{"practitioner"}, Patients: []string{"p1", "p2"}, Thumbprint: "jkt", Certificate: "x5t",
		Extra: map[string]any{"intent": "reconcile-medications", "need_patient_banner": true, "fhirContext": []any{map[string]any{"reference": "ImagingStudy/1"}}},
	}
}

func (s *server) mint(t testing.TB) string {
	t.Helper()
	raw, err := s.keys.Mint(ctx, s.claims())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func header(t *testing.T, raw string) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(raw[:strings.Index(raw, ".")])
	if err != nil {
		t.Fatal(err)
	}
	var h map[string]any
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestMintAndVerify(t *testing.T) {
	s := newServer(t)
	raw := s.mint(t)
	if h := header(t, raw); h["typ"] != "at+jwt" || h["alg"] != "ES384" || h["kid"] == "" {
		t.Errorf("header %v", h)
	}
	for range 2 { // the second from memory
		got, err := s.keys.Verify(ctx, raw, audience)
		if err != nil {
			t.Fatal(err)
		}
		want := s.claims()
		want.Issuer, want.IssuedAt, want.ID = issuer, s.Now(), got.ID
		if diff := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(token.Claims{})); diff != "" || got.ID == "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	}
	if _, err := s.keys.Verify(ctx, raw, audience+"/"); err != nil {
		t.Errorf("audience with a slash: %v", err)
	}
	if _, err := s.keys.Verify(ctx, raw, ""); err != nil {
		t.Errorf("any audience: %v", err)
	}
	if again := s.mint(t); again == raw {
		t.Error("two tokens are the same")
	}
}

func TestMintRefuses(t *testing.T) {
	s := newServer(t)
	for name, change := range map[string]func(c *token.Claims){
		"no audience":    func(c *token.Claims) { c.Audience = nil },
		"no subject":     func(c *token.Claims) { c.Subject = "" },
		"no client":      func(c *token.Claims) { c.ClientID = "" },
		"no expiry":      func(c *token.Claims) { c.Expires = time.Time{} },
		"expired":        func(c *token.Claims) { c.Expires = s.Now() },
		"too long":       func(c *token.Claims) { c.Expires = s.Now().Add(token.MaxLifetime + time.Second) },
		"another issuer": func(c *token.Claims) { c.Issuer = "https://example.org" },
		"extra not JSON": func(c *token.Claims) { c.Extra = map[string]any{"f": func() {}} },
	} {
		c := s.claims()
		change(&c)
		if raw, err := s.keys.Mint(ctx, c); err == nil {
			t.Errorf("%s: minted %s", name, raw)
		}
	}
}

// TestExtraCannotReplaceClaims keeps text from outside out of what is decided
// by.
func TestExtraCannotReplaceClaims(t *testing.T) {
	s := newServer(t)
	c := s.claims()
	c.Patient, c.Roles, c.Thumbprint, c.Certificate = "", nil, "", ""
	c.Extra = map[string]any{"scope": "system/*.*", "patient": "p9", "roles": []string{"admin"}, "exp": 9e9, "cnf": map[string]any{"jkt": "x"}, "iss": "x"}
	got, err := s.keys.Verify(ctx, must(s.keys.Mint(ctx, c)), audience)
	if err != nil {
		t.Fatal(err)
	}
	if got.Patient != "" || got.Roles != nil || got.Scope != c.Scope || got.Thumbprint != "" || len(got.Extra) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestVerifyTimes(t *testing.T) {
	s := newServer(t)
	c := s.claims()
	c.NotBefore = s.Now().Add(10 * time.Minute)
	raw := must(s.keys.Mint(ctx, c))
	check := func(name, part string) {
		t.Helper()
		_, err := s.keys.Verify(ctx, raw, audience)
		if part == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if part != "" {
			wantError(t, name, err, token.InvalidToken, part)
		}
	}
	check("before nbf", "not valid yet")
	s.Pass(9 * time.Minute)
	check("within the leeway", "")
	s.Pass(51*time.Minute - time.Second)
	check("a second before exp", "")
	s.Pass(time.Second)
	check("at exp", "expired")
	s.Pass(-2 * time.Hour)
	check("before iat", "not valid yet")
	_, err := s.keys.Verify(ctx, raw, "https://other.example.org/r4")
	wantError(t, "before iat", err, token.InvalidToken, "not valid yet")
}

// TestVerifyRefuses signs with keys of the server's own key set where it can,
// so that only one thing is wrong each time.
func TestVerifyRefuses(t *testing.T) {
	s := newServer(t)
	good := s.mint(t)
	kid := header(t, good)["kid"].(string)
	body := s.claims()
	payload := with(body.Map(), "iss", issuer, "iat", s.Now().Unix(), "jti", "1")
	parts := strings.Split(good, ".")
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(must(s.keys.JWKS(ctx)), &set); err != nil {
		t.Fatal(err)
	}
	public := must(json.Marshal(set.Key(kid)[0]))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt","kid":"` + kid + `"}`))
	idToken := must(s.keys.MintID(ctx, with(payload, "iss", nil), "ES384"))
	for name, c := range map[string]struct{ raw, part string }{
		"empty":                       {"", "no JWT"},
		"no JWT":                      {"a.b.c", "no JWT"},
		"none":                        {none + "." + parts[1] + ".", "no JWT"},
		"none with signature":         {none + "." + parts[1] + "." + parts[2], "no JWT"},
		"HS256, public key":           {sign([]byte(public), "HS256", "at+jwt", kid, payload), "no JWT"},
		"HS384, public key":           {sign([]byte(public), "HS384", "at+jwt", kid, payload), "no JWT"},
		"another key":                 {sign(ec384(), "ES384", "at+jwt", kid, payload), "signature"},
		"an algorithm of another key": {sign(rsa2k(), "RS384", "at+jwt", kid, payload), "no key"},
		"an algorithm not offered":    {sign(ec256(), "ES256", "at+jwt", kid, payload), "no JWT"},
		"unknown kid":                 {sign(ec384(), "ES384", "at+jwt", "nobody", payload), "no key"},
		"no kid":                      {sign(ec384(), "ES384", "at+jwt", "", payload), "no key"},
		"key in the header":           {sign(ec384(), "ES384", "at+jwt", "", payload, "jwk", jose.JSONWebKey{Key: ec384().Public()}), "no key"},
		"no type":                     {sign(ec384(), "ES384", "", kid, payload), "type"},
		"an id_token":                 {idToken, "type"},
		"altered claims":              {parts[0] + "." + base64.RawURLEncoding.EncodeToString(must(json.Marshal(with(payload, "scope", "system/*.*")))) + "." + parts[2], "signature"},
		"cut":                         {parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-4], "signature"},
		"too long":                    {good + strings.Repeat("A", 20_000), "longer"},
		"JSON form":                   {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, "no JWT"},
		"spaces":                      {" " + good, ""},
	} {
		_, err := s.keys.Verify(ctx, c.raw, audience)
		wantError(t, name, err, token.InvalidToken, c.part)
	}
	_, err := s.keys.Verify(ctx, good, "https://fhir.example.org/datastore/other/r4")
	wantError(t, "another data store", err, token.InvalidToken, "audience")
}

func TestVerifyRefusesAnotherIssuerOfTheSameKeys(t *testing.T) {
	s := newServer(t)
	elsewhere := must(token.OpenKeys(ctx, token.KeysConfig{DB: s.db, Box: newBox(t), Issuer: "https://other.example.org/auth", Now: s.Now}))
	_, err := elsewhere.Verify(ctx, s.mint(t), audience)
	wantError(t, "another issuer", err, token.InvalidToken, "another issuer")
}

func TestRotationOverlaps(t *testing.T) {
	s := newServer(t)
	second := s.process(t)
	old := s.mint(t)
	if err := s.keys.Rotate(ctx); err != nil {
		t.Fatal(err)
	}
	if n := len(must(s.keys.List(ctx))); n != 6 {
		t.Errorf("%d keys after a rotation, want 6", n)
	}
	if raw := s.mint(t); header(t, raw)["kid"] != header(t, old)["kid"] {
		t.Error("the new key signs before others can know it")
	}
	s.Pass(token.JWKSMaxAge)
	if published := string(must(second.JWKS(ctx))); strings.Count(published, `"kid"`) != 6 {
		t.Errorf("the other process publishes %s", published)
	}
	s.Pass(5 * time.Minute)
	fresh := s.mint(t)
	if header(t, fresh)["kid"] == header(t, old)["kid"] {
		t.Error("the old key still signs")
	}
	for name, k := range map[string]*token.Keys{"this process": s.keys, "the other process": second, "a third one": s.process(t)} {
		for _, raw := range []string{old, fresh} {
			if _, err := k.Verify(ctx, raw, audience); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	s.Pass(token.MaxLifetime + 2*time.Minute)
	if n := len(must(s.keys.List(ctx))); n != 3 {
		t.Errorf("%d keys when all old tokens have expired, want 3", n)
	}
}

func TestRotateIfOlder(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		after time.Duration
		want  bool
		keys  int
	}{{0, false, 3}, {23 * time.Hour, false, 3}, {time.Hour, true, 6}, {0, false, 6}} {
		s.Pass(c.after)
		rotated, err := s.keys.RotateIfOlder(ctx, 24*time.Hour)
		if n := len(must(s.keys.List(ctx))); err != nil || rotated != c.want || n != c.keys {
			t.Errorf("after %v more: %v, %v, %d keys; want %v and %d", c.after, rotated, err, n, c.want, c.keys)
		}
	}
}

func TestRevokeTakesEffectElsewhere(t *testing.T) {
	s := newServer(t)
	second := s.process(t)
	old := s.mint(t)
	if _, err := second.Verify(ctx, old, audience); err != nil {
		t.Fatal(err)
	}
	if err := s.keys.Revoke(ctx); err != nil {
		t.Fatal(err)
	}
	s.Pass(time.Minute)
	for name, k := range map[string]*token.Keys{"this process": s.keys, "the other process": second} {
		if _, err := k.Verify(ctx, s.mint(t), audience); err != nil {
			t.Errorf("%s: a new token: %v", name, err)
		}
		_, err := k.Verify(ctx, old, audience)
		wantError(t, name, err, token.InvalidToken, "no key")
	}
}

func TestManyProcessesAgreeOnTheFirstKeys(t *testing.T) {
	c := newClock()
	s := &server{clock: c, db: newDB(t, c)}
	keys := make([]*token.Keys, 4)
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() { keys[i] = s.process(t) })
	}
	wait.Wait()
	for _, k := range keys {
		if got := must(k.List(ctx)); len(got) != 3 {
			t.Errorf("%d keys", len(got))
		}
		if _, err := keys[0].Verify(ctx, must(k.Mint(ctx, s.claims())), audience); err != nil {
			t.Error(err)
		}
	}
}

func TestJWKSHoldsNoSecret(t *testing.T) {
	s := newServer(t)
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(must(s.keys.JWKS(ctx)), &set); err != nil {
		t.Fatal(err)
	}
	var algs []string
	for _, key := range set.Keys {
		algs = append(algs, key["alg"].(string))
		if key["use"] != "sig" || key["kid"] == "" {
			t.Errorf("%v", key)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if key[private] != nil {
				t.Errorf("the key set has %q", private)
			}
		}
	}
	slices.Sort(algs)
	if diff := cmp.Diff([]string{"ES384", "RS256", "RS384"}, algs); diff != "" {
		t.Error(diff)
	}
}

func TestPrivateKeysAreSealed(t *testing.T) {
	s := newServer(t)
	other := must(newOtherBox())
	if _, err := token.OpenKeys(ctx, token.KeysConfig{DB: s.db, Box: other, Issuer: issuer, Now: s.Now}); err == nil {
		t.Error("another master key opens the signing keys")
	}
}

func TestIDTokens(t *testing.T) {
	s := newServer(t)
	body := claims("sub", "user-1", "aud", "app", "exp", s.Now().Add(time.Minute), "nonce", "n", "fhirUser", "https://fhir.example.org/r4/Patient/1")
	for alg, want := range map[string]string{"": "RS256", "RS256": "RS256", "RS384": "RS384", "ES384": "ES384"} {
		raw, err := s.keys.MintID(ctx, body, alg)
		if err != nil {
			t.Fatal(err)
		}
		if h := header(t, raw); h["alg"] != want || h["typ"] != "JWT" {
			t.Errorf("header %v", h)
		}
		got, err := s.keys.VerifyID(ctx, raw, "app")
		if err != nil || got.Extra["nonce"] != "n" || got.Subject != "user-1" || got.Issuer != issuer || !got.IssuedAt.Equal(s.Now()) {
			t.Errorf("%+v, %v", got, err)
		}
		_, err = s.keys.VerifyID(ctx, raw, "another")
		wantError(t, "another client", err, token.InvalidToken, "another client")
	}
	_, err := s.keys.VerifyID(ctx, s.mint(t), "")
	wantError(t, "an access token", err, token.InvalidToken, "type")
	for _, alg := range []string{"none", "HS256", "ES256"} {
		if _, err := s.keys.MintID(ctx, body, alg); err == nil {
			t.Errorf("an id_token with %s is made", alg)
		}
	}
	for _, name := range []string{"sub", "aud", "exp"} {
		if _, err := s.keys.MintID(ctx, with(body, name, nil), ""); err == nil {
			t.Errorf("an id_token without %s is made", name)
		}
	}
	s.Pass(time.Hour)
	if _, err := s.keys.VerifyID(ctx, must(s.keys.MintID(ctx, with(body, "exp", s.Now().Add(time.Minute)), "")), "app"); err != nil {
		t.Errorf("an expired hint: %v", err)
	}
}

func BenchmarkMint(b *testing.B) {
	s := newServer(b)
	c := s.claims()
	for b.Loop() {
		if _, err := s.keys.Mint(ctx, c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRaw is the limit: ES384 alone.
func BenchmarkRaw(b *testing.B) {
	hash := make([]byte, 48)
	signature := must(ecdsa.SignASN1(rand.Reader, ec384(), hash))
	b.Run("sign", func(b *testing.B) {
		for b.Loop() {
			must(ecdsa.SignASN1(rand.Reader, ec384(), hash))
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if !ecdsa.VerifyASN1(&ec384().PublicKey, hash, signature) {
				b.Fatal("the signature is wrong")
			}
		}
	})
}

func BenchmarkMintID(b *testing.B) {
	s := newServer(b)
	body := claims("sub", "user-1", "aud", "app", "exp", s.Now().Add(time.Minute))
	for _, alg := range []string{"RS256", "ES384"} {
		b.Run(alg, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.keys.MintID(ctx, body, alg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	s := newServer(b)
	raw := s.mint(b)
	b.Run("remembered", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.keys.Verify(ctx, raw, audience); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		raws := make([]string, 500)
		for i := range raws {
			raws[i] = s.mint(b)
		}
		keys, n := s.keys, 0
		for b.Loop() {
			if n++; n%len(raws) == 0 {
				b.StopTimer()
				keys = s.process(b)
				b.StartTimer()
			}
			if _, err := keys.Verify(ctx, raws[n%len(raws)], audience); err != nil {
				b.Fatal(err)
			}
		}
	})
}
