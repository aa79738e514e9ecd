package token_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/token"
)

const outside = "https://idp.example.org"

// external are the claims of a token of an external issuer.
func external(c *clock) map[string]any {
	return claims("iss", outside, "sub", "u", "aud", audience, "client_id", "app", "scope", "patient/*.read", "patient", "p1",
		"iat", c.Now().Unix(), "nbf", c.Now().Unix(), "exp", c.Now().Add(time.Hour).Unix())
}

type issuerTest struct {
	*clock
	keys     *fake
	verifier *token.Issuer
}

func newIssuer(t testing.TB, change func(cfg *token.IssuerConfig)) *issuerTest {
	t.Helper()
	i := &issuerTest{clock: newClock(), keys: newKeyServer(t, jwks("k1", "ES384", ec384(), "k2", "", rsa2k()))}
	cfg := token.IssuerConfig{
		Issuer: outside, JWKSURI: i.keys.URL + "/jwks", Now: i.Now,
		KeySets: token.NewKeySets(token.KeySetsConfig{AllowLoopback: true, Now: i.Now}),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if i.verifier, err = token.NewIssuer(cfg); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *issuerTest) verify(raw string) (*token.Claims, error) {
	return i.verifier.Verify(ctx, raw, audience)
}

func TestIssuer(t *testing.T) {
	i := newIssuer(t, nil)
	for _, raw := range []string{sign(ec384(), "ES384", "JWT", "k1", external(i.clock)), sign(rsa2k(), "RS256", "at+jwt", "k2", external(i.clock)), sign(ec384(), "ES384", "", "", external(i.clock))} {
		for range 3 {
			c, err := i.verify(raw)
			if err != nil || c.Patient != "p1" || c.Issuer != outside || c.Scope != "patient/*.read" {
				t.Fatalf("%+v, %v", c, err)
			}
		}
	}
	i.keys.want(t, 1)
}

func TestIssuerRefuses(t *testing.T) {
	i := newIssuer(t, func(cfg *token.IssuerConfig) { cfg.Required = []string{"patient"} })
	good := external(i.clock)
	es := func(pairs ...any) string { return sign(ec384(), "ES384", "JWT", "k1", with(good, pairs...)) }
	parts := strings.Split(es(), ".")
	for name, c := range map[string]struct{ raw, part string }{
		"empty":             {"", "no JWT"},
		"none":              {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "no JWT"},
		"HS256, public key": {sign([]byte(jwks("k1", "ES384", ec384())), "HS256", "JWT", "k1", good), "no JWT"},
		"RS256 with the EC": {sign(rsa2k(), "RS256", "JWT", "k1", good), "no key"},
		"another key":       {sign(other(), "ES384", "JWT", "k1", good), "signature"},
		"unknown kid":       {sign(ec384(), "ES384", "JWT", "k9", good), "no key"},
		"a proof":           {sign(ec384(), "ES384", "dpop+jwt", "k1", good), "type"},
		"a logout token":    {sign(ec384(), "ES384", "logout+jwt", "k1", good), "type"},
		"another issuer":    {es("iss", issuer), "issuer"},
		"no issuer":         {es("iss", nil), "issuer"},
		"wrong audience":    {es("aud", "https://other.example.org"), "audience"},
		"no audience":       {es("aud", nil), "audience"},
		"expired":           {es("exp", i.Now().Add(-time.Minute).Unix(), "iat", nil, "nbf", nil), "expired"},
		"no expiry":         {es("exp", nil), "exp"},
		"not valid yet":     {es("nbf", i.Now().Add(2*time.Minute).Unix()), "not valid yet"},
		"of the future":     {es("iat", i.Now().Add(2*time.Minute).Unix()), "future"},
		"missing claim":     {es("patient", nil), "no claim patient"},
		"scope is a number": {es("scope", 1), "scope"},
		"unknown binding":   {es("cnf", claims("kid", "a")), "cnf"},
		"binding and more":  {es("cnf", claims("jkt", "a", "kid", "b")), "cnf"},
		"empty binding":     {es("cnf", claims()), "cnf"},
		"expiry before iat": {es("exp", i.Now().Add(30*time.Second).Unix(), "iat", i.Now().Add(50*time.Second).Unix()), "before it was issued"},
	} {
		_, err := i.verify(c.raw)
		wantError(t, name, err, token.InvalidToken, c.part)
	}
}

func TestIssuerRotatesKeys(t *testing.T) {
	i := newIssuer(t, nil)
	old := sign(ec384(), "ES384", "JWT", "k1", external(i.clock))
	if _, err := i.verify(old); err != nil {
		t.Fatal(err)
	}
	i.keys.set(jwks("k3", "ES384", other()))
	fresh := sign(other(), "ES384", "JWT", "k3", external(i.clock))
	i.Pass(11 * time.Second)
	if _, err := i.verify(fresh); err != nil {
		t.Errorf("the new key: %v", err)
	}
	_, err := i.verify(old)
	wantError(t, "the old key, though remembered", err, token.InvalidToken, "no key")
	i.keys.set(jwks("k3", "ES384", ec384()))
	i.Pass(6 * time.Minute)
	_, err = i.verify(fresh)
	wantError(t, "another key under the kid, though remembered", err, token.InvalidToken, "signature")
}

func TestIssuerOutage(t *testing.T) {
	i := newIssuer(t, nil)
	i.keys.down(true)
	raw := sign(ec384(), "ES384", "JWT", "k1", with(external(i.clock), "exp", i.Now().Add(72*time.Hour).Unix()))
	for range 5 {
		_, err := i.verify(raw)
		wantError(t, "before the first answer", err, token.Unavailable, "cannot be fetched")
	}
	i.keys.want(t, 1)
	i.keys.down(false)
	i.Pass(11 * time.Second)
	if _, err := i.verify(raw); err != nil {
		t.Error(err)
	}
	i.keys.down(true)
	for range 20 {
		i.Pass(time.Hour)
		if _, err := i.verify(raw); err != nil {
			t.Errorf("in the outage at %v: %v", i.Now(), err)
		}
	}
	i.Pass(5 * time.Hour)
	_, err := i.verify(raw)
	wantError(t, "after a day", err, token.Unavailable, "cannot be fetched")
}

func TestIssuerDiscovery(t *testing.T) {
	server := newFake(t, nil)
	metadata := map[string]any{"issuer": server.URL, "jwks_uri": server.URL + "/keys"}
	server.handle(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			_, _ = w.Write(jwks("k1", "ES384", ec384()))
			return
		}
		if r.URL.Path != "/.well-known/openid-configuration" {
			t.Errorf("request for %s", r.URL)
		}
		_ = json.NewEncoder(w).Encode(metadata)
	})
	i := newIssuer(t, func(cfg *token.IssuerConfig) { cfg.Issuer, cfg.JWKSURI = server.URL, "" })
	raw := sign(ec384(), "ES384", "JWT", "k1", with(external(i.clock), "iss", server.URL))
	for range 3 {
		if _, err := i.verify(raw); err != nil {
			t.Fatal(err)
		}
	}
	server.want(t, 2)
	metadata["issuer"] = outside
	i = newIssuer(t, func(cfg *token.IssuerConfig) { cfg.Issuer, cfg.JWKSURI = server.URL, "" })
	_, err := i.verify(raw)
	wantError(t, "metadata of another issuer", err, token.Unavailable, "metadata")
}

