package smart

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/smart/client"
	"github.com/tarnhealth/tarn/smart/opaque"
)

// A flow is an AuthRequest at one of its stops in the browser.
type flow struct {
	r      *http.Request
	a      *AuthRequest
	client *Client
	store  *datastore.Store
	scopes authz.Scopes // of a.Scope

	// session, user and profile are there once somebody has signed in.
	session *login.Session
	user    *login.User
	profile login.Profile
}

// A step settles one thing about a request: it returns nil where that is
// settled, or what to answer instead. An error ends the request.
type step func(*Service, *flow) (answer, error)

type answer func(http.ResponseWriter)

// steps are the way from a request to a code. Each can be entered any number of
// times, and looks at the request alone.
var steps = []step{
	(*Service).stepSignIn,
	(*Service).stepUser,
	(*Service).stepPatient,
	(*Service).stepEncounter,
	(*Service).stepConsent,
}

// proceed is the dispatcher: it goes through the steps, and when all are
// settled sends the code to the app.
func (s *Service) proceed(w http.ResponseWriter, r *http.Request) {
	f := s.openFlow(w, r, r.URL.Query().Get("request"))
	if f == nil {
		return
	}
	for _, step := range steps {
		answer, err := step(s, f)
		if err != nil {
			s.finishWith(w, r, f.a, err)
			return
		}
		if answer != nil {
			if err := s.putRequest(r.Context(), f.a); err != nil {
				s.finishWith(w, r, f.a, err)
				return
			}
			answer(w)
			return
		}
	}
	s.finish(w, f)
}

// openFlow reads the request that a browser is about. Where there is none that
// this browser began, it answers with a page and returns nil.
func (s *Service) openFlow(w http.ResponseWriter, r *http.Request, id string) *flow {
	a, err := s.request(r.Context(), id)
	if fhir.KindOf(err) == fhir.KindNotFound || err == nil && a.Browser != s.pages.Browser(w, r) {
		s.refusePage(w, r, http.StatusBadRequest, "error.request", refuse(codeInvalidRequest, "no such authorization request in this browser"))
		return nil
	}
	if err != nil {
		s.refusePage(w, r, http.StatusInternalServerError, "error.internal", err)
		return nil
	}
	f := &flow{r: r, a: a}
	record, err := s.clientRecord(r.Context(), a.ClientID)
	if err == nil {
		f.client = &record.Client
		f.store, err = s.store(a.DataStore)
	}
	if err != nil || !f.client.MayRedirect(a.RedirectURI) {
		s.refusePage(w, r, http.StatusBadRequest, "error.client", refuse(codeInvalidRequest, "the client or data store is gone").because(err))
		return nil
	}
	f.scopes, _ = authz.ParseScopes(a.Scope, f.store.Registry())
	return f
}

// openPage is openFlow for the pages between the steps: somebody must be signed
// in, and be the user of the request. Otherwise the browser goes back to the
// dispatcher.
func (s *Service) openPage(w http.ResponseWriter, r *http.Request, id string) *flow {
	f := s.openFlow(w, r, id)
	if f == nil {
		return nil
	}
	if err := s.signedIn(f); err != nil {
		s.finishWith(w, r, f.a, err)
		return nil
	}
	if f.user == nil || f.user.ID != f.a.UserID {
		s.pages.Redirect(w, stepURL("/auth/continue", f.a))
		return nil
	}
	f.profile, _ = f.user.Profile(f.a.DataStore)
	return f
}

// openPosted is openPage for what the form of such a page posts.
func (s *Service) openPosted(w http.ResponseWriter, r *http.Request) *flow {
	if !s.pages.ParseForm(w, r) {
		return nil
	}
	return s.openPage(w, r, r.PostForm.Get("request"))
}

func (s *Service) signedIn(f *flow) (err error) {
	f.session, f.user, err = s.login.Session(f.r)
	return err
}

// stepSignIn wants a session, as fresh as was asked for.
// OpenID Connect Core section 3.1.2.1
func (s *Service) stepSignIn(f *flow) (answer, error) {
	if err := s.signedIn(f); err != nil {
		return nil, err
	}
	if f.session != nil && s.freshEnough(f) {
		return nil, nil
	}
	if f.a.prompts("none") {
		return nil, refuse(codeLoginRequired, "the user must sign in")
	}
	if f.session != nil && !f.session.AuthTime.Before(f.a.Created) {
		return nil, refuse(codeLoginRequired, "somebody else signed in than id_token_hint names")
	}
	ask := login.SignInRequest{ReturnTo: stepURL("/auth/continue", f.a), Hint: f.a.LoginHint, Force: f.session != nil, FormAction: []string{client.FormTarget(f.a.RedirectURI)}}
	return func(w http.ResponseWriter) { s.login.SignIn(w, f.r, ask) }, nil
}

