package console_test

import (
	"bufio"
	"bytes"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/internal/running"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/smart"
)

const password = "violet harbour lantern"

// hostile is a text that a page must not take for its own.
const hostile = `<img src=x onerror=alert(1)>"'{{.}}`

// people are the users of the scripts, by name, with their roles.
var people = map[string][]string{
	"ada":   {authz.RoleAdmin},
	"boss":  {authz.RoleAdmin, authz.RoleAuditor},
	"nurse": {authz.RolePractitioner},
}

// A run is a script on a server of its own. A line is a command:
//
//	as NAME               the browser of a user, signed in; "nobody" is not
//	get PATH              asks for a page
//	post PATH [FORM]      sends a form with the browser's token; "form-" is without
//	upload PATH FILE [x]  sends a file of the script with the token; x is "incomplete"
//	                      or "forged", which is without the token
//	oversize PATH         begins to send a file that is too long
//	settle PATH           asks for a page until nothing runs on it
//	status N [LOCATION]   wants an answer
//	has TEXT, lacks TEXT  wants the page to have a text, or not
type run struct {
	t       *testing.T
	files   map[string][]byte
	base    string
	browser map[string]*http.Client
	tokens  map[string]string
	who     string
	status  int
	body    string
	header  http.Header
}

// TestScripts runs testdata/*.txtar.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			must(t, err)
			archive := txtar.Parse(text)
			r := newRun(t, archive)
			for i, line := range strings.Split(string(archive.Comment), "\n") {
				if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
					r.line(fmt.Sprintf("%s:%d", name, i+1), line)
				}
			}
		})
	}
}

// newRun starts a server; the file "settings" of the script has settings.
func newRun(t *testing.T, archive *txtar.Archive) *run {
	t.Helper()
	r := &run{t: t, files: map[string][]byte{}, browser: map[string]*http.Client{}, tokens: map[string]string{}, who: "nobody"}
	cfg := server.Default()
	cfg.Data, cfg.Auth, cfg.Listen = t.TempDir(), server.AuthSMART, "127.0.0.1:0"
	cfg.PasswordCost, cfg.CacheSize = login.Cost{Time: 1, Memory: 8, Threads: 1}, 8<<20
	cfg.Stdout, cfg.Stderr = io.Discard, io.Discard
	for _, f := range archive.Files {
		switch text := strings.TrimSpace(string(f.Data)); f.Name {
		case "open":
			cfg.Auth = server.AuthNone
		case "off":
			cfg.Console = "off"
		default:
			r.files[f.Name] = r.packed(f.Name, text)
		}
	}
	s := running.Server(t, cfg)
	r.base = "http://" + s.Addr()
	if cfg.Auth == server.AuthSMART {
		r.fill(cfg.Data)
	}
	return r
}

// fill adds people, an app and keys.
func (r *run) fill(data string) {
	r.t.Helper()
	a, err := server.OpenAdmin(r.t.Context(), data)
	must(r.t, err)
	defer a.Close()
	for name, roles := range people {
		_, err := a.AddUser(r.t.Context(), admin.NewUser{Name: strings.ToUpper(name[:1]) + name[1:] + " " + hostile, Username: name, Password: password, Roles: roles})
		must(r.t, err)
	}
	added, err := a.AddClient(r.t.Context(), smart.Client{
		ID: "loader", Name: "The Loader", Type: smart.Symmetric, Scopes: "system/*.cruds", Grants: []string{"client_credentials"}, DataStores: []string{"default"},
	})
	must(r.t, err)
	r.files["secret"] = []byte(added.Secret)
}

// packed is a package: name.tgz is one of name@1.0.0 that needs what the text
// names, and has a profile; a file of another name is as it stands.
func (r *run) packed(name, text string) []byte {
	name, ok := strings.CutSuffix(name, ".tgz")
	if !ok {
		return []byte(text)
	}
	title := strings.NewReplacer("<", `\u003c`, `"`, `\"`).Replace(hostile)
	needs := "{}"
	if text != "" {
		needs = fmt.Sprintf(`{%q: "1.0.0"}`, text)
	}
	return guidetest.Archive(r.t,
		"package/package.json", fmt.Sprintf(`{"name": %q, "version": "1.0.0", "title": "%s", "canonical": "http://example.org/%[1]s", "fhirVersions": ["4.0.1"], "dependencies": %[3]s}`, name, title, needs),
		"package/StructureDefinition-p.json", guidetest.Profile("http://example.org/"+name+"/p", "1.0.0", "name"))
}

func (r *run) line(at, line string) {
	r.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	path, rest2, _ := strings.Cut(rest, " ")
	switch verb {
	case "as":
		r.as(rest)
	case "get":
		r.send(http.MethodGet, path, "", nil)
	case "settle":
		for r.send(http.MethodGet, path, "", nil); strings.Contains(r.body, "data-running"); {
			r.send(http.MethodGet, path, "", nil)
		}
	case "post", "form-":
		form := rest2
		if verb == "post" {
			form = "csrf=" + url.QueryEscape(r.token()) + "&" + form
		}
		r.send(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form))
	case "upload":
		r.upload(path, rest2)
	case "oversize":
		r.oversize(path)
	case "status":
		to, _, _ := strings.Cut(r.header.Get("Location"), "?flow=") // which is sealed
		if got := strings.TrimSpace(fmt.Sprintf("%d %s", r.status, to)); got != rest {
			r.t.Errorf("%s: the answer is %s, want %s\n%s", at, got, rest, r.main())
		}
	case "has", "lacks":
		if strings.Contains(r.body, rest) != (verb == "has") {
			r.t.Errorf("%s: the page should have been one that %s %s\n%s", at, verb, rest, r.main())
		}
	default:
		r.t.Fatalf("%s: there is no command %q", at, verb)
	}
}

