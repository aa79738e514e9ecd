package smart_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// fuzzWorld has one client and limits that do not get in the way.
func fuzzWorld(f *testing.F) *conversation {
	f.Helper()
	w := newWorld(f)
	w.addClients(f, publicKeys(f))
	return &conversation{world: w, browsers: map[string]browser{}, pages: map[string]string{}}
}

// Whatever an authorization request holds, the browser goes to a step of this
// server, to a registered redirect URI, or nowhere (A12, RFC 6749 4.1.2.1).
func FuzzAuthorize(f *testing.F) {
	for _, change := range []url.Values{
		{}, {"aud": {"x"}}, {"scope": {"patient/*.rs patient/Observation.rs?category=a|b"}}, {"prompt": {"none"}},
		{"redirect_uri": {"https://app.example/callback#x"}}, {"state": {"a\r\nb"}}, {"client_id": {"native"}, "redirect_uri": {"http://127.0.0.1:1/cb"}},
		{"launch": {"x"}, "scope": {"launch"}}, {"max_age": {"-1"}}, {"id_token_hint": {"a.b.c"}}, {"request_uri": {"urn:ietf:params:oauth:request_uri:x"}},
	} {
		values := override(url.Values{
			"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {callback}, "state": {"s"}, "scope": {"patient/*.rs"},
			"aud": {base}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"},
		}, change)
		f.Add(values.Encode())
	}
	f.Add("client_id=app&client_id=web&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback")
	f.Add("%zz")
	c := fuzzWorld(f)
	f.Fuzz(func(t *testing.T, query string) {
		req := httptest.NewRequest(http.MethodPost, home+"/auth/authorize", strings.NewReader(query))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		c.clock.Pass(60e9) // so that no limit is reached
		rec := c.do(nil, req)
		to := rec.Header().Get("Location")
		switch {
		case rec.Code == http.StatusBadRequest && to == "":
		case rec.Code == http.StatusRequestEntityTooLarge && to == "":
		case rec.Code == http.StatusSeeOther && strings.HasPrefix(to, "/auth/continue?request="):
		case rec.Code == http.StatusSeeOther && registered(to):
			if u, err := url.Parse(to); err != nil || u.Query().Get("error") == "" || u.Query().Get("iss") != home+"/auth" {
				t.Errorf("%q: sent to %q", query, to)
			}
		default:
			t.Errorf("%q: got %d, sent to %q", query, rec.Code, to)
		}
		if strings.ContainsAny(to, "\r\n") {
			t.Errorf("%q: a header was broken: %q", query, to)
		}
	})
}

// registered reports whether an address is a redirect URI of a client.
func registered(to string) bool {
	for _, uri := range []string{callback + "?", "com.example.heart:/cb?", "http://localhost:9000/cb?"} {
		if strings.HasPrefix(to, uri) {
			return true
		}
	}
	u, err := url.Parse(to)
	return err == nil && u.Scheme == "http" && u.Hostname() == "127.0.0.1" && u.Path == "/cb" && u.User == nil
}

// Whatever a token request holds, the answer is an error of RFC 6749 that no
// cache keeps, and never the server's own fault.
func FuzzToken(f *testing.F) {
	for _, seed := range []url.Values{
		{"grant_type": {"authorization_code"}, "client_id": {"app"}, "code": {"x"}, "code_verifier": {verifier}, "redirect_uri": {callback}},
		{"grant_type": {"refresh_token"}, "client_id": {"app"}, "refresh_token": {"x"}, "scope": {"patient/*.rs"}},
		{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {"eyJhbGciOiJub25lIn0.e30."}, "scope": {"system/*.rs"}},
		{"grant_type": {"urn:tarn:oauth:grant-type:mint"}, "client_id": {"admin"}, "client_secret": {"x"}},
		{"grant_type": {"password"}},
	} {
		f.Add(seed.Encode(), "")
	}
	f.Add("grant_type=refresh_token", "Basic YTpi")
	f.Add("grant_type=refresh_token", "Bearer x")
	c := fuzzWorld(f)
	f.Fuzz(func(t *testing.T, body, authorization string) {
		req := httptest.NewRequest(http.MethodPost, home+"/auth/token", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", authorization)
		c.clock.Pass(60e9)
		rec := c.do(nil, req)
		var e map[string]string
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || e["error"] == "" {
			t.Fatalf("%q: not an OAuth error: %s", body, rec.Body)
		}
		if rec.Code < 400 || rec.Code >= 500 || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q: got %d %v", body, rec.Code, rec.Header())
		}
		if strings.ContainsFunc(e["error_description"], func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
			t.Errorf("%q: error_description %q", body, e["error_description"])
		}
	})
}
