package login

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/tarnhealth/tarn/kv"
)

// An upstreamState is kept in a sealed cookie while somebody is at a provider.
type upstreamState struct {
	Provider, State, Nonce, Verifier string
	Flow                             flow
	Started, Expires                 time.Time
}

const (
	upstreamPurpose = "login upstream"
	// upstreamTime is how long somebody may take at the provider.
	upstreamTime = 15 * time.Minute
	// maxCookie is what browsers keep.
	maxCookie = 3900
)

// stateCookie names the cookie of one visit, so that several tabs do not meet.
func stateCookie(state string) string { return "tarn-visit-" + state[:8] }

// startUpstream sends somebody to a provider. It is a link, not a form, as a
// page's policy would hold for all redirects at the provider too.
func (s *Service) startUpstream(w http.ResponseWriter, r *http.Request) {
	f, _, err := s.startFlow(w, r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	s.visit(w, r, f)
}

// startLink sends a user to a provider to add the account that they have
// there. The flow of the address proves that the account page asked for it.
func (s *Service) startLink(w http.ResponseWriter, r *http.Request) {
	f, err := s.open(w, r, "link", r.URL.Query().Get("flow"))
	if err != nil {
		s.broken(w, r, err)
		return
	}
	session, user, err := s.session(r)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	if session == nil || user.ID != f.Link || user.Password == "" || s.cfg.Now().Sub(session.AuthTime) > freshTime {
		s.SignIn(w, r, SignInRequest{ReturnTo: "/account", MaxAge: freshTime})
		return
	}
	s.visit(w, r, f)
}

func (s *Service) visit(w http.ResponseWriter, r *http.Request, f *flow) {
	u := s.upstream.Load().by[r.PathValue("provider")]
	if u == nil {
		s.missing(w, r)
		return
	}
	now := s.cfg.Now()
	state := upstreamState{Provider: u.ID, Flow: flow{ReturnTo: f.ReturnTo, After: f.After, Link: f.Link}, Started: now, Expires: now.Add(upstreamTime)}
	to, err := s.request(r, u, f, &state)
	if err != nil {
		s.cfg.Log.WarnContext(r.Context(), "provider not reached", "provider", u.ID, "error", err)
		s.problem(w, r, http.StatusBadGateway, "upstream.away", u.shown())
		return
	}
	plain, err := json.Marshal(state)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	value := base64.RawURLEncoding.EncodeToString(s.cfg.Box.Seal(upstreamPurpose, plain))
	if len(value) > maxCookie {
		s.broken(w, r, errFlow)
		return
	}
	http.SetCookie(w, s.pages.Cookie(stateCookie(state.State), value, int(upstreamTime/time.Second)))
	s.pages.Redirect(w, to)
}

// request is where the browser goes to be signed in by a provider. It completes
// the state.
func (s *Service) request(r *http.Request, u *upstream, f *flow, state *upstreamState) (to string, err error) {
	if u.peer != nil {
		state.State, to, err = u.peer.Begin(r.Context(), !f.After.IsZero())
		return to, err
	}
	p, err := u.discover(r.Context(), state.Started)
	if err != nil {
		return "", err
	}
	state.State, state.Nonce, state.Verifier = newID(), newID(), oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(state.Verifier), oauth2.SetAuthURLParam("nonce", state.Nonce)}
	if f.Hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", f.Hint))
	}
	if !f.After.IsZero() {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	return u.config(p).AuthCodeURL(state.State, options...), nil
}

func (p *Provider) shown() string { return or(p.Name, p.ID) }

// callback takes the response of a provider.
func (s *Service) callback(w http.ResponseWriter, r *http.Request) {
	u := s.upstream.Load().by[r.PathValue("provider")]
	if u == nil {
		s.missing(w, r)
		return
	}
	state, err := s.openState(w, r, u)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	c, err := s.answer(r, u, state)
	if err != nil {
		s.refuseVisit(w, r, u, err)
		return
	}
	user, err := s.federated(r, u, c, state)
	if err != nil {
		s.refuseVisit(w, r, u, err)
		return
	}
	if state.Flow.Link != "" {
		s.pages.Redirect(w, state.Flow.ReturnTo)
		return
	}
	amr := []string{"fed"}
	if list, ok := c.find("amr").([]any); ok && slices.Contains(list, any("mfa")) {
		amr = append(amr, "mfa")
	}
	f := state.Flow
	f.UserID, f.Stamp, f.AMR, f.Provider = user.ID, user.Stamp, amr, u.ID
	s.advance(w, r, &f, user)
}

