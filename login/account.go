package login

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"html/template"
	"image/png"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/page"
)

// freshTime is how long after a sign-in somebody may change what proves who
// they are.
const freshTime = 15 * time.Minute

// need returns who is signed in, or sends the browser to the sign-in page and
// returns nil. within is how long ago they may have signed in at most; 0 is
// any time.
func (s *Service) need(w http.ResponseWriter, r *http.Request, within time.Duration) (*Session, *record) {
	session, user, err := s.session(r)
	if err != nil {
		s.broken(w, r, err)
		return nil, nil
	}
	if session == nil || within > 0 && s.cfg.Now().Sub(session.AuthTime) > within {
		to := "/account"
		if r.Method == http.MethodGet {
			to = r.URL.EscapedPath()
		}
		s.SignIn(w, r, SignInRequest{ReturnTo: to, MaxAge: within})
		return nil, nil
	}
	return session, user
}

// needOwn is need for changes of what Tarn itself checks, which only users
// with a password here have: others are their provider's to check.
func (s *Service) needOwn(w http.ResponseWriter, r *http.Request) (*Session, *record) {
	session, user := s.need(w, r, freshTime)
	if session != nil && user.Password == "" {
		s.problem(w, r, http.StatusForbidden, "account.nopassword")
		return nil, nil
	}
	return session, user
}

// accountPage is what the account page shows.
type accountPage struct {
	User     User
	Factors  Factors
	Sessions []*Session
	Current  string // id of this session
	Passkeys bool   // browsers can have them here
	Links    []accountLink
	Apps     string
}

// accountLink is a provider, and whether the user has an account there.
type accountLink struct {
	Provider
	Subject string // "" where there is none
	Flow    string // sealed permission to add one
}

func (s *Service) showAccount(w http.ResponseWriter, r *http.Request) {
	session, user := s.need(w, r, 0)
	if session == nil {
		return
	}
	s.accountForm(w, r, http.StatusOK, session, user)
}

func (s *Service) accountForm(w http.ResponseWriter, r *http.Request, status int, session *Session, user *record, options ...page.Option) {
	sessions, err := s.Sessions(r.Context(), user.ID)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	p := accountPage{
		User: user.User, Factors: user.factors(), Sessions: sessions, Current: session.ID,
		Passkeys: s.passkeys != nil, Apps: s.cfg.Apps,
	}
	for _, provider := range s.Providers() {
		l := accountLink{Provider: provider}
		if i := slices.IndexFunc(user.Links, func(l Link) bool { return l.Provider == provider.ID }); i >= 0 {
			l.Subject = user.Links[i].Subject
		} else if l.Flow, err = s.seal(w, r, "link", flow{ReturnTo: "/account", Link: user.ID}, stepTime); err != nil {
			s.broken(w, r, err)
			return
		}
		p.Links = append(p.Links, l)
	}
	s.pages.Render(w, r, status, "account", p, append(options, page.Person(user.shown()))...)
}

// shown is what pages call a user.
func (r *record) shown() string {
	if r.Name != "" {
		return r.Name
	}
	return r.Username
}

func (s *Service) showChangePassword(w http.ResponseWriter, r *http.Request) {
	if session, user := s.needOwn(w, r); session != nil {
		s.pages.Render(w, r, http.StatusOK, "password", newPasswordPage{Name: user.Username, Current: true, Least: s.directory.least}, page.Person(user.shown()))
	}
}

func (s *Service) changePassword(w http.ResponseWriter, r *http.Request) {
	session, user := s.needOwn(w, r)
	if session == nil {
		return
	}
	password, err := s.checkChange(r, user)
	if err == nil {
		_, err = s.directory.changePassword(r.Context(), user, password, session.ID)
	}
	if err != nil {
		if status, option := s.passwordTrouble(w, r, err); status != 0 {
			s.pages.Render(w, r, status, "password", newPasswordPage{Name: user.Username, Current: true, Least: s.directory.least}, option, page.Person(user.shown()))
		}
		return
	}
	s.event(r, Event{Kind: "password-changed", UserID: user.ID, SessionID: session.ID})
	s.done(w, r, "done.password")
}

// checkChange checks the current password of a form, which counts as an
// attempt, and returns the new one.
func (s *Service) checkChange(r *http.Request, user *record) (string, error) {
	try, err := s.begin(r, user.ID, accountKey(user.ID))
	if err != nil {
		return "", err
	}
	if ok, _ := s.directory.hasher.verify(user.Password, r.PostForm.Get("current")); !ok {
		return "", wrong("current", "password.current")
	}
	if err := try.right(r.Context()); err != nil {
		return "", err
	}
	return chosenPassword(r)
}

// done shows that a change is made.
func (s *Service) done(w http.ResponseWriter, r *http.Request, key string, args ...any) {
	s.pages.Render(w, r, http.StatusOK, "done", page.Message{Key: key, Args: args})
}

