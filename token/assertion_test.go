package token_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/token"
)

const tokenEndpoint = "https://fhir.example.org/auth/token"

type assertions struct {
	*clock
	db      kv.DB
	checker *token.Assertions
	keys    token.ClientKeys
}

func newAssertions(t testing.TB, sets *token.KeySets) *assertions {
	t.Helper()
	c := newClock()
	a := &assertions{clock: c, db: newDB(t, c)}
	a.checker = token.NewAssertions(token.AssertionsConfig{DB: a.db, KeySets: sets, Now: c.Now})
	a.keys.JWKS = jwks("k1", "ES384", ec384(), "k2", "RS384", rsa2k(), "k3", "", ec256(), "weak", "", rsa1k(), "other alg", "RS256", rsa2k(), "secret", "use", ec384())
	return a
}

func (a *assertions) claims() map[string]any {
	return claims("iss", "service", "sub", "service", "aud", tokenEndpoint, "exp", a.Now().Add(5*time.Minute).Unix(), "iat", a.Now().Unix(), "jti", "1")
}

func (a *assertions) check(raw string) (string, error) {
	return a.checker.Check(ctx, raw, tokenEndpoint, func(id string) (token.ClientKeys, error) {
		if id != "service" {
			return token.ClientKeys{}, errors.New("no such client")
		}
		return a.keys, nil
	})
}