// openState takes back what startUpstream kept, once.
func (s *Service) openState(w http.ResponseWriter, r *http.Request, u *upstream) (*upstreamState, error) {
	given := r.URL.Query().Get("state")
	if len(given) < 16 || len(given) > 64 || !isWord(given) {
		return nil, errFlow
	}
	c, err := r.Cookie(s.pages.CookieName(stateCookie(given)))
	if err != nil {
		return nil, errFlow
	}
	http.SetCookie(w, s.pages.Cookie(stateCookie(given), "", -1))
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil, errFlow
	}
	plain, err := s.cfg.Box.Open(upstreamPurpose, sealed)
	if err != nil {
		return nil, errFlow
	}
	var state upstreamState
	if err := json.Unmarshal(plain, &state); err != nil {
		return nil, errFlow
	}
	if !hmac.Equal([]byte(state.State), []byte(given)) || state.Provider != u.ID || !s.cfg.Now().Before(state.Expires) {
		return nil, errFlow
	}
	return &state, s.once(r, "state", state.State, state.Expires)
}

// A refusal is why a visit to a provider signs nobody in, as a page says it.
type refusal struct {
	key   string
	cause error
}

func (e *refusal) Error() string { return e.key }

// answer checks who sent the response (RFC 9207, against mix-up) and exchanges
// its code.
func (s *Service) answer(r *http.Request, u *upstream, state *upstreamState) (claims, error) {
	if u.peer != nil {
		return s.answerSAML(r, u, state)
	}
	q := r.URL.Query()
	p, err := u.discover(r.Context(), s.cfg.Now())
	if err != nil {
		return nil, &refusal{"upstream.away", err}
	}
	if issuer := q.Get("iss"); q.Has("iss") && issuer != u.Issuer || p.names && issuer == "" {
		return nil, &refusal{"upstream.wrong", errors.New("the response is of another issuer")}
	}
	if code := q.Get("error"); code != "" {
		key := "upstream.refused"
		if code == "access_denied" {
			key = "upstream.cancelled"
		}
		return nil, &refusal{key, errors.New("the provider answers " + printable(code))}
	}
	c, err := u.exchange(r.Context(), p, q.Get("code"), state, s.cfg.Now)
	if err != nil {
		return nil, &refusal{"upstream.wrong", withoutBody(err)}
	}
	if !state.Flow.After.IsZero() && tooOld(c, state.Started) {
		return nil, &refusal{"upstream.wrong", errors.New("the provider did not ask the person to sign in again")}
	}
	return c, nil
}

// withoutBody leaves out what a token endpoint wrote beside the error's code.
func withoutBody(err error) error {
	var answered *oauth2.RetrieveError
	if errors.As(err, &answered) {
		return errors.New("the token endpoint answers " + answered.Response.Status + " " + printable(answered.ErrorCode))
	}
	return err
}

// tooOld reports whether a provider says that the sign-in was before it was
// asked for, by more than clocks may differ.
func tooOld(c claims, started time.Time) bool {
	at, ok := c.find("auth_time").(float64)
	return ok && time.Unix(int64(at), 0).Before(started.Add(-time.Minute))
}

func (s *Service) refuseVisit(w http.ResponseWriter, r *http.Request, u *upstream, err error) {
	var no *refusal
	if !errors.As(err, &no) {
		s.broken(w, r, err)
		return
	}
	s.cfg.Log.WarnContext(r.Context(), "provider signs nobody in", "provider", u.ID, "reason", no.key, "error", no.cause)
	s.event(r, Event{Kind: "sign-in-failed", Provider: u.ID, AMR: []string{"fed"}})
	status := http.StatusForbidden
	if no.key == "upstream.away" {
		status = http.StatusBadGateway
	}
	s.problem(w, r, status, no.key, u.shown())
}

// federated finds, links or makes the user of claims, and gives them the
// rights that the claims have.
func (s *Service) federated(r *http.Request, u *upstream, c claims, state *upstreamState) (*record, error) {
	ctx, subject := r.Context(), c.text("sub")
	if subject == "" || len(subject) > 255 {
		return nil, &refusal{"upstream.wrong", errors.New("the ID token has no usable subject")}
	}
	if state.Flow.Link != "" {
		return s.link(r, u, subject, state.Flow.Link)
	}
	var user *record
	found, made := "", false
	err := s.cfg.DB.Update(ctx, func(tx kv.Tx) error {
		var err error
		found, made = "", false
		if user, err = linked(tx, u.ID, subject); user == nil && err == nil {
			if user, err = s.adopt(tx, u, c); err == nil && user != nil {
				found = "linked"
			}
		}
		if err == nil && user == nil && u.Create {
			user, made = s.newcomer(u, c), true
			err = putUser(tx, nil, user)
		}
		if err != nil || user == nil {
			return err
		}
		user, err = updateUser(tx, user.ID, func(x *record) error {
			if found != "" || made {
				x.Links = append(x.Links, Link{Provider: u.ID, Subject: subject, Created: s.cfg.Now().UTC()})
			}
			return s.grant(ctx, x, u, c)
		})
		return err
	})
	var bad *Error
	switch {
	case errors.Is(err, ErrTaken):
		return nil, &refusal{"upstream.taken", err}
	case errors.As(err, &bad):
		return nil, &refusal{"upstream.user", errors.New("a claim makes no good " + bad.Field)}
	case err != nil:
		return nil, err
	case user == nil || user.Disabled:
		return nil, &refusal{"upstream.unknown", errors.New("no user for the subject, or a disabled one")}
	}
	if made {
		s.event(r, Event{Kind: "user-created", UserID: user.ID, Provider: u.ID})
	} else if found != "" {
		s.event(r, Event{Kind: "linked", UserID: user.ID, Provider: u.ID})
	}
	return user, nil
}