// totpPage is what the page that adds an authenticator app shows.
type totpPage struct {
	Secret string // in groups, to type
	QR     template.URL
	State  string
}

func (s *Service) showTOTP(w http.ResponseWriter, r *http.Request) {
	_, user := s.needOwn(w, r)
	if user == nil {
		return
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: s.product(), AccountName: user.Username})
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.totpForm(w, r, http.StatusOK, user, key)
}

func (s *Service) product() string {
	if s.cfg.Product == "" {
		return "Tarn"
	}
	return s.cfg.Product
}

func (s *Service) totpForm(w http.ResponseWriter, r *http.Request, status int, user *record, key *otp.Key, options ...page.Option) {
	state, err := s.seal(w, r, "totp", flow{UserID: user.ID, Secret: key.Secret()}, stepTime)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	picture, err := key.Image(240, 240)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		s.broken(w, r, err)
		return
	}
	p := totpPage{
		Secret: strings.Join(slices.Collect(chunks(key.Secret(), 4)), " "), State: state,
		QR: template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())),
	}
	s.pages.Render(w, r, status, "totp", p, append(options, page.Person(user.shown()))...)
}

// chunks yields text in pieces of a size.
func chunks(text string, size int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for len(text) > size {
			if !yield(text[:size]) {
				return
			}
			text = text[size:]
		}
		yield(text)
	}
}

func (s *Service) addTOTP(w http.ResponseWriter, r *http.Request) {
	session, user := s.needOwn(w, r)
	if session == nil {
		return
	}
	f, err := s.open(w, r, "totp", r.PostForm.Get("state"))
	if err != nil || f.UserID != user.ID {
		s.broken(w, r, errors.Join(errFlow, err))
		return
	}
	code := strings.Join(strings.Fields(r.PostForm.Get("code")), "")
	step, err := totpStep(f.Secret, code, s.cfg.Now())
	if err != nil {
		s.broken(w, r, err)
		return
	}
	if step == 0 {
		key, err := totp.Generate(totp.GenerateOpts{Issuer: s.product(), AccountName: user.Username, Secret: decode32(f.Secret)})
		if err != nil {
			s.broken(w, r, err)
			return
		}
		s.totpForm(w, r, http.StatusUnprocessableEntity, user, key, problems("code", "totp.wrong"))
		return
	}
	codes, err := s.directory.addTOTPTo(r.Context(), user.ID, f.Secret, step)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.event(r, Event{Kind: "factor-added", UserID: user.ID, SessionID: session.ID, AMR: []string{"otp"}})
	s.showCodes(w, r, user, "done.totp", codes)
}

func (d *Directory) addTOTPTo(ctx context.Context, userID, secret string, step int64) (codes []string, err error) {
	_, err = d.update(ctx, userID, func(r *record) error {
		r.TOTP, r.TOTPStep = d.sealTOTP(userID, secret), step
		r.Stamp++
		codes = d.firstRecovery(r)
		return nil
	})
	return codes, err
}

// codesPage is what the page with new recovery codes shows, once.
type codesPage struct {
	Done  page.Message
	Codes []string
}

func (s *Service) showCodes(w http.ResponseWriter, r *http.Request, user *record, key string, codes []string) {
	s.pages.Render(w, r, http.StatusOK, "codes", codesPage{Done: page.Message{Key: key}, Codes: codes}, page.Person(user.shown()))
}

func (s *Service) removeTOTP(w http.ResponseWriter, r *http.Request) {
	s.change(w, r, "otp", func(u *record) error {
		u.TOTP, u.TOTPStep = nil, 0
		return nil
	})
}

func (s *Service) removePasskey(w http.ResponseWriter, r *http.Request) {
	id, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get("id"))
	s.change(w, r, "hwk", func(u *record) error {
		i := u.passkey(id)
		if err != nil || i < 0 {
			return errFlow
		}
		u.Passkeys = slices.Delete(u.Passkeys, i, i+1)
		return nil
	})
}

// change takes a factor away from the user who is signed in.
func (s *Service) change(w http.ResponseWriter, r *http.Request, amr string, change func(*record) error) {
	session, user := s.needOwn(w, r)
	if session == nil {
		return
	}
	_, err := s.directory.update(r.Context(), user.ID, func(u *record) error {
		if err := change(u); err != nil {
			return err
		}
		u.Stamp++
		if !u.factors().second() {
			u.Recovery = nil // they stand for a factor that there is not
		}
		return nil
	})
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.event(r, Event{Kind: "factor-removed", UserID: user.ID, SessionID: session.ID, AMR: []string{amr}})
	s.pages.Redirect(w, "/account")
}

func (s *Service) renewRecovery(w http.ResponseWriter, r *http.Request) {
	session, user := s.needOwn(w, r)
	if session == nil {
		return
	}
	codes, digests := s.directory.newRecovery(user.ID)
	_, err := s.directory.update(r.Context(), user.ID, func(u *record) error {
		if !u.factors().second() {
			return errFlow
		}
		u.Recovery = digests
		u.Stamp++
		return nil
	})
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.event(r, Event{Kind: "factor-added", UserID: user.ID, SessionID: session.ID, AMR: []string{"recovery"}})
	s.showCodes(w, r, user, "done.recovery", codes)
}