// freshEnough reports whether the session serves: it began after the request,
// or the request is content with an older one.
func (s *Service) freshEnough(f *flow) bool {
	if f.a.Subject != "" && f.a.Subject != f.user.ID {
		return false
	}
	if !f.session.AuthTime.Before(f.a.Created) {
		return true
	}
	if f.a.prompts("login") || f.a.prompts("select_account") {
		return false
	}
	return f.a.MaxAge == nil || s.now().Sub(f.session.AuthTime) <= time.Duration(*f.a.MaxAge)*time.Second
}

// stepUser checks that the user may use the data store and the launch.
func (s *Service) stepUser(f *flow) (answer, error) {
	if f.a.UserID != f.user.ID {
		f.a.forget()
	}
	f.a.UserID, f.a.SessionID = f.user.ID, f.session.ID
	if f.a.Launch != nil && !f.a.Launch.isFor(f.user) {
		return nil, refuse(codeAccessDenied, "the launch is for another user")
	}
	profile, ok := f.user.Profile(f.a.DataStore)
	if !ok {
		return nil, refuse(codeAccessDenied, "the user has no profile in this data store")
	}
	f.profile = profile
	return nil, nil
}

// A codeRecord is an authorization code in waiting, or one that was used, under
// its hash.
type codeRecord struct {
	Grant       Grant     `json:"grant"`
	RedirectURI string    `json:"redirectUri"`
	Challenge   string    `json:"challenge"`
	Thumbprint  string    `json:"thumbprint,omitempty"`
	Expires     time.Time `json:"expires"`
	Used        bool      `json:"used,omitempty"`
}

var codeTable = kv.NewTable[codeRecord]("smart-code")

// usedCode is how long a used code is remembered, so that its reuse is noticed.
const usedCode = 24 * time.Hour

// finish gives the app its code. RFC 6749 section 4.1.2, RFC 9207
func (s *Service) finish(w http.ResponseWriter, f *flow) {
	a, code := f.a, opaque.New()
	record := codeRecord{
		Grant: s.draftGrant(f), RedirectURI: a.RedirectURI, Challenge: a.Challenge, Thumbprint: a.Thumbprint,
		Expires: s.now().Add(s.cfg.Lifetimes.Code).UTC(),
	}
	err := s.db.Update(f.r.Context(), func(tx kv.Tx) error {
		if _, err := requestTable.Get(tx, opaque.Key(a.ID)); err != nil {
			return err // answered already, in another tab
		}
		if err := requestTable.Delete(tx, opaque.Key(a.ID)); err != nil {
			return err
		}
		if err := s.keepRecent(tx, f); err != nil {
			return err
		}
		return codeTable.Put(tx, opaque.Key(code), record, record.Expires.Add(usedCode))
	})
	if err != nil {
		s.refuseRedirect(w, f.r, a.RedirectURI, a.State, err)
		return
	}
	s.event(f.r, Event{Kind: "authorized", ClientID: a.ClientID, UserID: a.UserID, DataStore: a.DataStore, Scope: a.Granted, Patient: a.Context.Patient})
	s.pages.Redirect(w, withQuery(a.RedirectURI, url.Values{"code": {code}, "state": {a.State}, "iss": {s.issuer}}))
}

// draftGrant is what the code stands for.
func (s *Service) draftGrant(f *flow) Grant {
	context := f.a.Context
	if context.StyleURL == "" {
		context.StyleURL = s.styleURL()
	}
	return Grant{
		ID: opaque.ID(), ClientID: f.a.ClientID, UserID: f.a.UserID, DataStore: f.a.DataStore,
		Scope: f.a.Granted, Context: context, FHIRUser: f.profile.FHIRUser, Nonce: f.a.Nonce,
		AuthTime: f.session.AuthTime, SessionID: f.session.ID, Created: s.now().UTC(),
		EHR: f.a.Launch != nil,
	}
}

// nameOf is how pages call the user.
func nameOf(u *login.User) string {
	if name := strings.TrimSpace(u.Name); name != "" {
		return name
	}
	return u.Username
}
