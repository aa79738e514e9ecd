package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// A walker is a browser without scripts.
type walker struct {
	*running
	web *http.Client
	at  *url.URL // the page that is shown
	text,
	location string
	status int
}

func (r *running) walker() *walker {
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return &walker{running: r, web: &http.Client{Jar: jar, CheckRedirect: func(to *http.Request, _ []*http.Request) error {
		if to.URL.Path == demoPrefix+"/app" {
			return http.ErrUseLastResponse // the app takes over
		}
		return nil
	}}}
}

func (w *walker) send(req *http.Request, err error) *walker {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := w.web.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.at, w.text, w.status, w.location = res.Request.URL, string(b), res.StatusCode, res.Header.Get("Location")
	return w
}

func (w *walker) open(path string) *walker {
	w.t.Helper()
	return w.send(http.NewRequest(http.MethodGet, w.cfg.BaseURL+path, nil))
}

var (
	formPattern   = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)">(.*?)</form>`)
	hiddenPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	checkPattern  = regexp.MustCompile(`<input type="checkbox" name="([^"]*)" value="([^"]*)" checked>`)
)

// submit sends the first form of the page, its hidden and checked fields with
// those that are given.
func (w *walker) submit(fields map[string]string) *walker {
	w.t.Helper()
	form := formPattern.FindStringSubmatch(w.text)
	if form == nil {
		w.t.Fatalf("no form at %s: %d %s", w.at, w.status, w.text)
	}
	values := url.Values{}
	for _, pattern := range []*regexp.Regexp{hiddenPattern, checkPattern} {
		for _, m := range pattern.FindAllStringSubmatch(form[2], -1) {
			values.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
	}
	for name, value := range fields {
		values.Set(name, value)
	}
	to, err := w.at.Parse(html.UnescapeString(form[1]))
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(values.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", w.cfg.BaseURL)
	}
	return w.send(req, err)
}

const walkVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// launch begins a standalone launch of the sample app.
func (w *walker) launch() *walker {
	w.t.Helper()
	sum := sha256.Sum256([]byte(walkVerifier))
	return w.open("/auth/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {demoAppID}, "redirect_uri": {w.cfg.BaseURL + demoPrefix + "/app"},
		"scope": {"launch/patient openid fhirUser offline_access patient/*.rs"}, "state": {"a state"},
		"aud":            {w.cfg.BaseURL + "/datastore/default/r4"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
}

// tokens are what the token endpoint answers.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Patient string `json:"patient"`
	Scope   string `json:"scope"`
	Error   string `json:"error"`
}

func (r *running) token(form url.Values) (t tokens) {
	r.t.Helper()
	res, err := http.PostForm(r.cfg.BaseURL+"/auth/token", form)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&t); err != nil {
		r.t.Fatal(err)
	}
	return t
}

// redeem exchanges the code that the browser was sent to the app with.
func (w *walker) redeem() tokens {
	w.t.Helper()
	to, err := url.Parse(w.location)
	if err != nil || to.Path != demoPrefix+"/app" || to.Query().Get("code") == "" || to.Query().Get("state") != "a state" || to.Query().Get("iss") != w.cfg.BaseURL+"/auth" {
		w.t.Fatalf("at %s: %d, to %q: %s", w.at, w.status, w.location, w.text)
	}
	return w.token(url.Values{
		"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "client_id": {demoAppID},
		"redirect_uri": {w.cfg.BaseURL + demoPrefix + "/app"}, "code_verifier": {walkVerifier},
	})
}

// ask sends a request to the data store with an access token.
func (r *running) ask(access, path string) (status int, body string, header http.Header) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.cfg.BaseURL+"/datastore/default/r4/"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if access != "" {
		req.Header.Set("Authorization", "Bearer "+access)
	}
	return r.send(req)
}

func (r *running) wantFHIR(access, path string, status int, contains ...string) {
	r.t.Helper()
	got, body, _ := r.ask(access, path)
	if got != status {
		r.t.Errorf("GET %s: %d, want %d: %.300s", path, got, status, body)
	}
	for _, c := range contains {
		if !strings.Contains(body, c) {
			r.t.Errorf("GET %s does not hold %q: %.500s", path, c, body)
		}
	}
}

// smartConfig is a server that asks for tokens.
func smartConfig(t *testing.T, dir string) Config {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	c := testConfig(dir)
	c.Auth = AuthSMART
	c.PasswordCost.Time, c.PasswordCost.Memory, c.PasswordCost.Threads = 1, 64, 1
	return c
}