func (s *Service) showAddPasskey(w http.ResponseWriter, r *http.Request) {
	if session, user := s.needOwn(w, r); session != nil {
		s.passkeyForm(w, r, http.StatusOK, user)
	}
}

func (s *Service) passkeyForm(w http.ResponseWriter, r *http.Request, status int, user *record, options ...page.Option) {
	if s.passkeys == nil {
		s.problem(w, r, http.StatusNotFound, "passkey.none")
		return
	}
	var exclude []protocol.CredentialDescriptor
	for _, p := range user.Passkeys {
		exclude = append(exclude, p.Credential.Descriptor())
	}
	creation, session, err := s.passkeys.party.BeginRegistration(passkeyUser{user}, webauthn.WithExclusions(exclude))
	if err != nil {
		s.broken(w, r, err)
		return
	}
	c, err := s.ceremony(w, r, creation, session)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.pages.Render(w, r, status, "passkey", c, append(options, page.Script("/login/passkey.js"), page.Person(user.shown()))...)
}

func (s *Service) addPasskey(w http.ResponseWriter, r *http.Request) {
	session, user := s.needOwn(w, r)
	if session == nil {
		return
	}
	codes, err := s.register(w, r, user)
	if err != nil {
		field := ""
		var bad *Error
		if errors.As(err, &bad) {
			field = bad.Field
		}
		if status, option := s.trouble(w, r, field, err); status != 0 {
			s.passkeyForm(w, r, status, user, option)
		}
		return
	}
	s.event(r, Event{Kind: "factor-added", UserID: user.ID, SessionID: session.ID, AMR: []string{"hwk"}})
	if codes == nil {
		s.pages.Redirect(w, "/account")
		return
	}
	s.showCodes(w, r, user, "done.passkey", codes)
}

// register checks what an authenticator made and stores it.
func (s *Service) register(w http.ResponseWriter, r *http.Request, user *record) ([]string, error) {
	if s.passkeys == nil {
		return nil, errFlow
	}
	name := strings.TrimSpace(r.PostForm.Get("name"))
	if name == "" || len([]rune(name)) > 60 || strings.ContainsFunc(name, isControl) {
		return nil, wrong("name", "passkey.name", 60)
	}
	ceremony, err := s.openCeremony(w, r)
	if err != nil {
		return nil, err
	}
	answer, err := protocol.ParseCredentialCreationResponseBytes([]byte(r.PostForm.Get("credential")))
	if err != nil {
		return nil, wrong("", "passkey.wrong")
	}
	credential, err := s.passkeys.party.CreateCredential(passkeyUser{user}, *ceremony, answer)
	if err != nil {
		return nil, wrong("", "passkey.wrong")
	}
	codes, err := s.directory.addPasskeyTo(r.Context(), user.ID, name, credential)
	if errors.Is(err, ErrTaken) {
		return nil, wrong("", "passkey.wrong")
	}
	return codes, err
}

func (s *Service) removeLink(w http.ResponseWriter, r *http.Request) {
	session, user := s.needOwn(w, r)
	if session == nil {
		return
	}
	provider := r.PostForm.Get("provider")
	_, err := s.directory.update(r.Context(), user.ID, func(u *record) error {
		u.Links = slices.DeleteFunc(u.Links, func(l Link) bool { return l.Provider == provider })
		return nil
	})
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.event(r, Event{Kind: "unlinked", UserID: user.ID, SessionID: session.ID})
	s.pages.Redirect(w, "/account")
}

// endOne ends one session of the user who is signed in, and no other user's.
func (s *Service) endOne(w http.ResponseWriter, r *http.Request) {
	session, user := s.need(w, r, 0)
	if session == nil {
		return
	}
	id := r.PostForm.Get("session")
	if id == session.ID {
		s.signOut(w, r)
		return
	}
	if slices.Contains(user.Sessions, id) {
		err := s.cfg.DB.Update(r.Context(), func(tx kv.Tx) error { return endSession(tx, user.ID, id) })
		if err != nil {
			s.broken(w, r, err)
			return
		}
		s.event(r, Event{Kind: "sign-out", UserID: user.ID, SessionID: id})
	}
	s.pages.Redirect(w, "/account")
}

// endRest ends all sessions of the user but this one.
func (s *Service) endRest(w http.ResponseWriter, r *http.Request) {
	session, user := s.need(w, r, 0)
	if session == nil {
		return
	}
	if err := s.endOthers(r.Context(), user.ID, session.ID); err != nil {
		s.broken(w, r, err)
		return
	}
	s.event(r, Event{Kind: "sign-out", UserID: user.ID})
	s.pages.Redirect(w, "/account")
}
