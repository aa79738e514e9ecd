package smart

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// endSession signs a user out because an app asks. Without an id_token_hint of
// that user the user is asked first, or any site could sign people out.
// https://openid.net/specs/openid-connect-rpinitiated-1_0.html
func (s *Service) endSession(w http.ResponseWriter, r *http.Request) {
	var p params
	var err error
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		p, err = newParams(r.URL.Query())
	case http.MethodPost:
		p, err = readForm(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		err = refuse(codeInvalidRequest, "use GET or POST")
	}
	if err != nil {
		s.refusePage(w, r, http.StatusBadRequest, "error.form", err)
		return
	}
	if p["confirmed"] != "" {
		s.signOutConfirmed(w, r)
		return
	}
	to, subject, err := s.logoutTarget(r, p)
	if err != nil {
		s.refusePage(w, r, http.StatusBadRequest, "error.redirect", err)
		return
	}
	session, _, err := s.login.Session(r)
	if err != nil {
		s.refusePage(w, r, http.StatusInternalServerError, "error.internal", err)
		return
	}
	if session != nil && session.UserID != subject {
		s.pages.Render(w, r, http.StatusOK, "signout", signoutPage{})
		return
	}
	s.signOut(w, r, to)
}

type signoutPage struct{ Done bool }

// logoutTarget is where the browser goes after the sign-out, and whose session
// the hint is of. The address must be registered by the client that the hint
// was issued to.
func (s *Service) logoutTarget(r *http.Request, p params) (to, subject string, err error) {
	if p["id_token_hint"] == "" && p["post_logout_redirect_uri"] == "" {
		return "", "", nil
	}
	id := p["client_id"]
	if p["id_token_hint"] != "" {
		claims, err := s.keys.VerifyID(r.Context(), p["id_token_hint"], id)
		if err != nil {
			return "", "", refuse(codeInvalidRequest, "id_token_hint is not an id_token of this server").because(err)
		}
		subject, id = claims.Subject, strings.Join(claims.Audience, " ")
	}
	record, err := s.clientRecord(r.Context(), id)
	if err != nil {
		return "", "", refuse(codeInvalidRequest, "the client is unknown; send id_token_hint or client_id").because(err)
	}
	to = p["post_logout_redirect_uri"]
	if to != "" && !slices.Contains(record.LogoutURIs, to) {
		return "", "", refuse(codeInvalidRequest, "post_logout_redirect_uri is not registered")
	}
	if to != "" && p["state"] != "" {
		to = withQuery(to, url.Values{"state": {p["state"]}})
	}
	return to, subject, nil
}

// signOutConfirmed signs out who pressed the button of the page.
func (s *Service) signOutConfirmed(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && s.pages.ParseForm(w, r) {
		s.signOut(w, r, "")
	} else if r.Method != http.MethodPost {
		s.refusePage(w, r, http.StatusBadRequest, "error.form", refuse(codeInvalidRequest, "confirm with POST"))
	}
}

func (s *Service) signOut(w http.ResponseWriter, r *http.Request, to string) {
	if err := s.login.SignOut(r.Context(), w, r); err != nil {
		s.refusePage(w, r, http.StatusInternalServerError, "error.internal", err)
		return
	}
	if to != "" {
		s.pages.Redirect(w, to)
		return
	}
	s.pages.Render(w, r, http.StatusOK, "signout", signoutPage{Done: true})
}
