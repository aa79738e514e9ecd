package smart

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/smart/opaque"
)

// A refreshRecord is a refresh token, under its hash. One that was used stays,
// so that its reuse is noticed.
type refreshRecord struct {
	GrantID string    `json:"grantId"`
	Expires time.Time `json:"expires"`
	Used    time.Time `json:"used,omitzero"`
}

var refreshTable = kv.NewTable[refreshRecord]("smart-refresh")

// isMissing reports whether a user is not there.
func isMissing(err error) bool { return errors.Is(err, login.ErrNotFound) }

// errRefresh is the answer to every wrong refresh token.
func errRefresh() *oauthError {
	return refuse(codeInvalidGrant, "the refresh token is unknown, expired, revoked, used, or not of this client")
}

// namesNoClient reports whether a request says nothing of who sends it.
func namesNoClient(r *http.Request, p params) bool {
	return r.Header.Get("Authorization")+p["client_id"]+p["client_secret"]+p["client_assertion"]+p["client_assertion_type"] == ""
}

// refresher is the public client that a refresh token is of: SMART asks public
// apps for nothing but the token, and their libraries send nothing else.
// http://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#request-4
func (s *Service) refresher(r *http.Request, p params) (*Client, error) {
	if err := s.mayFail(r, ""); err != nil {
		return nil, err
	}
	g, _, err := s.findRefresh(r.Context(), p["refresh_token"])
	if err != nil {
		return nil, err
	}
	if g == nil {
		s.failed(r, "")
		return nil, errRefresh()
	}
	record, err := s.clientRecord(r.Context(), g.ClientID)
	if err != nil && fhir.KindOf(err) != fhir.KindNotFound {
		return nil, err
	}
	if err != nil || record.Type != Public {
		s.failed(r, "")
		return nil, errClient()
	}
	return &record.Client, nil
}

// grantRefresh exchanges a refresh token for new tokens, a new refresh token
// among them. https://www.rfc-editor.org/rfc/rfc6749#section-6
func (s *Service) grantRefresh(q *tokenRequest) (tokenResponse, error) {
	if q.p["refresh_token"] == "" {
		return nil, refuse(codeInvalidRequest, "refresh_token is missing")
	}
	g, err := s.peekRefresh(q)
	if err != nil {
		return nil, err
	}
	h, err := s.holderOf(q.r.Context(), g)
	if err != nil {
		return nil, err
	}
	scope, err := s.refreshScope(q, g, h)
	if err != nil {
		return nil, err
	}
	raw, err := s.rotate(q, g)
	if err != nil {
		return nil, err
	}
	response, _, err := s.respondFor(q, g, h, scope)
	if err == nil {
		response["refresh_token"] = raw
		s.event(q.r, Event{Kind: "refreshed", ClientID: q.client.ID, UserID: g.UserID, DataStore: g.DataStore, Scope: scope})
	}
	return response, err
}

// peekRefresh finds the grant of a refresh token and checks that this client
// may refresh it now. A used one is found too: rotate sees to it.
func (s *Service) peekRefresh(q *tokenRequest) (*Grant, error) {
	g, _, err := s.findRefresh(q.r.Context(), q.p["refresh_token"])
	if err != nil {
		return nil, err
	}
	if g == nil || g.ClientID != q.client.ID || g.Created.Before(q.client.Created) {
		return nil, errRefresh()
	}
	if g.Thumbprint != "" && g.Thumbprint != q.thumbprint {
		return nil, refuse(codeInvalidDPoPProof, "the refresh token is bound to another key")
	}
	return g, s.checkSession(q, g)
}

// checkSession refuses a grant with online_access whose session is over.
func (s *Service) checkSession(q *tokenRequest, g *Grant) error {
	scopes, _ := s.parseScopes(g.Scope)
	if scopes.Offline || !scopes.Online {
		return nil
	}
	session, err := s.login.SessionByID(q.r.Context(), g.SessionID)
	if err == nil && (session == nil || session.UserID != g.UserID) {
		return errRefresh()
	}
	return err
}

// refreshScope is the scope of the new access token: what was granted and the
// client may still have, or the part of it that is asked for.
func (s *Service) refreshScope(q *tokenRequest, g *Grant, h *holder) (string, error) {
	granted, _ := s.grantable(g.Scope, q.client, h.store)
	if !givesData(granted) {
		return "", refuse(codeInvalidGrant, "the client may no longer have what was granted")
	}
	if q.p["scope"] == "" {
		return granted.String(), nil
	}
	asked, dropped := s.parseScopes(q.p["scope"])
	narrowed := strings.Fields(asked.Narrow(granted).String())
	for scope := range strings.FieldsSeq(asked.String()) {
		if !slices.Contains(narrowed, scope) {
			return "", refuse(codeInvalidScope, "%s was not granted", printable(scope))
		}
	}
	if len(dropped) > 0 || len(narrowed) == 0 {
		return "", refuse(codeInvalidScope, "the scope is no part of what was granted")
	}
	return strings.Join(narrowed, " "), nil
}

// rotate uses the refresh token up and makes the next. A second use ends the
// grant: one of the two who have it stole it. RFC 9700 section 4.14.2
func (s *Service) rotate(q *tokenRequest, g *Grant) (string, error) {
	var raw string
	var refused error
	err := s.db.Update(q.r.Context(), func(tx kv.Tx) error {
		refused = nil
		key := opaque.Key(q.p["refresh_token"])
		record, err := refreshTable.Get(tx, key)
		if errors.Is(err, kv.ErrNotFound) {
			refused = errRefresh()
			return nil
		}
		if err != nil {
			return err
		}
		now := s.now().UTC()
		if _, err := grantTable.Get(tx, record.GrantID); err != nil || !now.Before(record.Expires) {
			refused = errRefresh()
			return nil
		}
		if !record.Used.IsZero() && now.Sub(record.Used) >= s.cfg.Lifetimes.Grace {
			refused = errRefresh()
			s.event(q.r, Event{Kind: "replay", ClientID: q.client.ID, UserID: g.UserID, DataStore: g.DataStore})
			return dropGrant(tx, record.GrantID)
		}
		if record.Used.IsZero() {
			record.Used = now
		}
		if err := refreshTable.Put(tx, key, record, s.now().Add(s.refreshLifetime(q.client))); err != nil {
			return err
		}
		g.LastUsed = now
		if raw, err = s.addRefresh(tx, q.client, g.ID); err != nil {
			return err
		}
		return putGrant(tx, *g, s.grantExpires(q.client, true))
	})
	if err == nil {
		err = refused
	}
	return raw, err
}