// link adds an account at a provider to the user who is signed in.
func (s *Service) link(r *http.Request, u *upstream, subject, userID string) (*record, error) {
	session, _, err := s.session(r)
	if err != nil {
		return nil, err
	}
	if session == nil || session.UserID != userID {
		return nil, errFlow
	}
	user, err := s.directory.update(r.Context(), userID, func(x *record) error {
		if slices.ContainsFunc(x.Links, func(l Link) bool { return l.Provider == u.ID }) {
			return errFlow
		}
		x.Links = append(x.Links, Link{Provider: u.ID, Subject: subject, Created: s.cfg.Now().UTC()})
		return nil
	})
	if errors.Is(err, ErrTaken) {
		return nil, &refusal{"upstream.linked", err}
	}
	if err == nil {
		s.event(r, Event{Kind: "linked", UserID: userID, SessionID: session.ID, Provider: u.ID})
	}
	return user, err
}

// linked returns the user of an account at a provider, nil where there is none.
func linked(tx kv.Tx, provider, subject string) (*record, error) {
	id, err := linkTable.Get(tx, linkKey(provider, subject))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return getUser(tx, id)
}

// adopt returns the user with the e-mail address of claims, where the provider
// is one that is believed about it; nil otherwise. One who already has an
// account there is not given another.
func (s *Service) adopt(tx kv.Tx, u *upstream, c claims) (*record, error) {
	email := c.text("email")
	if !u.LinkByEmail || email == "" || !c.verified() {
		return nil, nil
	}
	user, err := findUser(tx, email)
	if errors.Is(err, ErrNotFound) || err == nil && foldOr(user.Email) != foldOr(email) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(user.Links, func(l Link) bool { return l.Provider == u.ID }) {
		return nil, ErrTaken
	}
	return user, nil
}

// newcomer is a user made of claims.
func (s *Service) newcomer(u *upstream, c claims) *record {
	m := u.Claims
	r := &record{User: User{ID: newID(), Created: s.cfg.Now().UTC(), Name: c.text(or(m.Name, "name"))}}
	if email := c.text(or(m.Email, "email")); c.verified() || m.Email != "" {
		r.Email = email
	}
	for _, name := range []string{or(m.Username, "preferred_username"), "email", "sub"} {
		if r.Username == "" {
			r.Username = c.text(name)
		}
	}
	return r
}

// grant gives a user the fhirUser and the roles of claims.
func (s *Service) grant(ctx context.Context, x *record, u *upstream, c claims) error {
	m := u.Claims
	if m.Roles != "" {
		var managed, roles []string
		for _, role := range m.RoleOf {
			managed = append(managed, role)
		}
		for _, name := range c.list(m.Roles) {
			if role := m.RoleOf[name]; role != "" && !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}
		x.Roles = slices.DeleteFunc(x.Roles, func(role string) bool { return slices.Contains(managed, role) })
		x.Roles = append(x.Roles, roles...)
	}
	if m.FHIRUser == "" {
		return nil
	}
	store, reference := or(m.DataStore, "*"), c.text(m.FHIRUser)
	reference = strings.TrimPrefix(reference, s.cfg.BaseURL+"/datastore/"+m.DataStore+"/r4/")
	if reference != "" && !isFHIRUser(reference) {
		return wrong("fhirUser", "user.fhiruser", "")
	}
	i := slices.IndexFunc(x.Profiles, func(p Profile) bool { return p.DataStore == store })
	switch {
	case i >= 0:
		x.Profiles[i].FHIRUser = reference
	case reference != "":
		x.Profiles = append(x.Profiles, Profile{DataStore: store, FHIRUser: reference})
	}
	return nil
}

// find returns a claim, by a path with dots, or nil.
func (c claims) find(path string) any {
	if value, ok := c[path]; ok {
		return value
	}
	var at any = map[string]any(c)
	for name := range strings.SplitSeq(path, ".") {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[name]
	}
	return at
}

func (c claims) text(path string) string {
	text, _ := c.find(path).(string)
	return strings.TrimSpace(text)
}

func (c claims) list(path string) []string {
	switch value := c.find(path).(type) {
	case string:
		return []string{value}
	case []any:
		var list []string
		for _, item := range value {
			if text, ok := item.(string); ok {
				list = append(list, text)
			}
		}
		return list
	}
	return nil
}

// verified reports whether the provider says that the e-mail address is the
// person's. Some write the boolean as text.
func (c claims) verified() bool {
	v := c.find("email_verified")
	return v == true || v == "true"
}