// main is what a page shows.
func (r *run) main() string {
	_, main, _ := strings.Cut(r.body, "<main")
	return main
}

// send sends a request of the browser, and checks what holds for every page.
func (r *run) send(method, path, kind string, body io.Reader) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.base+path, body)
	must(r.t, err)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Origin", r.base)
	}
	res, err := r.client().Do(req)
	must(r.t, err)
	r.read(res)
	policy := res.Header.Get("Content-Security-Policy")
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") && (!strings.HasPrefix(policy, "default-src 'none'; style-src 'nonce-") ||
		!strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") || res.Header.Get("Cache-Control") != "no-store") {
		r.t.Errorf("%s %s has the headers %v", method, path, res.Header)
	}
	if inline := regexp.MustCompile(`<script[^>]*>[^<]|<[a-z][^>]* on[a-z]+=|href="javascript`).FindString(r.body); inline != "" {
		r.t.Errorf("%s %s has script of its own: %s", method, path, inline)
	}
	for name, secret := range map[string]string{"password": password, "client secret": string(r.files["secret"])} {
		if secret != "" && strings.Contains(r.body, secret) {
			r.t.Errorf("%s %s shows a %s", method, path, name)
		}
	}
}

func (r *run) read(res *http.Response) {
	r.t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(r.t, err)
	r.status, r.body, r.header = res.StatusCode, string(text), res.Header
	for _, c := range res.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
			r.t.Errorf("the cookie %s can be used by scripts or other sites", c.Name)
		}
	}
}

// client is the browser of the user.
func (r *run) client() *http.Client {
	r.t.Helper()
	if r.browser[r.who] == nil {
		jar, err := cookiejar.New(nil)
		must(r.t, err)
		r.browser[r.who] = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return r.browser[r.who]
}

var tokenPattern = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// token is that of the forms of the browser.
func (r *run) token() string {
	r.t.Helper()
	if r.tokens[r.who] == "" {
		var found []string
		for _, path := range []string{"/console", "/login", "/logout"} { // who may not see the first has a token of another
			if r.send(http.MethodGet, path, "", nil); found == nil {
				found = tokenPattern.FindStringSubmatch(r.body)
			}
		}
		if found == nil {
			r.t.Fatalf("no page has a token for %s: %s", r.who, r.body)
		}
		r.tokens[r.who] = html.UnescapeString(found[1])
	}
	return r.tokens[r.who]
}

// as changes to the browser of a user, who signs in on the server's own page.
func (r *run) as(name string) {
	r.t.Helper()
	known := r.browser[name] != nil
	r.who = name
	if known || name == "nobody" {
		return
	}
	r.send(http.MethodGet, "/login", "", nil)
	found := tokenPattern.FindStringSubmatch(r.body)
	if found == nil {
		r.t.Fatalf("the sign-in page is %d %s", r.status, r.body)
	}
	form := url.Values{"csrf": {html.UnescapeString(found[1])}, "username": {name}, "password": {password}}
	r.send(http.MethodPost, "/login", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if r.status != http.StatusSeeOther {
		r.t.Fatalf("%s cannot sign in: %d %s", name, r.status, r.main())
	}
}

// upload sends a file in a form.
func (r *run) upload(path, rest string) {
	r.t.Helper()
	name, how, _ := strings.Cut(rest, " ")
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	token := r.token()
	if how == "forged" {
		token = strings.Repeat("x", len(token))
	}
	must(r.t, form.WriteField("csrf", token))
	part, err := form.CreateFormFile("file", name)
	must(r.t, err)
	_, err = part.Write(r.files[name])
	must(r.t, err)
	if how == "incomplete" {
		must(r.t, form.WriteField("incomplete", "true"))
	}
	must(r.t, form.Close())
	r.send(http.MethodPost, path, form.FormDataContentType(), &body)
}

// oversize sends the head of an upload of 300 MB, and no more: the answer must
// come without it.
func (r *run) oversize(path string) {
	r.t.Helper()
	to, err := url.Parse(r.base)
	must(r.t, err)
	conn, err := net.Dial("tcp", to.Host)
	must(r.t, err)
	defer conn.Close()
	req, err := http.NewRequest(http.MethodPost, r.base+path, nil)
	must(r.t, err)
	var cookies []string
	for _, c := range r.client().Jar.Cookies(to) {
		cookies = append(cookies, c.String())
	}
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 300000000\r\n\r\n",
		path, to.Host, strings.Join(cookies, "; "))
	must(r.t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	must(r.t, err)
	r.read(res)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
