package login

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/kv"
	records "github.com/tarnhealth/tarn/pebble/record"
)

const (
	home = "https://tarn.test"
	// good is a password that the policy takes.
	good   = "violet harbour lantern"
	better = "seven quiet herons wade"
)

// cheap keeps tests fast; what is tested is the same.
var cheap = Cost{Time: 1, Memory: 8, Threads: 1}

type clock = still.Clock

// A world is a service on an in-memory file system, with a clock that stands.
type world struct {
	t      testing.TB
	clock  *clock
	fs     *crashing.Disk
	db     kv.DB
	box    *crypt.Box
	s      *Service
	log    *bytes.Buffer
	mu     sync.Mutex
	events []Event
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, clock: still.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), fs: crashing.New(), log: &bytes.Buffer{}}
	box, err := crypt.NewBox(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.box = box
	w.openDB()
	w.serve(change...)
	return w
}

func (w *world) openDB() {
	w.t.Helper()
	db, err := records.Open("records", records.Options{FS: w.fs, Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
	w.t.Cleanup(func() { _ = db.Close() })
}

// serve makes a service on the database, as another process would.
func (w *world) serve(change ...func(*Config)) {
	w.t.Helper()
	cfg := Config{
		DB: w.db, Box: w.box, BaseURL: home, Now: w.clock.Now, Cost: cheap,
		Log: slog.New(slog.NewTextHandler(lockedWriter{w}, nil)),
		Address: func(r *http.Request) string {
			if a := r.Header.Get("Test-Address"); a != "" {
				return a
			}
			return "192.0.2.1"
		},
		Event: func(_ context.Context, e Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.s = s
}

type lockedWriter struct{ w *world }

func (l lockedWriter) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(p)
}

func (w *world) kinds() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (w *world) lastEvent() Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) == 0 {
		w.t.Fatal("nothing happened")
	}
	return w.events[len(w.events)-1]
}

// add makes a user with the good password.
func (w *world) add(username string, change ...func(*NewUser)) *User {
	w.t.Helper()
	n := NewUser{Name: "Grace " + username, Username: username, Email: username + "@example.org", Password: good}
	for _, c := range change {
		c(&n)
	}
	u, err := w.s.Directory().Add(w.t.Context(), n)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// A person is somebody at a browser, which keeps cookies and follows no
// redirects by itself.
type person struct {
	w      *world
	t      testing.TB
	client *http.Client
	header http.Header
	at     *url.URL
	status int
	head   http.Header
	body   string
}

func (w *world) person() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &person{w: w, t: w.t, header: http.Header{}}
	p.client = &http.Client{Jar: jar, Transport: direct{w}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	p.at, _ = url.Parse(home + "/")
	return p
}

// direct answers requests by the world's service, without a network.
type direct struct{ w *world }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "tarn.test" {
		return nil, errors.New("the test has no host " + r.URL.Host)
	}
	var body io.Reader
	if r.Body != nil {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	in := httptest.NewRequest(r.Method, r.URL.String(), body)
	in.Header = r.Header.Clone()
	rec := httptest.NewRecorder()
	d.w.s.ServeHTTP(rec, in)
	return rec.Result(), nil
}

func (p *person) do(method, path string, form url.Values) *person {
	p.t.Helper()
	to, err := p.at.Parse(path)
	if err != nil {
		p.t.Fatal(err)
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, to.String(), body)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header = p.header.Clone()
	if form != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.at, p.status, p.head, p.body = to, res.StatusCode, res.Header, string(data)
	if p.status >= 500 {
		p.w.mu.Lock()
		p.t.Logf("the server's log:\n%s", p.w.log)
		p.w.mu.Unlock()
	}
	if strings.HasPrefix(p.head.Get("Content-Type"), "text/html") {
		checkPage(p.t, method+" "+to.Path, p.head, p.body)
	}
	return p
}

func (p *person) get(path string) *person { p.t.Helper(); return p.do("GET", path, nil) }

// follow goes where redirects of this server lead.
func (p *person) follow() *person {
	p.t.Helper()
	for range 10 {
		to := p.head.Get("Location")
		if p.status != http.StatusSeeOther || !strings.HasPrefix(to, "/") {
			return p
		}
		p.get(to)
	}
	p.t.Fatal("redirected in circles")
	return p
}

// submit sends the form of the page whose action begins with action, with
// some of its inputs filled in: name, value, name, value….
func (p *person) submit(action string, inputs ...string) *person {
	p.t.Helper()
	to, values := p.form(action)
	for i := 0; i < len(inputs); i += 2 {
		values.Set(inputs[i], inputs[i+1])
	}
	return p.do("POST", to, values)
}

func (p *person) form(action string) (string, url.Values) {
	p.t.Helper()
	for _, f := range forms(p.t, p.body) {
		if path, _, _ := strings.Cut(f.action, "?"); path == action {
			return f.action, f.values
		}
	}
	p.t.Fatalf("no form for %s on the page %s (status %d):\n%s", action, p.at.Path, p.status, visible(p.body))
	return "", nil
}

// link finds a link of the page by what it begins with.
func (p *person) link(begin string) string {
	p.t.Helper()
	for e := range elements(p.t, p.body) {
		if href := attr(e, "href"); e.Name.Local == "a" && strings.HasPrefix(href, begin) {
			return href
		}
	}
	p.t.Fatalf("no link to %s on the page %s:\n%s", begin, p.at.Path, visible(p.body))
	return ""
}

func (p *person) want(status int, text string) *person {
	p.t.Helper()
	if p.status != status || !strings.Contains(visible(p.body), text) {
		p.t.Fatalf("%s: status %d, want %d with %q; Location %q; page:\n%s", p.at.Path, p.status, status, text, p.head.Get("Location"), visible(p.body))
	}
	return p
}

func (p *person) wantRedirect(to string) *person {
	p.t.Helper()
	got := p.head.Get("Location")
	if path, _, _ := strings.Cut(got, "?"); p.status != http.StatusSeeOther || got != to && path != to {
		p.t.Fatalf("%s: status %d, Location %q, want 303 to %q; page:\n%s", p.at.Path, p.status, got, to, visible(p.body))
	}
	return p
}

// signIn goes from the sign-in page to the account page.
func (p *person) signIn(name, password string) *person {
	p.t.Helper()
	return p.get("/login").submit("/login", "username", name, "password", password)
}

func (p *person) session() (*Session, *User) {
	p.t.Helper()
	r := httptest.NewRequest("GET", home+"/x", nil)
	u, _ := url.Parse(home + "/x")
	for _, c := range p.client.Jar.Cookies(u) {
		r.AddCookie(c)
	}
	session, user, err := p.w.s.Session(r)
	if err != nil {
		p.t.Fatal(err)
	}
	return session, user
}

func (p *person) wantNobody() {
	p.t.Helper()
	if session, user := p.session(); session != nil || user != nil {
		p.t.Fatalf("signed in: %+v", session)
	}
}

func (p *person) wantUser(id string, amr ...string) *Session {
	p.t.Helper()
	session, user := p.session()
	if session == nil || user.ID != id {
		p.t.Fatalf("session %+v of %+v, want user %s; page:\n%s", session, user, id, visible(p.body))
	}
	if !slices.Equal(session.AMR, amr) {
		p.t.Fatalf("amr %v, want %v", session.AMR, amr)
	}
	return session
}

// A posted is a form of a page.
type posted struct {
	action string
	values url.Values
}

func forms(t testing.TB, body string) []posted {
	var list []posted
	for e := range elements(t, body) {
		switch {
		case e.Name.Local == "form":
			list = append(list, posted{attr(e, "action"), url.Values{}})
		case e.Name.Local == "input" && len(list) > 0:
			list[len(list)-1].values.Set(attr(e, "name"), attr(e, "value"))
		}
	}
	return list
}

func decoder(body string) *xml.Decoder {
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict, d.Entity = false, xml.HTMLEntity
	return d
}

// elements yields the start tags of a page in their order.
func elements(t testing.TB, body string) func(func(xml.StartElement) bool) {
	return func(yield func(xml.StartElement) bool) {
		d := decoder(body)
		for {
			token, err := d.RawToken()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("the page is not well formed: %v", err)
			}
			if e, ok := token.(xml.StartElement); ok && !yield(e) {
				return
			}
		}
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func has(e xml.StartElement, name string) bool {
	return slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == name })
}

// visible is a page's text.
func visible(body string) string {
	var b strings.Builder
	d, skip := decoder(body), false
	for {
		token, err := d.RawToken()
		if err != nil {
			return strings.Join(strings.Fields(b.String()), " ")
		}
		switch e := token.(type) {
		case xml.StartElement:
			skip = e.Name.Local == "style"
		case xml.EndElement:
			skip = false
		case xml.CharData:
			if !skip {
				b.Write(e)
				b.WriteByte(' ')
			}
		}
	}
}

var void = []string{"meta", "link", "input", "img", "br"}

// checkPage checks what every page must have: headers, well-formed HTML, a
// language, one main heading, landmarks, unique ids, a label for each input,
// a name for each button and picture, and references that lead somewhere.
func checkPage(t testing.TB, name string, head http.Header, body string) {
	t.Helper()
	checkHeaders(t, name, head)
	var open []string
	count, ids, labels, refs := map[string]int{}, map[string]bool{}, map[string]bool{}, []string{}
	var inputs []string
	d := decoder(body)
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s is not well formed: %v\n%s", name, err, body)
		}
		switch e := token.(type) {
		case xml.StartElement:
			tag := e.Name.Local
			count[tag]++
			if !slices.Contains(void, tag) && !strings.HasPrefix(body[d.InputOffset()-2:], "/>") {
				open = append(open, tag)
			}
			if id := attr(e, "id"); id != "" {
				if ids[id] {
					t.Errorf("%s: id %s twice", name, id)
				}
				ids[id] = true
			}
			if tag == "label" {
				labels[attr(e, "for")] = true
			}
			if tag == "input" && attr(e, "type") != "hidden" {
				inputs = append(inputs, attr(e, "id"))
				if !has(e, "autocomplete") {
					t.Errorf("%s: input %s has no autocomplete", name, attr(e, "name"))
				}
			}
			if tag == "img" && attr(e, "alt") == "" {
				t.Errorf("%s: a picture has no text", name)
			}
			for _, ref := range []string{"aria-labelledby", "aria-describedby"} {
				refs = append(refs, strings.Fields(attr(e, ref))...)
			}
			if to, ok := strings.CutPrefix(attr(e, "href"), "#"); ok {
				refs = append(refs, to)
			}
			if has(e, "style") || has(e, "onclick") || tag == "script" && !has(e, "nonce") {
				t.Errorf("%s: %s has what the policy forbids", name, tag)
			}
			if tag == "html" && attr(e, "lang") != head.Get("Content-Language") {
				t.Errorf("%s: lang is %q", name, attr(e, "lang"))
			}
			if tag == "form" && !strings.Contains(body[d.InputOffset():], `name="csrf"`) {
				t.Errorf("%s: a form has no token", name)
			}
		case xml.EndElement:
			tag := e.Name.Local
			if slices.Contains([]string{"path", "rect"}, tag) && (len(open) == 0 || open[len(open)-1] != tag) {
				continue // of <path/>
			}
			if len(open) == 0 || open[len(open)-1] != tag {
				t.Fatalf("%s: </%s> in %v", name, tag, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: not closed: %v", name, open)
	}
	for _, tag := range []string{"html", "title", "h1", "main", "header", "footer"} {
		if count[tag] != 1 {
			t.Errorf("%s: %d elements %s", name, count[tag], tag)
		}
	}
	for _, id := range inputs {
		if id == "" || !labels[id] {
			t.Errorf("%s: input %q has no label", name, id)
		}
	}
	for _, ref := range refs {
		if !ids[ref] {
			t.Errorf("%s: a reference to %q leads nowhere", name, ref)
		}
	}
}

func checkHeaders(t testing.TB, name string, head http.Header) {
	t.Helper()
	for header, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		"Referrer-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
	} {
		if got := head.Get(header); got != want {
			t.Errorf("%s: %s is %q, want %q", name, header, got, want)
		}
	}
	policy := head.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%s: the policy has no %q: %s", name, want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("%s: the policy is unsafe: %s", name, policy)
	}
	for _, c := range head.Values("Set-Cookie") {
		for _, want := range []string{"__Host-tarn-", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
			if !strings.Contains(c, want) {
				t.Errorf("%s: cookie %s lacks %s", name, c, want)
			}
		}
	}
}

// signInWith has another package ask for a sign-in.
func (w *world) signInWith(p *person, q SignInRequest) {
	w.t.Helper()
	r := httptest.NewRequest("GET", home+"/auth/authorize", nil)
	for _, c := range p.client.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	w.s.SignIn(rec, r, q)
	res := rec.Result()
	p.client.Jar.SetCookies(r.URL, res.Cookies())
	p.at, p.status, p.head, p.body = r.URL, res.StatusCode, res.Header, rec.Body.String()
}
