package smart

import (
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/token"
)

// revoke ends a token of the client that asks. A refresh token takes its whole
// grant with it. https://www.rfc-editor.org/rfc/rfc7009
func (s *Service) revoke(w http.ResponseWriter, r *http.Request) {
	if err := s.answerRevoke(w, r); err != nil {
		s.answerError(w, r, err)
		return
	}
	noStore(w)
	w.WriteHeader(http.StatusOK)
}

func (s *Service) answerRevoke(w http.ResponseWriter, r *http.Request) error {
	p, err := readForm(w, r)
	if err != nil {
		return err
	}
	c, err := s.authenticate(r, p)
	if err != nil {
		return err
	}
	if p["token"] == "" {
		return refuse(codeInvalidRequest, "token is missing")
	}
	if strings.Count(p["token"], ".") == 2 {
		return s.revokeAccess(r, c, p["token"])
	}
	g, _, err := s.findRefresh(r.Context(), p["token"])
	if err != nil || g == nil || g.ClientID != c.ID {
		return err // unknown tokens are no error, and those of others look unknown
	}
	s.event(r, Event{Kind: "revoked", ClientID: c.ID, UserID: g.UserID, DataStore: g.DataStore})
	return s.db.Update(r.Context(), func(tx kv.Tx) error { return dropGrant(tx, g.ID) })
}

// revokeAccess ends one access token; one that is good no more needs nothing.
func (s *Service) revokeAccess(r *http.Request, c *Client, raw string) error {
	claims, err := s.keys.Verify(r.Context(), raw, "")
	if err != nil {
		if token.CodeOf(err) == token.ServerError {
			return err
		}
		return nil
	}
	if claims.ClientID != c.ID {
		return nil
	}
	s.event(r, Event{Kind: "revoked", ClientID: c.ID, UserID: claims.Subject})
	return s.db.Update(r.Context(), func(tx kv.Tx) error {
		return revokedTable.Put(tx, "jti:"+claims.ID, claims.Expires, claims.Expires.Add(2*token.Leeway))
	})
}
