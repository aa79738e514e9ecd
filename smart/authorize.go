package smart

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/page"
)

// authorize is the authorization endpoint: it checks the request, stores it,
// and sends the browser to the dispatcher.
// https://www.rfc-editor.org/rfc/rfc6749#section-3.1
func (s *Service) authorize(w http.ResponseWriter, r *http.Request) {
	if wait := s.limits.Take("authorize "+s.network(r), s.cfg.Limits.Requests); wait > 0 {
		s.refusePage(w, r, http.StatusTooManyRequests, "error.busy", tooMany(wait))
		return
	}
	p, broken := s.readAuthorize(w, r)
	c, err := s.requestingClient(r.Context(), p)
	if err != nil {
		s.refusePage(w, r, http.StatusBadRequest, "error.client", err)
		return
	}
	if p["request_uri"] != "" {
		s.resume(w, r, c, p["request_uri"])
		return
	}
	if !c.MayRedirect(p["redirect_uri"]) {
		s.refusePage(w, r, http.StatusBadRequest, "error.redirect", refuse(codeInvalidRequest, "the redirect URI is not registered"))
		return
	}
	if broken == nil && c.RequirePAR {
		broken = refuse(codeInvalidRequest, "this client must push its authorization requests to /auth/par")
	}
	if broken != nil {
		s.refuseRedirect(w, r, p["redirect_uri"], p["state"], broken)
		return
	}
	a, err := s.newAuthRequest(r.Context(), c, p)
	if err != nil {
		s.refuseRedirect(w, r, p["redirect_uri"], p["state"], err)
		return
	}
	s.begin(w, r, a)
}

// begin binds a request to the browser and goes to the dispatcher.
func (s *Service) begin(w http.ResponseWriter, r *http.Request, a *AuthRequest) {
	a.Browser = s.pages.Browser(w, r)
	if err := s.putRequest(r.Context(), a); err != nil {
		s.refuseRedirect(w, r, a.RedirectURI, a.State, err)
		return
	}
	to := stepURL("/auth/continue", a)
	if locales := r.URL.Query().Get("ui_locales"); locales != "" {
		to += "&ui_locales=" + url.QueryEscape(locales)
	}
	s.pages.Redirect(w, to)
}

func stepURL(path string, a *AuthRequest) string { return path + "?request=" + url.QueryEscape(a.ID) }

// readAuthorize reads the parameters of GET or POST. Where some are broken, the
// others are returned beside the error.
func (s *Service) readAuthorize(w http.ResponseWriter, r *http.Request) (params, error) {
	switch {
	case r.Method == http.MethodPost:
		p, err := readForm(w, r)
		if p == nil {
			p = params{}
		}
		return p, err
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, POST")
		return params{}, refuse(codeInvalidRequest, "use GET or POST")
	case len(r.URL.RawQuery) > maxQuery:
		return params{}, refuse(codeInvalidRequest, "the query is longer than %d bytes; use POST", maxQuery)
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return params{}, refuse(codeInvalidRequest, "the query is not encoded correctly")
	}
	return newParams(values)
}

// requestingClient finds the client of an authorization request.
func (s *Service) requestingClient(ctx context.Context, p params) (*Client, error) {
	record, err := s.clientRecord(ctx, p["client_id"])
	if fhir.KindOf(err) == fhir.KindNotFound {
		return nil, refuse(codeInvalidRequest, "the client is unknown").because(err)
	}
	return &record.Client, err
}

// refusePage tells the person at the browser, where there is no redirect URI
// to be trusted. RFC 6749 section 4.1.2.1
func (s *Service) refusePage(w http.ResponseWriter, r *http.Request, status int, message string, err error) {
	e := asOAuth(err)
	if e.status >= 500 {
		status, message = e.status, "error.internal"
	}
	s.note(r, e, status)
	s.pages.Error(w, r, status, page.Message{Key: message})
}

// refuseRedirect tells the app, at its redirect URI.
func (s *Service) refuseRedirect(w http.ResponseWriter, r *http.Request, to, state string, err error) {
	e := asOAuth(err)
	s.note(r, e, http.StatusSeeOther)
	answer := url.Values{"error": {e.code}, "error_description": {printable(e.description)}, "iss": {s.issuer}}
	if state != "" {
		answer.Set("state", state)
	}
	s.pages.Redirect(w, withQuery(to, answer))
}

// finishWith ends a stored request with an error for the app.
func (s *Service) finishWith(w http.ResponseWriter, r *http.Request, a *AuthRequest, err error) {
	if dropped := s.dropRequest(r.Context(), a); dropped != nil {
		err = errors.Join(err, dropped)
	}
	e := asOAuth(err)
	s.event(r, Event{Kind: "denied", ClientID: a.ClientID, UserID: a.UserID, DataStore: a.DataStore, Scope: a.Scope})
	s.refuseRedirect(w, r, a.RedirectURI, a.State, e)
}