func TestAssertions(t *testing.T) {
	a := newAssertions(t, nil)
	for name, raw := range map[string]string{
		"ES384":             sign(ec384(), "ES384", "JWT", "k1", with(a.claims(), "jti", "a")),
		"RS384":             sign(rsa2k(), "RS384", "JWT", "k2", with(a.claims(), "jti", "b")),
		"no typ":            sign(ec384(), "ES384", "", "k1", with(a.claims(), "jti", "c")),
		"several audiences": sign(ec384(), "ES384", "JWT", "k1", with(a.claims(), "jti", "d", "aud", []string{"https://x", tokenEndpoint})),
		"a clock behind":    sign(ec384(), "ES384", "JWT", "k1", with(a.claims(), "jti", "e", "exp", a.Now().Add(-30*time.Second).Unix(), "iat", nil)),
		"a clock ahead":     sign(ec384(), "ES384", "JWT", "k1", with(a.claims(), "jti", "f", "exp", a.Now().Add(5*time.Minute+30*time.Second).Unix(), "iat", a.Now().Add(30*time.Second).Unix())),
	} {
		if id, err := a.check(raw); err != nil || id != "service" {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}

func TestAssertionAlgorithmsOfAClient(t *testing.T) {
	a := newAssertions(t, nil)
	raw := sign(ec256(), "ES256", "JWT", "k3", a.claims())
	_, err := a.check(raw)
	wantError(t, "not registered", err, token.InvalidClient, "no registered key")
	a.keys.Algorithms = []string{"ES256"}
	if _, err := a.check(raw); err != nil {
		t.Error(err)
	}
	_, err = a.check(sign(ec384(), "ES384", "JWT", "k1", with(a.claims(), "jti", "2")))
	wantError(t, "another than registered", err, token.InvalidClient, "no registered key")
}

func TestAssertionsRefused(t *testing.T) {
	a := newAssertions(t, nil)
	good := a.claims()
	es := func(pairs ...any) string { return sign(ec384(), "ES384", "JWT", "k1", with(good, pairs...)) }
	valid := es()
	parts := strings.Split(valid, ".")
	secret := []byte(jwks("k1", "ES384", ec384()))
	for name, c := range map[string]struct{ raw, part string }{
		"empty":                       {"", "no JWT"},
		"none":                        {"eyJhbGciOiJub25lIiwia2lkIjoiazEifQ." + parts[1] + ".", "no JWT"},
		"HS256 by public key":         {sign(secret, "HS256", "JWT", "k1", good), "no JWT"},
		"HS384 by public key":         {sign(secret, "HS384", "JWT", "k1", good), "no JWT"},
		"another key":                 {sign(other(), "ES384", "JWT", "k1", good), "signature"},
		"another kid":                 {sign(ec384(), "ES384", "JWT", "k9", good), "no registered key"},
		"kid of another kind":         {sign(ec384(), "ES384", "JWT", "k2", good), "no registered key"},
		"no kid":                      {sign(ec384(), "ES384", "JWT", "", good), "kid"},
		"a key for another algorithm": {sign(rsa2k(), "RS384", "JWT", "other alg", good), "no registered key"},
		"a key for encryption":        {sign(ec384(), "ES384", "JWT", "secret", good), "no registered key"},
		"a weak RSA key":              {sign(rsa1k(), "RS384", "JWT", "weak", good), "no registered key"},
		"access token type":           {sign(ec384(), "ES384", "at+jwt", "k1", good), "type"},
		"jku":                         {sign(ec384(), "ES384", "JWT", "k1", good, "jku", "https://evil.example.org/jwks"), "jku"},
		"unknown crit":                {sign(ec384(), "ES384", "JWT", "k1", good, "crit", []string{"x"}, "x", 1), ""},
		"unknown client":              {es("iss", "nobody", "sub", "nobody"), "no registered key"},
		"sub is not iss":              {es("sub", "another"), "iss and sub"},
		"no iss":                      {es("iss", nil), "iss and sub"},
		"iss is no text":              {es("iss", 1), ""},
		"long iss":                    {es("iss", strings.Repeat("a", 600), "sub", strings.Repeat("a", 600)), "iss and sub"},
		"no aud":                      {es("aud", nil), "aud"},
		"aud is the issuer":           {es("aud", issuer), "aud"},
		"aud with a slash":            {es("aud", tokenEndpoint+"/"), "aud"},
		"no exp":                      {es("exp", nil), "exp"},
		"expired":                     {es("exp", a.Now().Add(-time.Minute).Unix(), "iat", nil), "expired"},
		"exp too far":                 {es("exp", a.Now().Add(7*time.Minute).Unix()), "more than 5m"},
		"exp is a text":               {es("exp", "tomorrow"), "exp"},
		"exp is huge":                 {es("exp", 1e300), "exp"},
		"not valid yet":               {es("nbf", a.Now().Add(2*time.Minute).Unix()), "not valid yet"},
		"nbf is huge":                 {es("nbf", 1e300), "nbf"},
		"issued later":                {es("iat", a.Now().Add(2*time.Minute).Unix()), "future"},
		"no jti":                      {es("jti", nil), "jti"},
		"long jti":                    {es("jti", strings.Repeat("a", 600)), "jti"},
		"no claims":                   {sign(ec384(), "ES384", "JWT", "k1", "null"), ""},
		"claims are a list":           {sign(ec384(), "ES384", "JWT", "k1", "[]"), ""},
		"iss twice":                   {sign(ec384(), "ES384", "JWT", "k1", `{"iss":"service","iss":"service","sub":"service"}`), ""},
	} {
		id, err := a.check(c.raw)
		wantError(t, name, err, token.InvalidClient, c.part)
		if id != "" {
			t.Errorf("%s: client %q", name, id)
		}
	}
	if _, err := a.check(valid); err != nil {
		t.Errorf("what was refused counts as used: %v", err)
	}
}

func TestAssertionReplay(t *testing.T) {
	a := newAssertions(t, nil)
	raw := sign(ec384(), "ES384", "JWT", "k1", a.claims())
	if _, err := a.check(raw); err != nil {
		t.Fatal(err)
	}
	_, err := a.check(raw)
	wantError(t, "the same again", err, token.InvalidClient, "used before")
	_, err = a.check(sign(rsa2k(), "RS384", "JWT", "k2", a.claims()))
	wantError(t, "the same jti in another", err, token.InvalidClient, "used before")
	elsewhere := token.NewAssertions(token.AssertionsConfig{DB: a.db, Now: a.Now})
	_, err = elsewhere.Check(ctx, raw, tokenEndpoint, func(string) (token.ClientKeys, error) { return a.keys, nil })
	wantError(t, "another process", err, token.InvalidClient, "used before")
	for range 7 {
		a.Pass(time.Minute)
		if _, err := a.check(raw); err == nil {
			t.Errorf("accepted again at %v", a.Now())
		}
	}
}

func TestAssertionKeysByURL(t *testing.T) {
	c := newClock()
	keys := newKeyServer(t, jwks("k1", "ES384", ec384()))
	a := newAssertions(t, token.NewKeySets(token.KeySetsConfig{AllowLoopback: true, Now: c.Now}))
	a.clock = c
	a.checker = token.NewAssertions(token.AssertionsConfig{DB: a.db, KeySets: token.NewKeySets(token.KeySetsConfig{AllowLoopback: true, Now: c.Now}), Now: c.Now})
	a.keys = token.ClientKeys{URI: keys.URL + "/jwks"}
	n := 0
	try := func(key any, kid string) error {
		n++
		_, err := a.check(sign(key, "ES384", "JWT", kid, with(a.claims(), "jti", strings.Repeat("x", n)), "jku", a.keys.URI))
		return err
	}
	for range 3 {
		if err := try(ec384(), "k1"); err != nil {
			t.Fatal(err)
		}
	}
	keys.want(t, 1)
	keys.set(jwks("k2", "ES384", other()))
	wantError(t, "a new key at once", try(other(), "k2"), token.InvalidClient, "no registered key")
	keys.want(t, 1)
	c.Pass(11 * time.Second)
	if err := try(other(), "k2"); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	keys.want(t, 2)
	wantError(t, "the old key", try(ec384(), "k1"), token.InvalidClient, "no registered key")
	for range 20 {
		wantError(t, "kids that nobody has", try(ec384(), "k9"), token.InvalidClient, "no registered key")
	}
	keys.want(t, 2)
	keys.down(true)
	c.Pass(23 * time.Hour)
	if err := try(other(), "k2"); err != nil {
		t.Errorf("in an outage: %v", err)
	}
	c.Pass(2 * time.Hour)
	wantError(t, "in a long outage", try(other(), "k2"), token.InvalidClient, "cannot be fetched")
	keys.down(false)
	c.Pass(11 * time.Second)
	if err := try(other(), "k2"); err != nil {
		t.Errorf("after an outage: %v", err)
	}
}

func TestKeySetAnswersThatAreRefused(t *testing.T) {
	big := `{"keys":[],"x":"` + strings.Repeat("a", 300_000) + `"}`
	private := string(must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ec384(), KeyID: "k1"}}})))
	for name, handler := range map[string]http.HandlerFunc{
		"not found":   http.NotFound,
		"a redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"too large":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(big)) },
		"no JSON":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) },
		"private key": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(private)) },
	} {
		keys := newKeyServer(t, nil)
		keys.handle(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				_, _ = w.Write(jwks("k1", "ES384", ec384()))
				return
			}
			if r.Header.Get("Accept") != "application/json" {
				t.Errorf("Accept: %q", r.Header.Get("Accept"))
			}
			handler(w, r)
		})
		a := newAssertions(t, token.NewKeySets(token.KeySetsConfig{AllowLoopback: true}))
		a.keys = token.ClientKeys{URI: keys.URL + "/jwks"}
		_, err := a.check(sign(ec384(), "ES384", "JWT", "k1", a.claims()))
		wantError(t, name, err, token.InvalidClient, "cannot be fetched")
	}
}

