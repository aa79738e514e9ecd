package login

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/page"
)

// errWrong is for what did not prove anything. It never says why.
var errWrong = wrong("", "signin.wrong")

// signInPage is what the sign-in page shows.
type signInPage struct {
	Flow      string
	Name      string
	Again     bool // somebody is signed in and must prove it again
	Passkey   *ceremony
	Providers []Provider
}

// startFlow opens the flow of the address, or begins one that leads to the
// account page.
func (s *Service) startFlow(w http.ResponseWriter, r *http.Request) (*flow, string, error) {
	text := r.URL.Query().Get("flow")
	if text != "" {
		f, err := s.open(w, r, "start", text)
		return f, text, err
	}
	f := flow{ReturnTo: "/account"}
	text, err := s.seal(w, r, "start", f, startTime)
	return &f, text, err
}

func (s *Service) showSignIn(w http.ResponseWriter, r *http.Request) {
	f, text, err := s.startFlow(w, r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	session, user, err := s.session(r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	if session != nil && session.AuthTime.After(f.After) {
		s.pages.Redirect(w, f.ReturnTo)
		return
	}
	name := f.Hint
	if session != nil && name == "" {
		name = user.Username
	}
	s.signInForm(w, r, http.StatusOK, f, signInPage{Flow: text, Name: name, Again: session != nil})
}

func (s *Service) signInForm(w http.ResponseWriter, r *http.Request, status int, f *flow, p signInPage, options ...page.Option) {
	p.Providers = s.Providers()
	options = append(options, page.FormAction(f.FormAction...))
	if s.passkeys != nil {
		var err error
		if p.Passkey, err = s.offerPasskey(w, r, nil); err != nil {
			s.broken(w, r, err)
			return
		}
		options = append(options, page.Script("/login/passkey.js"))
	}
	s.pages.Render(w, r, status, "signin", p, options...)
}

func (s *Service) signInByPassword(w http.ResponseWriter, r *http.Request) {
	f, text, err := s.startFlow(w, r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	user, err := s.proveByPassword(r, name, password)
	if err != nil {
		if status, option := s.trouble(w, r, "", err); status != 0 {
			s.signInForm(w, r, status, f, signInPage{Flow: text, Name: printable(name)}, option)
		}
		return
	}
	f.UserID, f.Stamp, f.AMR = user.ID, user.Stamp, []string{"pwd"}
	s.advance(w, r, f, user)
}

// proveByPassword returns the user that a name and a password are of. Whatever
// is wrong, it does the same work and fails with errWrong, or *errWait.
func (s *Service) proveByPassword(r *http.Request, name, password string) (*record, error) {
	ctx, d := r.Context(), s.directory
	user, err := d.lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	hash, id, account := "", "", d.unknownKey(name)
	if user != nil {
		hash, id, account = user.Password, user.ID, accountKey(user.ID)
	}
	try, err := s.begin(r, id, account)
	if err != nil {
		return nil, err
	}
	ok, again := d.hasher.verify(hash, password)
	if !ok || user.Disabled || !user.Until.IsZero() && !s.cfg.Now().Before(user.Until) {
		s.event(r, Event{Kind: "sign-in-failed", UserID: id, AMR: []string{"pwd"}})
		return nil, errWrong
	}
	if again {
		if err := d.rehash(ctx, user, password); err != nil {
			return nil, err
		}
	}
	return user, try.right(ctx)
}

// begin counts an attempt, and tells of one that comes too early.
func (s *Service) begin(r *http.Request, userID, account string) (*attempt, error) {
	try, err := s.directory.begin(r.Context(), account, s.cfg.Address(r))
	var wait *errWait
	if errors.As(err, &wait) {
		s.event(r, Event{Kind: "locked", UserID: userID})
	}
	return try, err
}

// lookup finds a user by name, nil where there is none.
func (d *Directory) lookup(ctx context.Context, name string) (*record, error) {
	var user *record
	err := d.db.View(ctx, func(tx kv.Tx) (err error) {
		user, err = findUser(tx, name)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return user, err
}

// rehash stores a password that was right at today's cost.
func (d *Directory) rehash(ctx context.Context, user *record, password string) error {
	hash, old := d.hasher.hash(password), user.Password
	_, err := d.update(ctx, user.ID, func(r *record) error {
		if r.Password == old {
			r.Password = hash
		}
		return nil
	})
	return err
}

// advance goes on to the next step of a sign-in, or finishes it.
func (s *Service) advance(w http.ResponseWriter, r *http.Request, f *flow, user *record) {
	next := ""
	switch {
	case slices.Equal(f.AMR, []string{"pwd"}) && user.factors().second():
		next = "second"
	case user.MustChange && slices.Contains(f.AMR, "pwd"):
		next = "password"
	}
	if next == "" {
		if _, err := s.start(w, r, user, f.AMR, f.Provider); err != nil {
			s.broken(w, r, err)
			return
		}
		s.pages.Redirect(w, f.ReturnTo)
		return
	}
	text, err := s.seal(w, r, next, *f, stepTime)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.pages.Redirect(w, query("/login/"+next, text))
}

// step opens the flow of a later step with its user, whose password and
// factors must still be those of its beginning. It answers itself and returns
// nil where that is not so.
func (s *Service) step(w http.ResponseWriter, r *http.Request, kind string) (*flow, *record) {
	f, err := s.open(w, r, kind, r.URL.Query().Get("flow"))
	if err != nil {
		s.broken(w, r, err)
		return nil, nil
	}
	user, err := s.directory.get(r.Context(), f.UserID)
	if errors.Is(err, ErrNotFound) || err == nil && (user.Disabled || user.Stamp != f.Stamp) {
		err = errFlow
	}
	if err != nil {
		s.broken(w, r, err)
		return nil, nil
	}
	return f, user
}

// newPasswordPage is what the page for a new password shows.
type newPasswordPage struct {
	Flow    string
	Name    string
	Current bool // ask for the current one
	Least   int  // how many characters it must have
}

func (s *Service) showNewPassword(w http.ResponseWriter, r *http.Request) {
	if f, user := s.step(w, r, "password"); f != nil {
		s.pages.Render(w, r, http.StatusOK, "password", newPasswordPage{Flow: r.URL.Query().Get("flow"), Name: user.Username, Least: s.directory.least}, page.FormAction(f.FormAction...))
	}
}

// newPassword takes the password that stands for a temporary one from now on.
func (s *Service) newPassword(w http.ResponseWriter, r *http.Request) {
	f, user := s.step(w, r, "password")
	if f == nil {
		return
	}
	password, err := chosenPassword(r)
	if err == nil {
		user, err = s.directory.changePassword(r.Context(), user, password, "")
	}
	if err != nil {
		if status, option := s.passwordTrouble(w, r, err); status != 0 {
			p := newPasswordPage{Flow: r.URL.Query().Get("flow"), Name: user.Username, Least: s.directory.least}
			s.pages.Render(w, r, status, "password", p, option, page.FormAction(f.FormAction...))
		}
		return
	}
	s.event(r, Event{Kind: "password-changed", UserID: user.ID})
	f.Stamp = user.Stamp
	s.advance(w, r, f, user)
}

// passwordTrouble is trouble at the field that the error names.
func (s *Service) passwordTrouble(w http.ResponseWriter, r *http.Request, err error) (int, page.Option) {
	field := "password"
	var bad *Error
	if errors.As(err, &bad) && bad.Field != "" {
		field = bad.Field
	}
	return s.trouble(w, r, field, err)
}

// chosenPassword is the new password of a form, which has it twice.
func chosenPassword(r *http.Request) (string, error) {
	password := r.PostForm.Get("password")
	if password != r.PostForm.Get("again") {
		return "", wrong("again", "password.again")
	}
	return password, nil
}

// changePassword stores a new password that its owner chose, and ends their
// sessions but keep.
func (d *Directory) changePassword(ctx context.Context, user *record, password, keep string) (*record, error) {
	if err := d.checkPassword(password, &user.User); err != nil {
		return user, err
	}
	if same, _ := d.hasher.verify(user.Password, password); same {
		return user, wrong("password", "password.same")
	}
	hash := d.hasher.hash(password)
	var changed *record
	err := d.db.Update(ctx, func(tx kv.Tx) (err error) {
		changed, err = updateUser(tx, user.ID, func(u *record) error {
			if u.Stamp != user.Stamp {
				return errStale
			}
			u.Password = hash
			u.changed(d.now(), false)
			u.Stamp++
			return endSessions(tx, u, keep)
		})
		return err
	})
	if err != nil {
		return user, err
	}
	return changed, nil
}

func (s *Service) showSignOut(w http.ResponseWriter, r *http.Request) {
	session, user, err := s.session(r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	if session == nil {
		s.pages.Render(w, r, http.StatusOK, "signedout", nil)
		return
	}
	s.pages.Render(w, r, http.StatusOK, "signout", user.User)
}

func (s *Service) signOut(w http.ResponseWriter, r *http.Request) {
	if err := s.SignOut(r.Context(), w, r); err != nil {
		s.broken(w, r, err)
		return
	}
	s.pages.Redirect(w, "/logout")
}
