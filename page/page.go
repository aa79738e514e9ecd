// Package page owns what the server-rendered pages share: layout, style,
// translated messages, the Content-Security-Policy, and protection of forms
// against forged requests.
//
// A package with pages brings a folder of templates and one of messages, and
// makes a Set of them; cookies and tokens of all Sets of one server are the
// same. Pages need no JavaScript.
//
// It leaves to others: what each page shows (login, smart).
package page

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

//go:embed pages messages style.css
var shared embed.FS

// Config for New.
type Config struct {
	// BaseURL is what clients call the server by, without a final slash. With
	// https, cookies have the __Host- prefix.
	BaseURL string
	// Product is the name in the header of each page; "" is Tarn.
	Product string
	// Style is CSS that the pages of this Set have after that of all pages.
	Style string
	// Log gets failures to render; nil is slog.Default.
	Log *slog.Logger
}

// A Set is the pages of one package in every language. Safe for concurrent use.
type Set struct {
	cfg    Config
	base   *url.URL
	style  template.CSS
	texts  *texts
	pages  map[string]map[string]*template.Template // by language, by name
	origin *http.CrossOriginProtection
}

// New makes a Set of sources. Each has templates pages/NAME.html that define
// "title" and "main" (files whose names start with part- are for all of
// them), and messages/LANGUAGE.json. New fails where a template does not
// parse, or a message is not there in some language.
func New(cfg Config, sources ...fs.FS) (*Set, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("page: the base URL is %q; it must be like https://host[:port][/path]", cfg.BaseURL)
	}
	if cfg.Product == "" {
		cfg.Product = "Tarn"
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	style, err := fs.ReadFile(shared, "style.css")
	if err != nil {
		return nil, err
	}
	s := &Set{cfg: cfg, base: base, style: template.CSS(string(style) + cfg.Style), origin: http.NewCrossOriginProtection()}
	if err := s.origin.AddTrustedOrigin(base.Scheme + "://" + base.Host); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	all := append([]fs.FS{shared}, sources...)
	if s.texts, err = readTexts(all); err != nil {
		return nil, err
	}
	s.pages, err = s.parse(all)
	return s, err
}

// An Option changes one page.
type Option func(*view)

// FormAction lets the page's forms lead to more places than the server itself,
// as browsers check the whole chain of redirects that follows a form: origins
// ("https://app.example") and schemes ("com.example.app:"). What could not
// stand in a policy is left out.
func FormAction(sources ...string) Option {
	return func(v *view) {
		for _, source := range sources {
			if policySource(source) {
				v.formAction = append(v.formAction, source)
			}
		}
	}
}

// Script loads a script from a path of this server.
func Script(path string) Option {
	return func(v *view) { v.Scripts = append(v.Scripts, path) }
}

// Connect lets the page's scripts send requests to this server.
func Connect() Option {
	return func(v *view) { v.connect = true }
}

// Problems shows what is wrong with the form that was sent: a summary at the
// top, and a message at each field.
func Problems(problems ...Problem) Option {
	return func(v *view) { v.Problems = append(v.Problems, problems...) }
}

// Person shows who is signed in, with links to the account and to sign out.
func Person(name string) Option {
	return func(v *view) { v.Person = name }
}

// Render answers with a page, in the language of the request.
func (s *Set) Render(w http.ResponseWriter, r *http.Request, status int, name string, data any, options ...Option) {
	v := &view{Data: data, Product: s.cfg.Product, Style: s.style, Nonce: random(), Lang: s.Language(w, r), set: s}
	for _, option := range options {
		option(v)
	}
	v.Token = s.token(w, r)
	v.Languages = s.choices(r, v.Lang)
	body, err := s.execute(v, name)
	if err != nil {
		s.cfg.Log.ErrorContext(r.Context(), "page not rendered", "page", name, "error", err)
		http.Error(w, "The page could not be shown.", http.StatusInternalServerError)
		return
	}
	s.headers(w, v)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

func (s *Set) execute(v *view, name string) ([]byte, error) {
	t := s.pages[v.Lang][name]
	if t == nil {
		return nil, errors.New("no such page")
	}
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, "layout", v)
	return b.Bytes(), err
}

// Error answers with the error page: what is wrong, and what to do.
func (s *Set) Error(w http.ResponseWriter, r *http.Request, status int, message Message) {
	s.Render(w, r, status, "error", message)
}

// Redirect sends the browser on with 303 See Other, so that a form is not
// posted again (RFC 9700 section 4.12). A path is one of this server.
func (s *Set) Redirect(w http.ResponseWriter, to string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Location", s.Path(to))
	w.WriteHeader(http.StatusSeeOther)
}

// Path puts the base URL's own path before a path of the server. Anything
// else stays as it is.
func (s *Set) Path(path string) string {
	if !strings.HasPrefix(path, "/") {
		return path
	}
	return strings.TrimSuffix(s.base.EscapedPath(), "/") + path
}

// Secure reports whether browsers reach the server by https.
func (s *Set) Secure() bool { return s.base.Scheme == "https" }

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
