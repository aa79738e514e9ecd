package smart_test

import (
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tarnhealth/tarn/internal/transcript"
)

// TestTranscripts runs testdata/*.txtar. Each is a conversation with a fresh
// server, in pairs of files: what is asked, and "want", what comes back. The
// names of the files cite the clauses of the standards that they prove.
//
// A question begins with one line, headers may follow, and after an empty line
// parameters, one name=value a line, which are sent as a form, or for GET in
// the query. A body that begins with { is sent as it is.
//
//	GET /path, POST /path …  sends a request; with the header "Browser: NAME"
//	                         that browser sends it with its cookies, and follows
//	                         the server's redirects to itself
//	SIGNIN NAME as USER      signs in with a password
//	AUTHORIZE NAME           GET /auth/authorize with parameters that are right
//	                         for the client "app" unless given; "name=" leaves
//	                         one out
//	SUBMIT NAME              posts the form of the browser's page: its hidden
//	                         and ticked inputs, and the parameters; -name=value
//	                         unticks
//	TOKEN                    POST /auth/token for a code of AUTHORIZE, with
//	                         parameters that are right unless given
//	DECODE JWT               the header and claims of a JWT, as a body
//	CLOCK DURATION           lets time pass; there is no want
//
// Values may hold {{name}}: what was captured, or secret:CLIENT, or one of base,
// challenge, verifier, jkt. A value "@jwt {…}" is a client assertion that the
// object changes, "@proof TOKEN" a DPoP proof.
//
// What comes back is a status, headers, and a pattern: as package transcript has
// them, or for pages lines "has: text" and "lacks: text".
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	keys := publicKeys(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, settings(t, string(archive.Comment))...)
			w.addClients(t, keys)
			newConversation(t, w).run(t, archive)
		})
	}
}

type conversation struct {
	*world
	vars     transcript.Vars
	browsers map[string]browser
	pages    map[string]string // the page that each browser shows
}

func newConversation(t *testing.T, w *world) *conversation {
	c := &conversation{world: w, browsers: map[string]browser{}, pages: map[string]string{}}
	c.vars = transcript.Vars{
		"base": base, "challenge": challenge(verifier), "verifier": verifier, "callback": callback, "jkt": thumbprint(t),
		"long": strings.Repeat("a", 100_000),
	}
	for id, secret := range w.secrets {
		c.vars["secret:"+id] = secret
	}
	return c
}

func (c *conversation) run(t *testing.T, archive *txtar.Archive) {
	for i := 0; i < len(archive.Files); i++ {
		ask := archive.Files[i]
		if d, ok := strings.CutPrefix(strings.TrimSpace(string(ask.Data)), "CLOCK "); ok {
			duration, err := time.ParseDuration(d)
			if err != nil {
				t.Fatal(err)
			}
			c.clock.Pass(duration)
			continue
		}
		i++
		if i == len(archive.Files) || archive.Files[i].Name != "want" {
			t.Fatalf("%s: there is no want", ask.Name)
		}
		rec := c.ask(t, ask.Name, c.vars.Fill(string(ask.Data)))
		c.check(t, ask.Name, rec, string(archive.Files[i].Data))
	}
}

func (c *conversation) ask(t *testing.T, name, text string) *httptest.ResponseRecorder {
	t.Helper()
	first, headers, body := transcript.Split(text)
	words := strings.Fields(first)
	header := http.Header{}
	for _, line := range headers {
		key, value, _ := strings.Cut(line, ":")
		header.Add(key, strings.TrimSpace(value))
	}
	switch words[0] {
	case "SIGNIN":
		return c.signIn(t, words[1], words[3])
	case "AUTHORIZE":
		return c.authorize(words[1], c.params(t, body))
	case "SUBMIT":
		return c.submit(t, words[1], body)
	case "TOKEN":
		values := url.Values{
			"grant_type": {"authorization_code"}, "client_id": {"app"}, "redirect_uri": {callback},
			"code": {c.vars["code"]}, "code_verifier": {verifier},
		}
		return c.post(t, header, "/auth/token", override(values, c.params(t, body)))
	case "DECODE":
		return decodeJWT(t, words[1])
	}
	if len(words) != 2 {
		t.Fatalf("%s: not a request: %s", name, first)
	}
	return c.send(t, header, words[0], words[1], body)
}

