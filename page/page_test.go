package page

import (
	"bytes"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

func newSet(t *testing.T, base string) *Set {
	t.Helper()
	s, err := New(Config{BaseURL: base}, os.DirFS("testdata/set"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func render(s *Set, r *http.Request, options ...Option) *http.Response {
	w := httptest.NewRecorder()
	s.Render(w, r, http.StatusOK, "form", `<script>alert("data")</script>`, options...)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRender(t *testing.T) {
	s := newSet(t, "https://tarn.test")
	res := render(s, httptest.NewRequest("GET", "https://tarn.test/form", nil))
	text := body(t, res)
	for _, want := range []string{
		"<!doctype html>", `<html lang="en">`, "<title>Form · Tarn</title>", `class="narrow"`, "&lt;script&gt;", `<label for="f-color">`,
		`aria-describedby="h-color"`, ` required autofocus`, `<span class="soft">(optional)</span>`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "<script") || strings.Contains(text, `id="f-size" name="size" type="number" value="" maxlength="1024" autocomplete="off" required`) {
		t.Errorf("the page has a script, or requires what is optional:\n%s", text)
	}
	nonce := regexp.MustCompile(`<style nonce="([^"]+)">`).FindStringSubmatch(text)
	policy := res.Header.Get("Content-Security-Policy")
	if nonce == nil || !strings.Contains(policy, "style-src 'nonce-"+html.UnescapeString(nonce[1])+"'") || strings.Contains(policy, "script-src") {
		t.Errorf("nonce %v, policy %s", nonce, policy)
	}
	again := render(s, httptest.NewRequest("GET", "https://tarn.test/form", nil))
	if again.Header.Get("Content-Security-Policy") == policy {
		t.Error("two pages have one nonce")
	}
	res = render(s, httptest.NewRequest("HEAD", "https://tarn.test/form", nil))
	if text := body(t, res); text != "" || res.StatusCode != 200 {
		t.Errorf("HEAD: %d %q", res.StatusCode, text)
	}
}

func TestRenderProblems(t *testing.T) {
	s := newSet(t, "https://tarn.test")
	r := httptest.NewRequest("GET", "https://tarn.test/form", nil)
	res := render(s, r, Problems(Problem{Field: "color", Message: Message{Key: "form.bad", Args: []any{"<b>"}}}, Problem{Message: Message{Key: "error.form"}}), Script("/x.js"), Person("Ana"))
	text := body(t, res)
	for _, want := range []string{
		"<title>Error: Form", `role="alert"`, `<a href="#f-color">&lt;b&gt; is no color.</a>`, `aria-invalid="true"`, `aria-describedby="h-color e-color"`,
		`id="e-color">&lt;b&gt; is no color.`, `src="/x.js" defer`, "Sign out", ">Ana<",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s:\n%s", want, text)
		}
	}
	if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'nonce-") {
		t.Errorf("policy %s", policy)
	}
}

// TestRenderFails: a page that cannot be made is 500 and half a page is never
// sent.
func TestRenderFails(t *testing.T) {
	var log bytes.Buffer
	source := fstest.MapFS{"pages/bad.html": {Data: []byte(`{{define "title"}}x{{end}}{{define "main"}}{{say .Data}}{{end}}`)}}
	s, err := New(Config{BaseURL: "http://localhost", Log: slog.New(slog.NewTextHandler(&log, nil))}, source)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]any{"bad": Message{Key: "no.such"}, "none": nil} {
		w := httptest.NewRecorder()
		s.Render(w, httptest.NewRequest("GET", "/", nil), 200, name, data)
		if w.Code != 500 || w.Body.String() != "The page could not be shown.\n" || !strings.Contains(log.String(), "page="+name) {
			t.Errorf("%s: %d %q, log %s", name, w.Code, w.Body, &log)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, source := range map[string]fstest.MapFS{
		"missing in es":         {"messages/en.json": text(`{"a":"x"}`)},
		"missing in en":         {"messages/es.json": text(`{"a":"x"}`)},
		"other places":          {"messages/en.json": text(`{"a":"{0}"}`), "messages/es.json": text(`{"a":"{1}"}`)},
		"is missing in":         {"messages/en.json": text(`{"a":"x"}`), "messages/es.json": text(`{"a":""}`)},
		"is there twice":        {"messages/en.json": text(`{"language":"x"}`)},
		"messages/en.json":      {"messages/en.json": text(`{`)},
		`no message "b"`:        {"pages/x.html": text(`{{t "b"}}`)},
		"page: x: template":     {"pages/x.html": text(`{{if}}`)},
		"page: part-x: templat": {"pages/part-x.html": text(`{{nothing}}`)},
	} {
		if _, err := New(Config{BaseURL: "http://localhost"}, source); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, base := range []string{"", "tarn.test", "ftp://tarn.test", "https://", "https://a b"} {
		if _, err := New(Config{BaseURL: base}); err == nil {
			t.Errorf("base URL %q is taken", base)
		}
	}
}

func TestLanguage(t *testing.T) {
	s := newSet(t, "https://tarn.test")
	for _, c := range []struct{ query, cookie, accept, want, kept string }{
		{"", "", "", "en", ""},
		{"", "", "es", "es", ""},
		{"", "", "de;q=1, es-MX;q=0.8, en;q=0.7", "es", ""},
		{"", "", "en;q=0.1, es;q=0.2", "es", ""},
		{"", "", "es;q=0, *", "en", ""},
		{"", "", "es;q=x, ;;,", "en", ""},
		{"?lang=es", "", "en", "es", "es"},
		{"?lang=xx", "", "es", "es", ""},
		{"?ui_locales=fr+es-ES+en", "", "en", "es", "es"},
		{"?lang=en&ui_locales=es", "es", "es", "en", "en"},
		{"", "es", "en", "es", ""},
		{"", "../x", "es", "es", ""},
	} {
		r := httptest.NewRequest("GET", "https://tarn.test/form"+c.query, nil)
		r.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-tarn-lang", Value: c.cookie})
		}
		w := httptest.NewRecorder()
		got := s.Language(w, r)
		kept := ""
		for _, cookie := range w.Result().Cookies() {
			kept = cookie.Value
		}
		if got != c.want || kept != c.kept {
			t.Errorf("%+v: %s, kept %q", c, got, kept)
		}
	}
	r := httptest.NewRequest("GET", "https://tarn.test/form?a=1&lang=es&b=%22%3E", nil)
	text := body(t, render(s, r))
	if !strings.Contains(text, `<html lang="es">`) || !strings.Contains(text, `href="/form?a=1&amp;b=%22%3E&amp;lang=en"`) {
		t.Errorf("links to languages:\n%s", text)
	}
}

func TestForms(t *testing.T) {
	for _, base := range []string{"https://tarn.test", "http://127.0.0.1:8080", "https://proxy.test/tarn"} {
		s := newSet(t, base)
		page := render(s, httptest.NewRequest("GET", base+"/form", nil))
		cookie := page.Cookies()[0]
		name := map[bool]string{true: "__Host-tarn-browser", false: "tarn-browser"}[s.Secure()]
		if cookie.Name != name || !cookie.HttpOnly || cookie.Secure != s.Secure() || cookie.Path != "/" || cookie.SameSite != http.SameSiteLaxMode {
			t.Errorf("%s: cookie %v", base, cookie)
		}
		text := body(t, page)
		token := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(text)[1]
		if strings.Contains(text, cookie.Value) {
			t.Error("the page shows the browser's secret")
		}
		post := func(token string, c *http.Cookie, header ...string) int {
			r := httptest.NewRequest("POST", base+"/form", strings.NewReader(url.Values{"csrf": {token}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			if c != nil {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			if s.ParseForm(w, r) {
				return 200
			}
			return w.Code
		}
		origin := s.base.Scheme + "://" + s.base.Host
		empty := &http.Cookie{Name: cookie.Name, Value: ""}
		for i, c := range []struct{ got, want int }{
			{post(token, cookie), 200}, {post("", cookie), 403}, {post(token+"x", cookie), 403}, {post(token, nil), 403},
			{post(digest("form", ""), empty), 403}, {post(cookie.Value, cookie), 403},
			{post(token, cookie, "Sec-Fetch-Site", "same-origin"), 200}, {post(token, cookie, "Sec-Fetch-Site", "cross-site"), 403},
			{post(token, cookie, "Sec-Fetch-Site", "same-site"), 403}, {post(token, cookie, "Origin", origin), 200},
			{post(token, cookie, "Origin", "https://evil.example"), 403}, {post(token, cookie, "Origin", "null"), 403},
			{post(token, cookie, "Content-Type", "multipart/form-data; boundary=x"), 415}, {post(token, cookie, "Content-Type", ""), 415},
			{post(token+strings.Repeat("x", maxForm), cookie), 400},
		} {
			if c.got != c.want {
				t.Errorf("%s: post %d: %d, want %d", base, i, c.got, c.want)
			}
		}
	}
}

func TestPaths(t *testing.T) {
	s := newSet(t, "https://proxy.test/tarn")
	if text := body(t, render(s, httptest.NewRequest("GET", "/form", nil))); !strings.Contains(text, `action="/tarn/form"`) {
		t.Errorf("the form's action:\n%s", text)
	}
	for to, want := range map[string]string{"/account": "/tarn/account", "https://app.example/cb?x=1": "https://app.example/cb?x=1", "com.example:/cb": "com.example:/cb"} {
		w := httptest.NewRecorder()
		s.Redirect(w, to)
		if w.Code != 303 || w.Header().Get("Location") != want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", to, w.Code, w.Header())
		}
	}
}

func TestPolicySources(t *testing.T) {
	for source, ok := range map[string]bool{
		"https://app.example": true, "http://localhost:8080": true, "https://[::1]:443": true, "com.example.app:": true,
		"https://app.example/path": false, "*": false, "https:": false, "http:": false, "javascript:": false, "DATA:": false, "'unsafe-inline'": false,
		"https://a.example; script-src *": false, "https://a.example,b": false, "https://a.example\nx": false, "": false, "https://*.example": false,
	} {
		if policySource(source) != ok {
			t.Errorf("%q: %v", source, !ok)
		}
	}
}

// TestContrast computes WCAG 2.2 contrast ratios (success criteria 1.4.3 and
// 1.4.11) of the colors that stand on each other, light and dark.
func TestContrast(t *testing.T) {
	style, err := fs.ReadFile(shared, "style.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`:root\{([^}]*)\}`).FindAllStringSubmatch(string(style), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d sets of colors", len(blocks))
	}
	for i, block := range blocks {
		colors := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]{6})`).FindAllStringSubmatch(block[1], -1) {
			colors[m[1]] = m[2]
		}
		for _, c := range []struct {
			on, ground string
			least      float64
		}{
			{"text", "ground", 4.5}, {"text", "surface", 4.5}, {"text", "tint", 4.5}, {"soft", "ground", 4.5}, {"soft", "surface", 4.5}, {"accent", "surface", 4.5}, {"accent", "ground", 4.5},
			{"accent-deep", "surface", 4.5}, {"accent-deep", "tint", 4.5}, {"accent-deep", "ground", 4.5}, {"on-accent", "accent", 4.5}, {"on-accent", "accent-deep", 4.5},
			{"danger", "surface", 4.5}, {"danger", "danger-tint", 4.5}, {"good", "surface", 4.5}, {"edge", "surface", 3}, {"focus", "ground", 3}, {"focus", "surface", 3},
		} {
			ratio := contrast(t, colors[c.on], colors[c.ground])
			if ratio < c.least {
				t.Errorf("set %d: %s on %s has a contrast of %.2f, less than %.1f", i, c.on, c.ground, ratio, c.least)
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, color string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(color[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
