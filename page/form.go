package page

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"mime"
	"net/http"
)

const (
	maxForm  = 64 << 10 // bytes of a posted form
	maxField = 1024     // characters of a text input
	// TokenField is the name of the hidden input that carries a form's token.
	TokenField = "csrf"
)

// browserCookie holds a secret of the browser that a form's token is made of.
const browserCookie = "tarn-browser"

// CookieName is a cookie's name as browsers know it: with the __Host- prefix
// over https, which no other host and no plain http can set.
func (s *Set) CookieName(name string) string {
	if s.Secure() {
		return "__Host-" + name
	}
	return name
}

// Cookie makes a cookie that scripts and other sites cannot use. maxAge is in
// seconds; 0 is until the browser is closed, less removes it.
func (s *Set) Cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: s.CookieName(name), Value: value, Path: "/", MaxAge: maxAge,
		Secure: s.Secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// token is the form token of this browser, which gets its cookie with it.
func (s *Set) token(w http.ResponseWriter, r *http.Request) string {
	return digest("form", s.secret(w, r))
}

// Browser names the browser that sent r, by a digest of its secret, so that
// what one browser began no other can go on with. It sets the cookie where the
// browser has none.
func (s *Set) Browser(w http.ResponseWriter, r *http.Request) string {
	return digest("browser", s.secret(w, r))
}

func (s *Set) secret(w http.ResponseWriter, r *http.Request) string {
	name := s.CookieName(browserCookie)
	if c, err := r.Cookie(name); err == nil && len(c.Value) >= 32 && len(c.Value) <= 64 {
		return c.Value
	}
	secret := random()
	http.SetCookie(w, s.Cookie(browserCookie, secret, 0))
	// The request carries it from now on, so that one request has one secret.
	r.AddCookie(&http.Cookie{Name: name, Value: secret})
	return secret
}

func digest(purpose, secret string) string {
	sum := sha256.Sum256([]byte(purpose + "\x00" + secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ParseForm reads a posted form into r.PostForm and checks that a page of this
// server sent it: by Sec-Fetch-Site or Origin, and by the token. Otherwise it
// answers with an error page and returns false.
func (s *Set) ParseForm(w http.ResponseWriter, r *http.Request) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		s.Error(w, r, http.StatusUnsupportedMediaType, Message{Key: "error.form"})
		return false
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.Error(w, r, http.StatusBadRequest, Message{Key: "error.form"})
		return false
	}
	if !s.FromHere(r, r.PostForm.Get(TokenField)) {
		s.Error(w, r, http.StatusForbidden, Message{Key: "error.csrf"})
		return false
	}
	return true
}

// FromHere reports whether a page of this server sent r: by Sec-Fetch-Site or
// Origin, and by the token of its form. It is for what ParseForm does not read,
// such as files.
func (s *Set) FromHere(r *http.Request, token string) bool {
	return s.origin.Check(r) == nil && s.tokenHolds(r, token)
}

func (s *Set) tokenHolds(r *http.Request, token string) bool {
	c, err := r.Cookie(s.CookieName(browserCookie))
	if err != nil || len(c.Value) < 32 {
		return false
	}
	want := digest("form", c.Value)
	return subtle.ConstantTimeCompare([]byte(want), []byte(token)) == 1
}