func (c *conversation) send(t *testing.T, header http.Header, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	var req *http.Request
	switch trimmed := strings.TrimSpace(body); {
	case strings.HasPrefix(trimmed, "{"):
		req = httptest.NewRequest(method, home+path, strings.NewReader(trimmed))
		req.Header.Set("Content-Type", "application/json")
	case method == http.MethodPost:
		req = form(method, home+path, c.params(t, body))
	default:
		values := c.params(t, body)
		if len(values) > 0 {
			path += "?" + values.Encode()
		}
		req = httptest.NewRequest(method, home+path, nil)
	}
	c.addHeaders(t, req, header)
	name := header.Get("Browser")
	rec := c.do(c.browser(name), req)
	if name != "" {
		rec = c.follow(c.browser(name), rec)
		c.pages[name] = rec.Body.String()
	}
	return rec
}

func (c *conversation) addHeaders(t *testing.T, req *http.Request, header http.Header) {
	t.Helper()
	for key, values := range header {
		for _, value := range values {
			switch {
			case key == "Browser":
				continue
			case strings.HasPrefix(value, "@proof"):
				value = c.proof(t, req, strings.TrimSpace(strings.TrimPrefix(value, "@proof")))
			case strings.HasPrefix(value, "@basic "):
				value = "Basic " + base64.StdEncoding.EncodeToString([]byte(strings.TrimPrefix(value, "@basic ")))
			}
			req.Header.Add(key, value)
		}
	}
}

func (c *conversation) browser(name string) browser {
	if name == "" {
		return nil
	}
	if c.browsers[name] == nil {
		c.browsers[name] = browser{}
	}
	return c.browsers[name]
}

// post sends a form as an app does.
func (c *conversation) post(t *testing.T, header http.Header, path string, values url.Values) *httptest.ResponseRecorder {
	t.Helper()
	req := form(http.MethodPost, home+path, values)
	c.addHeaders(t, req, header)
	return c.do(nil, req)
}

// params reads name=value lines.
func (c *conversation) params(t *testing.T, body string) url.Values {
	t.Helper()
	values := url.Values{}
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("not a parameter: %s", line)
		}
		if change, ok := strings.CutPrefix(value, "@jwt"); ok {
			value = c.assertion(t, strings.TrimSpace(change))
		}
		values.Add(key, strings.ReplaceAll(value, `\n`, "\n"))
	}
	return values
}

func override(values, changes url.Values) url.Values {
	for key, value := range changes {
		values[key] = value
		if len(value) == 1 && value[0] == "" {
			values.Del(key)
		}
	}
	return values
}

func (c *conversation) authorize(name string, changes url.Values) *httptest.ResponseRecorder {
	values := override(url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {callback}, "state": {"st4te"},
		"scope": {"launch/patient patient/*.rs"}, "aud": {base},
		"code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"},
	}, changes)
	b := c.browser(name)
	rec := c.follow(b, c.do(b, httptest.NewRequest(http.MethodGet, home+"/auth/authorize?"+values.Encode(), nil)))
	c.pages[name] = rec.Body.String()
	return rec
}

// signIn signs in on the page that the browser shows, or on a fresh one.
func (c *conversation) signIn(t *testing.T, name, user string) *httptest.ResponseRecorder {
	t.Helper()
	if !strings.Contains(c.pages[name], `name="password"`) {
		b := c.browser(name)
		c.pages[name] = c.follow(b, c.do(b, httptest.NewRequest(http.MethodGet, home+"/login", nil))).Body.String()
	}
	return c.submit(t, name, "username="+user+"\npassword="+password)
}

var (
	formTag  = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)".*?</form>`)
	inputTag = regexp.MustCompile(`<input[^>]*>`)
	attrTag  = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
)

// submit posts the first form of a browser's page.
func (c *conversation) submit(t *testing.T, name, body string) *httptest.ResponseRecorder {
	t.Helper()
	m := formTag.FindStringSubmatch(c.pages[name])
	if m == nil {
		t.Fatalf("the page of %s has no form:\n%.3000s", name, c.pages[name])
	}
	values := url.Values{}
	for _, tag := range inputTag.FindAllString(m[0], -1) {
		attr := map[string]string{}
		for _, a := range attrTag.FindAllStringSubmatch(tag, -1) {
			attr[a[1]] = html.UnescapeString(a[2])
		}
		if attr["type"] == "hidden" || attr["type"] == "checkbox" && strings.Contains(tag, " checked") {
			values.Add(attr["name"], attr["value"])
		}
	}
	for key, given := range c.params(t, body) {
		if untick, ok := strings.CutPrefix(key, "-"); ok {
			values[untick] = slices.DeleteFunc(values[untick], func(v string) bool { return slices.Contains(given, v) })
			continue
		}
		values[key] = given
	}
	b := c.browser(name)
	rec := c.follow(b, c.do(b, form(http.MethodPost, home+html.UnescapeString(m[1]), values)))
	c.pages[name] = rec.Body.String()
	return rec
}