func TestIssuerConfig(t *testing.T) {
	sets := token.NewKeySets(token.KeySetsConfig{})
	for name, cfg := range map[string]token.IssuerConfig{
		"no issuer":      {KeySets: sets, JWKSURI: "https://example.org/"},
		"no key sets":    {Issuer: outside},
		"keys by http":   {Issuer: outside, KeySets: sets, JWKSURI: "http://example.org/"},
		"issuer by http": {Issuer: "http://example.org", KeySets: sets},
		"HS256":          {Issuer: outside, KeySets: sets, Algorithms: []string{"HS256"}},
		"none":           {Issuer: outside, KeySets: sets, Algorithms: []string{"none"}},
	} {
		if _, err := token.NewIssuer(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestClaimNames(t *testing.T) {
	i := newIssuer(t, func(cfg *token.IssuerConfig) {
		cfg.Names = token.ClaimNames{Roles: "realm_access.roles", Patient: "https://example.org/claims/patient", FHIRUser: "ext.user"}
	})
	c, err := i.verify(sign(ec384(), "ES384", "JWT", "k1", with(external(i.clock), "scope", nil, "scp", []string{"openid", "patient/*.read"}, "client_id", nil, "cid", "okta",
		"realm_access", claims("roles", []string{"a", "b"}), "https://example.org/claims/patient", "p9", "ext", claims("user", "Patient/p9"))))
	if err != nil {
		t.Fatal(err)
	}
	if c.Scope != "openid patient/*.read" || c.ClientID != "okta" || c.Patient != "p9" || c.FHIRUser != "Patient/p9" || !cmp.Equal(c.Roles, []string{"a", "b"}) {
		t.Errorf("%+v", c)
	}
}

func TestIssuers(t *testing.T) {
	i := newIssuer(t, nil)
	s := newServer(t)
	both := token.Issuers{ByIssuer: map[string]token.Verifier{outside: i.verifier, issuer: s.keys}}
	for _, raw := range []string{s.mint(t), sign(ec384(), "ES384", "JWT", "k1", external(i.clock))} {
		if _, err := both.Verify(ctx, raw, audience); err != nil {
			t.Error(err)
		}
	}
	for name, raw := range map[string]string{"another": sign(ec384(), "ES384", "JWT", "k1", with(external(i.clock), "iss", "https://x")), "no issuer": sign(ec384(), "ES384", "JWT", "k1", "{}"), "opaque": "abc"} {
		_, err := both.Verify(ctx, raw, audience)
		wantError(t, name, err, token.InvalidToken, "no issuer")
	}
	_, err := both.Verify(ctx, sign(ec384(), "ES384", "JWT", "k1", with(external(i.clock), "iss", issuer)), audience)
	wantError(t, "the name of an issuer, the key of another", err, token.InvalidToken, "type")
}

// A remoteTest asks a fake server about tokens.
type remoteTest struct {
	*clock
	server *fake
	// answer is what the server says; question what it was last asked.
	answer   any
	question string
	header   http.Header
}

func newRemoteTest(t testing.TB) *remoteTest {
	r := &remoteTest{clock: newClock()}
	r.server = newFake(t, func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		r.question, r.header = string(body), request.Header
		r.question = request.Method + " " + request.URL.EscapedPath() + " " + r.question
		_ = json.NewEncoder(w).Encode(r.answer)
	})
	return r
}

func (r *remoteTest) introspection(t *testing.T, change func(cfg *token.IntrospectionConfig)) *token.Introspection {
	t.Helper()
	cfg := token.IntrospectionConfig{URL: r.server.URL + "/introspect", ClientID: "tarn", ClientSecret: "s/e", Now: r.Now, Timeout: time.Minute}
	if change != nil {
		change(&cfg)
	}
	return must(token.NewIntrospection(cfg))
}

func TestIntrospection(t *testing.T) {
	r := newRemoteTest(t)
	r.answer = with(external(r.clock), "active", true, "username", "ann")
	v := r.introspection(t, nil)
	c, err := v.Verify(ctx, "opaque+token", audience)
	if err != nil {
		t.Fatal(err)
	}
	if c.Patient != "p1" || c.Extra["username"] != "ann" || c.Extra["active"] != nil {
		t.Errorf("%+v", c)
	}
	if r.question != "POST /introspect token=opaque%2Btoken&token_type_hint=access_token" {
		t.Errorf("asked %q", r.question)
	}
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("tarn:s%2Fe")); r.header.Get("Authorization") != want {
		t.Errorf("Authorization %q", r.header.Get("Authorization"))
	}
	_, err = v.Verify(ctx, "opaque+token", "https://other.example.org")
	wantError(t, "another data store", err, token.InvalidToken, "audience")
	r.server.want(t, 2)
}

func TestIntrospectionRefuses(t *testing.T) {
	r := newRemoteTest(t)
	v := r.introspection(t, func(cfg *token.IntrospectionConfig) { cfg.Issuer, cfg.Required = outside, []string{"sub"} })
	good := with(external(r.clock), "active", true)
	for name, c := range map[string]struct {
		answer     any
		code, part string
	}{
		"not active":       {claims("active", false), token.InvalidToken, "not active"},
		"no active":        {external(r.clock), token.InvalidToken, "not active"},
		"active is a text": {with(good, "active", "true"), token.InvalidToken, "not active"},
		"no object":        {[]string{"a"}, token.Unavailable, "something else"},
		"null":             {nil, token.InvalidToken, "not active"},
		"expired":          {with(good, "exp", r.Now().Add(-2*time.Minute).Unix(), "iat", nil), token.InvalidToken, "expired"},
		"not valid yet":    {with(good, "nbf", r.Now().Add(2*time.Minute).Unix()), token.InvalidToken, "not valid yet"},
		"wrong audience":   {with(good, "aud", "x"), token.InvalidToken, "audience"},
		"no audience":      {with(good, "aud", nil), token.InvalidToken, "audience"},
		"another issuer":   {with(good, "iss", "x"), token.InvalidToken, "issuer"},
		"missing claim":    {with(good, "sub", nil), token.InvalidToken, "no claim sub"},
		"claim is no text": {with(good, "patient", 1), token.InvalidToken, "patient"},
	} {
		r.answer = c.answer
		_, err := v.Verify(ctx, strings.ReplaceAll("opaque "+name, " ", "-"), audience)
		wantError(t, name, err, c.code, c.part)
	}
	_, err := v.Verify(ctx, "two words", audience)
	wantError(t, "no token", err, token.InvalidToken, "printable")
	r.server.down(true)
	_, err = v.Verify(ctx, "opaque", audience)
	wantError(t, "outage", err, token.Unavailable, "does not answer")
}

func TestIntrospectionCache(t *testing.T) {
	r := newRemoteTest(t)
	v := r.introspection(t, func(cfg *token.IntrospectionConfig) {
		cfg.Cache, cfg.AudienceOptional = 30*time.Second, true
	})
	r.answer = with(external(r.clock), "active", true, "aud", nil, "exp", nil)
	for range 3 {
		if _, err := v.Verify(ctx, "opaque", audience); err != nil {
			t.Fatal(err)
		}
	}
	r.server.want(t, 1)
	r.answer = claims("active", false)
	r.Pass(29 * time.Second)
	if _, err := v.Verify(ctx, "opaque", audience); err != nil {
		t.Error(err)
	}
	r.Pass(time.Second)
	for range 3 {
		_, err := v.Verify(ctx, "opaque", audience)
		wantError(t, "revoked", err, token.InvalidToken, "not active")
	}
	r.server.want(t, 2)
	r.Pass(time.Minute)
	r.server.down(true)
	_, err := v.Verify(ctx, "opaque", audience)
	wantError(t, "outage", err, token.Unavailable, "")
	r.server.down(false)
	r.answer = with(external(r.clock), "active", true)
	if _, err := v.Verify(ctx, "opaque", audience); err != nil {
		t.Errorf("an outage is remembered: %v", err)
	}
	r.answer = with(external(r.clock), "active", true, "exp", r.Now().Add(-59*time.Second).Unix(), "iat", nil)
	if _, err := v.Verify(ctx, "another", audience); err != nil {
		t.Error(err)
	}
	r.Pass(2 * time.Second)
	_, err = v.Verify(ctx, "another", audience)
	wantError(t, "expired while remembered", err, token.InvalidToken, "expired")
}

// TestIssuerOfTenants checks an issuer whose keys are those of many tenants.
func TestIssuerOfTenants(t *testing.T) {
	template := outside + "/{tenantid}/v2.0"
	i := newIssuer(t, func(cfg *token.IssuerConfig) { cfg.Issuer, cfg.Tenants = template, []string{"t1", "t2"} })
	of := func(pairs ...any) string {
		return sign(ec384(), "ES384", "JWT", "k1", with(external(i.clock), pairs...))
	}
	v := token.Issuers{ByIssuer: map[string]token.Verifier{outside: i.verifier}, Templates: []*token.Issuer{i.verifier}}
	for _, tenant := range []string{"t1", "t2"} {
		c, err := v.Verify(ctx, of("iss", outside+"/"+tenant+"/v2.0", "tid", tenant), audience)
		if err != nil || c.Tenant != tenant || c.Issuer != outside+"/"+tenant+"/v2.0" {
			t.Errorf("%s: %+v, %v", tenant, c, err)
		}
	}
	for name, raw := range map[string]string{
		"another tenant":            of("iss", outside+"/t3/v2.0", "tid", "t3"),
		"tid of another":            of("iss", outside+"/t1/v2.0", "tid", "t2"),
		"no tid":                    of("iss", outside+"/t1/v2.0"),
		"the template":              of("iss", template, "tid", "{tenantid}"),
		"another issuer":            of("iss", "https://evil.example.org/t1/v2.0", "tid", "t1"),
		"a tenant with a path":      of("iss", outside+"/t1/v2.0/t1/v2.0", "tid", "t1/v2.0/t1"),
		"without a tenant":          of("iss", outside, "tid", "t1"),
		"tid of the wrong type":     of("iss", outside+"/t1/v2.0", "tid", 1),
		"a tenant, another's claim": of("iss", outside+"/t1/v2.0", "tid", "t3"),
	} {
		_, err := v.Verify(ctx, raw, audience)
		wantError(t, name, err, token.InvalidToken, "")
	}
}

func TestRemoteURLs(t *testing.T) {
	for _, uri := range []string{"http://example.org/check", "", "check", "ftp://example.org"} {
		if _, err := token.NewFunction(token.FunctionConfig{URL: uri}); err == nil {
			t.Errorf("a function at %q", uri)
		}
		if _, err := token.NewIntrospection(token.IntrospectionConfig{URL: uri}); err == nil {
			t.Errorf("introspection at %q", uri)
		}
	}
}

func FuzzVerify(f *testing.F) {
	i := newIssuer(f, nil)
	s := newServer(f)
	both := token.Issuers{ByIssuer: map[string]token.Verifier{outside: i.verifier, issuer: s.keys}}
	known := map[string]bool{s.mint(f): true, sign(ec384(), "ES384", "JWT", "k1", external(i.clock)): true}
	for raw := range known {
		f.Add(raw)
	}
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlLm9yZyJ9.")
	f.Add(sign(other(), "ES384", "at+jwt", "k1", external(i.clock)))
	f.Fuzz(func(t *testing.T, raw string) {
		if c, err := both.Verify(ctx, raw, audience); err == nil && !known[raw] {
			t.Errorf("%q is taken for a token: %+v", raw, c)
		}
	})
}