func TestKeySetURLs(t *testing.T) {
	strict, private, loopback := token.NewKeySets(token.KeySetsConfig{}), token.NewKeySets(token.KeySetsConfig{AllowPrivate: true}), token.NewKeySets(token.KeySetsConfig{AllowLoopback: true})
	for uri, allowed := range map[string]string{
		"https://example.org/jwks":        "strict private loopback",
		"https://93.184.216.34/jwks":      "strict private loopback",
		"http://example.org/jwks":         "",
		"ftp://example.org/jwks":          "",
		"file:///etc/passwd":              "",
		"https://user:pw@example.org/":    "",
		"https://example.org/#a":          "",
		"https:///jwks":                   "",
		"/jwks":                           "",
		"":                                "",
		"http://localhost:1/jwks":         "loopback",
		"https://localhost/jwks":          "loopback",
		"https://a.localhost./jwks":       "loopback",
		"http://127.0.0.1/jwks":           "loopback",
		"https://127.1.2.3/jwks":          "loopback",
		"https://[::1]/jwks":              "loopback",
		"https://[::ffff:127.0.0.1]/jwks": "loopback",
		"https://10.0.0.1/jwks":           "private",
		"https://192.168.1.1/jwks":        "private",
		"https://[fd00::1]/jwks":          "private",
		"https://[::ffff:10.0.0.1]/jwks":  "private",
		"https://100.64.0.1/jwks":         "private",
		"https://[64:ff9b::a00:1]/jwks":   "private",
		"https://169.254.169.254/latest":  "",
		"https://[fe80::1]/jwks":          "",
		"https://0.0.0.0/jwks":            "",
		"https://224.0.0.1/jwks":          "",
		"https://255.255.255.255/jwks":    "",
	} {
		for name, sets := range map[string]*token.KeySets{"strict": strict, "private": private, "loopback": loopback} {
			if err := sets.CheckURL(uri); (err == nil) != strings.Contains(allowed, name) {
				t.Errorf("%s: CheckURL(%q) = %v", name, uri, err)
			}
		}
	}
}

