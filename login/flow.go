package login

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/tarnhealth/tarn/kv"
)

// A flow is a sign-in on its way: where it goes on to, and what was proved so
// far. It travels sealed in the address, so that nothing is stored before
// somebody proved anything, and several tabs do not meet.
type flow struct {
	ReturnTo   string   `json:"r"`
	Hint       string   `json:"h,omitempty"`
	FormAction []string `json:"f,omitempty"`
	// After is the time that a sign-in must be after to do.
	After time.Time `json:"a,omitzero"`
	// UserID has proved AMR; Stamp is the user's then.
	UserID   string   `json:"u,omitempty"`
	AMR      []string `json:"m,omitempty"`
	Stamp    int64    `json:"s,omitempty"`
	Provider string   `json:"p,omitempty"`
	// Link is the user who adds an account at a provider.
	Link string `json:"l,omitempty"`
	// Ceremony is a WebAuthn challenge, and Secret a TOTP secret on offer.
	Ceremony *webauthn.SessionData `json:"w,omitempty"`
	Secret   string                `json:"t,omitempty"`
	Browser  string                `json:"b"`
	Kind     string                `json:"k"`
	Expires  time.Time             `json:"e"`
}

const (
	flowPurpose = "login flow"
	// startTime is how long a sign-in page may stay open, stepTime how long
	// the steps after the password may take.
	startTime = time.Hour
	stepTime  = 10 * time.Minute
	maxFlow   = 8 << 10
	// maxReturn is the length of an address to return to. It must fit into a
	// cookie with what is sealed beside it.
	maxReturn = 1500
)

var errFlow = errors.New("login: the sign-in is over or began in another browser")

// seal makes text of a flow that only this browser can go on with.
func (s *Service) seal(w http.ResponseWriter, r *http.Request, kind string, f flow, life time.Duration) (string, error) {
	f.Kind, f.Browser, f.Expires = kind, s.pages.Browser(w, r), s.cfg.Now().Add(life)
	plain, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.cfg.Box.Seal(flowPurpose, plain)), nil
}

// open reads a flow, or fails with errFlow.
func (s *Service) open(w http.ResponseWriter, r *http.Request, kind, text string) (*flow, error) {
	if len(text) > maxFlow {
		return nil, errFlow
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, errFlow
	}
	plain, err := s.cfg.Box.Open(flowPurpose, sealed)
	if err != nil {
		return nil, errFlow
	}
	var f flow
	if err := json.Unmarshal(plain, &f); err != nil {
		return nil, errFlow
	}
	if f.Kind != kind || !s.cfg.Now().Before(f.Expires) || f.Browser != s.pages.Browser(w, r) {
		return nil, errFlow
	}
	return &f, nil
}

// usedTable holds what may be used once only: challenges and states.
var usedTable = kv.NewTable[bool]("login_used")

// once fails with errFlow where a challenge or state was used before.
func (s *Service) once(r *http.Request, purpose, value string, expires time.Time) error {
	key := s.directory.sum(purpose, value)
	return s.cfg.DB.Update(r.Context(), func(tx kv.Tx) error {
		_, err := usedTable.Get(tx, key)
		if err == nil {
			return errFlow
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return usedTable.Put(tx, key, true, expires)
	})
}

// SignInRequest is what a package that needs somebody signed in asks for.
type SignInRequest struct {
	// ReturnTo is where the browser goes then: a path of this server, with its
	// query, of 1,500 bytes at most. "" is /account.
	ReturnTo string
	// Hint is the name or e-mail address of who is expected (login_hint).
	Hint string
	// MaxAge is how long ago they may have signed in at most; 0 is any time.
	MaxAge time.Duration
	// Force asks for a sign-in even of who is signed in (prompt=login).
	Force bool
	// Locales are the languages of the pages, as in ui_locales.
	Locales string
	// FormAction are origins and schemes that ReturnTo may redirect to, as
	// browsers apply a page's policy to all redirects after its form.
	FormAction []string
}

// SignIn redirects the browser to the sign-in page, and from there to
// ReturnTo once somebody has signed in; at once where they have, as asked for.
// The caller checks Session, and its AuthTime against Force and MaxAge, when
// the browser is back.
func (s *Service) SignIn(w http.ResponseWriter, r *http.Request, q SignInRequest) {
	if q.ReturnTo == "" {
		q.ReturnTo = "/account"
	}
	if !localPath(q.ReturnTo) || len(q.ReturnTo) > maxReturn {
		s.problem(w, r, http.StatusBadRequest, "error.flow")
		return
	}
	session, _, err := s.session(r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	f := flow{ReturnTo: q.ReturnTo, FormAction: q.FormAction}
	switch now := s.cfg.Now(); {
	case q.Force:
		f.After = now
	case q.MaxAge > 0:
		f.After = now.Add(-q.MaxAge - 1)
	}
	if session != nil && session.AuthTime.After(f.After) {
		s.pages.Redirect(w, q.ReturnTo)
		return
	}
	if len(q.Hint) <= maxLogin && !strings.ContainsFunc(q.Hint, isControl) {
		f.Hint = q.Hint
	}
	text, err := s.seal(w, r, "start", f, startTime)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	to := "/login?flow=" + text
	if q.Locales != "" && len(q.Locales) < 100 {
		to += "&ui_locales=" + url.QueryEscape(q.Locales)
	}
	s.pages.Redirect(w, to)
}

// localPath reports whether text is a path of this server and of no other:
// browsers take "//" and "/\" for the start of a host.
func localPath(text string) bool {
	if !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && u.Host == "" && u.Scheme == "" && u.User == nil
}
