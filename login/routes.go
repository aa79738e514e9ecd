package login

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/page"
)

func (s *Service) routes() {
	s.mux = http.NewServeMux()
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET /login":                          s.showSignIn,
		"POST /login":                         s.form(s.signInByPassword),
		"POST /login/passkey":                 s.form(s.signInByPasskey),
		"GET /login/passkey.js":               passkeyScript,
		"GET /login/second":                   s.showSecond,
		"POST /login/second":                  s.form(s.second),
		"GET /login/password":                 s.showNewPassword,
		"POST /login/password":                s.form(s.newPassword),
		"GET /login/with/{provider}":          s.startUpstream,
		"GET /login/callback/{provider}":      s.callback,
		"GET /login/saml/{provider}/metadata": s.describeSAML,
		"POST /login/saml/{provider}/acs":     s.receiveSAML,
		"GET /logout":                         s.showSignOut,
		"POST /logout":                        s.form(s.signOut),
		"GET /account":                        s.showAccount,
		"GET /account/password":               s.showChangePassword,
		"POST /account/password":              s.form(s.changePassword),
		"GET /account/totp":                   s.showTOTP,
		"POST /account/totp":                  s.form(s.addTOTP),
		"POST /account/totp/remove":           s.form(s.removeTOTP),
		"POST /account/recovery":              s.form(s.renewRecovery),
		"GET /account/passkeys":               s.showAddPasskey,
		"POST /account/passkeys":              s.form(s.addPasskey),
		"POST /account/passkeys/remove":       s.form(s.removePasskey),
		"GET /account/links/{provider}":       s.startLink,
		"POST /account/links/remove":          s.form(s.removeLink),
		"POST /account/sessions/end":          s.form(s.endOne),
		"POST /account/sessions/end-rest":     s.form(s.endRest),
	} {
		s.mux.HandleFunc(pattern, handler)
	}
	for _, path := range []string{"/login", "/login/", "/logout", "/account", "/account/", "/"} {
		s.mux.HandleFunc(path, s.missing)
	}
}

// missing answers for addresses and methods that there are not.
func (s *Service) missing(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, HEAD, POST")
		s.problem(w, r, http.StatusMethodNotAllowed, "error.missing")
		return
	}
	s.problem(w, r, http.StatusNotFound, "error.missing")
}

// form lets only forms of this server's own pages through.
func (s *Service) form(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.pages.ParseForm(w, r) {
			next(w, r)
		}
	}
}

// problem answers with the error page.
func (s *Service) problem(w http.ResponseWriter, r *http.Request, status int, key string, args ...any) {
	s.pages.Error(w, r, status, page.Message{Key: key, Args: args})
}

// broken answers where something failed that is no problem of a form: the
// sign-in is over, or the server's own fault.
func (s *Service) broken(w http.ResponseWriter, r *http.Request, err error) {
	var wait *errWait
	switch {
	case errors.Is(err, errFlow), errors.Is(err, errStale):
		s.problem(w, r, http.StatusBadRequest, "error.flow")
	case errors.As(err, &wait):
		s.problem(w, r, s.tooMany(w, wait), "signin.wait", shortTime(wait.left))
	default:
		s.cfg.Log.ErrorContext(r.Context(), "login failed", "error", err)
		s.problem(w, r, http.StatusInternalServerError, "error.internal")
	}
}

// tooMany says when to come back (RFC 6585 section 4).
func (s *Service) tooMany(w http.ResponseWriter, wait *errWait) int {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.left.Seconds()))))
	return http.StatusTooManyRequests
}

// trouble turns an error into the status and the problems that a form shows,
// or answers itself and returns 0.
func (s *Service) trouble(w http.ResponseWriter, r *http.Request, field string, err error) (int, page.Option) {
	var wait *errWait
	var bad *Error
	switch {
	case errors.As(err, &wait):
		return s.tooMany(w, wait), problems("", "signin.wait", shortTime(wait.left))
	case errors.As(err, &bad):
		return http.StatusUnprocessableEntity, page.Problems(page.Problem{Field: field, Message: bad.Message})
	}
	s.broken(w, r, err)
	return 0, nil
}

func problems(field, key string, args ...any) page.Option {
	return page.Problems(page.Problem{Field: field, Message: page.Message{Key: key, Args: args}})
}

// shortTime rounds up to one unit, by symbols that all languages share.
func shortTime(d time.Duration) string {
	up := func(unit time.Duration) string { return strconv.Itoa(int(math.Ceil(float64(d) / float64(unit)))) }
	switch {
	case d <= 2*time.Minute:
		return up(time.Second) + " s"
	case d <= 2*time.Hour:
		return up(time.Minute) + " min"
	}
	return up(time.Hour) + " h"
}

// query adds a flow to a path.
func query(path, flow string) string {
	if flow == "" {
		return path
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "flow=" + flow
}