// TestKeySetsNeverReachLoopbackByName dials a name that resolves to a loopback
// address.
func TestKeySetsNeverReachLoopbackByName(t *testing.T) {
	keys := newKeyServer(t, jwks("k1", "ES384", ec384()))
	for _, host := range []string{"localhost", "127.0.0.1"} {
		a := newAssertions(t, token.NewKeySets(token.KeySetsConfig{AllowPrivate: true}))
		a.keys = token.ClientKeys{URI: strings.Replace(keys.URL, "127.0.0.1", host, 1) + "/jwks"}
		_, err := a.check(sign(ec384(), "ES384", "JWT", "k1", a.claims()))
		wantError(t, host, err, token.InvalidClient, "cannot be fetched")
	}
	keys.want(t, 0)
}

func TestCheckJWKS(t *testing.T) {
	for name, c := range map[string]struct {
		raw  json.RawMessage
		part string
	}{
		"fine":            {jwks("a", "ES384", ec384(), "b", "RS384", rsa2k()), ""},
		"no JSON":         {json.RawMessage("x"), "no key set"},
		"a key":           {must(json.Marshal(jose.JSONWebKey{Key: ec384().Public()})), "no key set"},
		"empty":           {json.RawMessage(`{"keys":[]}`), "no key for"},
		"weak":            {jwks("a", "RS384", rsa1k()), "no key for"},
		"the same kid":    {jwks("a", "ES384", ec384(), "a", "ES384", other()), "kid of its own"},
		"no kid":          {jwks("", "ES384", ec384()), "kid of its own"},
		"private":         {must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ec384(), KeyID: "a"}}})), "not public"},
		"a shared secret": {must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: []byte("secret"), KeyID: "a"}}})), "not public"},
	} {
		err := token.CheckJWKS(c.raw)
		if c.part == "" && err != nil || c.part != "" && (err == nil || !strings.Contains(err.Error(), c.part)) {
			t.Errorf("%s: %v, want %q", name, err, c.part)
		}
	}
}

func FuzzAssertion(f *testing.F) {
	a := newAssertions(f, nil)
	f.Add(sign(ec384(), "ES384", "JWT", "k1", a.claims()))
	f.Add(sign(ec384(), "ES384", "JWT", "k1", claims("iss", "service", "sub", "service")))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("a.b.c")
	known := sign(ec384(), "ES384", "JWT", "k1", a.claims())
	f.Fuzz(func(t *testing.T, raw string) {
		id, err := a.check(raw)
		if err == nil && (id != "service" || raw != known && strings.Count(raw, ".") != 2) {
			t.Errorf("%q is taken for %q", raw, id)
		}
		if err != nil && token.CodeOf(err) != token.InvalidClient {
			t.Errorf("%q: %v", raw, err)
		}
	})
}