func decodeJWT(t *testing.T, raw string) *httptest.ResponseRecorder {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %s", raw)
	}
	head, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	fmt.Fprintf(rec, `{"header":%s,"claims":%s}`, head, claims)
	return rec
}

func (c *conversation) check(t *testing.T, name string, rec *httptest.ResponseRecorder, want string) {
	t.Helper()
	status, headers, body := transcript.Split(want)
	var problems []string
	if status != strconv.Itoa(rec.Code) {
		problems = append(problems, "the status is not "+status)
	}
	for _, line := range headers {
		if p := c.vars.Header(rec.Header(), line); p != "" {
			problems = append(problems, p)
		}
	}
	if body = strings.TrimSpace(body); strings.HasPrefix(body, "{") {
		problems = append(problems, c.vars.JSON(rec.Body.Bytes(), []byte(body))...)
	} else {
		problems = append(problems, c.matchLines(rec.Body.String(), body)...)
	}
	problems = append(problems, soundness(rec)...)
	if len(problems) > 0 {
		t.Fatalf("%s:\n  %s\n--- got %d %v\n%.3000s\n--- log\n%s", name, strings.Join(problems, "\n  "), rec.Code, rec.Header(), seen(rec), c.tail())
	}
}

var inlined = regexp.MustCompile(`(?s)<head>.*</head>|<svg.*?</svg>`)

// seen is a body without what nobody wants to read.
func seen(rec *httptest.ResponseRecorder) string {
	return inlined.ReplaceAllString(rec.Body.String(), "")
}

func (c *conversation) tail() string {
	lines := strings.Split(c.logged(), "\n")
	return strings.Join(lines[max(0, len(lines)-6):], "\n")
}

// soundness is what holds for every answer: pages cannot be framed and are not
// kept, answers with tokens neither.
func soundness(rec *httptest.ResponseRecorder) (problems []string) {
	h := rec.Header()
	if strings.HasPrefix(h.Get("Content-Type"), "text/html") {
		if !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("Cache-Control") != "no-store" {
			problems = append(problems, "the page lacks the headers of pages")
		}
	}
	if strings.Contains(rec.Body.String(), "token\"") && h.Get("Content-Type") == "application/json" && !strings.HasPrefix(h.Get("Cache-Control"), "public") {
		if h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" {
			problems = append(problems, "an answer with a token may be cached")
		}
	}
	if rec.Code >= 300 && rec.Code < 400 && rec.Code != http.StatusSeeOther {
		problems = append(problems, "a redirect is not 303")
	}
	return problems
}

func (c *conversation) matchLines(text, want string) (problems []string) {
	for line := range strings.Lines(want) {
		line = c.vars.Fill(strings.TrimRight(line, "\n"))
		if has, ok := strings.CutPrefix(line, "has: "); ok && !strings.Contains(text, has) {
			problems = append(problems, "the body lacks "+has)
		}
		if lacks, ok := strings.CutPrefix(line, "lacks: "); ok && strings.Contains(text, lacks) {
			problems = append(problems, "the body has "+lacks)
		}
	}
	return problems
}

// TestClausesAreCited prints the clauses of the standards on SMART App Launch
// and Backend Services that no transcript and no test cites.
func TestClausesAreCited(t *testing.T) {
	page, err := os.ReadFile("../../shared/standards.md")
	if err != nil {
		t.Skip("../../shared/standards.md is absent")
	}
	cited := map[string]bool{}
	files, _ := filepath.Glob("testdata/*.txtar")
	tests, _ := filepath.Glob("*_test.go")
	for _, file := range append(files, tests...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, clause := range regexp.MustCompile(`\b[AB]\d+\b`).FindAllString(string(text), -1) {
			cited[clause] = true
		}
	}
	var missing []string
	for _, m := range regexp.MustCompile(`(?m)^- ([AB]\d+) `).FindAllStringSubmatch(string(page), -1) {
		if !cited[m[1]] && elsewhere[m[1]] == "" {
			missing = append(missing, m[1])
		}
	}
	if len(missing) > 0 {
		t.Errorf("no test cites %s", strings.Join(missing, ", "))
	}
}
