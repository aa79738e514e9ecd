package smart

import (
	"errors"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/smart/opaque"
)

// grantCode exchanges an authorization code for tokens.
// https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3
func (s *Service) grantCode(q *tokenRequest) (tokenResponse, error) {
	if q.p["code"] == "" {
		return nil, refuse(codeInvalidRequest, "code is missing")
	}
	g, err := s.redeem(q)
	if err != nil {
		return nil, err
	}
	ctx := q.r.Context()
	h, err := s.holderOf(ctx, g)
	if err != nil {
		return nil, err
	}
	if q.client.Type == Public {
		g.Thumbprint = q.thumbprint
	}
	response, access, err := s.respondFor(q, g, h, g.Scope)
	if err != nil {
		return nil, err
	}
	id, err := s.idToken(ctx, q.client, g, h, access)
	if err != nil {
		return nil, err
	}
	if id != "" {
		response["id_token"] = id
	}
	scopes, _ := s.parseScopes(g.Scope)
	refreshes := scopes.Offline || scopes.Online
	g.LastUsed = s.now().UTC()
	return response, s.db.Update(ctx, func(tx kv.Tx) error {
		if err := s.stillRedeemed(tx, q, g); err != nil {
			return err
		}
		if refreshes {
			raw, err := s.addRefresh(tx, q.client, g.ID)
			if err != nil {
				return err
			}
			response["refresh_token"] = raw
		}
		return putGrant(tx, *g, s.grantExpires(q.client, refreshes))
	})
}

// redeem uses a code up. A second use ends the grant of the first.
func (s *Service) redeem(q *tokenRequest) (*Grant, error) {
	var g *Grant
	var refused error
	err := s.db.Update(q.r.Context(), func(tx kv.Tx) error {
		g, refused = nil, nil
		key := opaque.Key(q.p["code"])
		record, err := codeTable.Get(tx, key)
		if errors.Is(err, kv.ErrNotFound) {
			refused = errCode()
			return nil
		}
		if err != nil {
			return err
		}
		if refused = s.checkCode(q, &record); refused != nil {
			return nil
		}
		if record.Used {
			refused = errCode()
			s.event(q.r, Event{Kind: "replay", ClientID: q.client.ID, UserID: record.Grant.UserID, DataStore: record.Grant.DataStore})
			// The grant may be made yet, by who redeemed the code: see stillRedeemed.
			if err := codeTable.Delete(tx, key); err != nil {
				return err
			}
			return dropGrant(tx, record.Grant.ID)
		}
		record.Used = true
		g = &record.Grant
		return codeTable.Put(tx, key, record, record.Expires.Add(usedCode))
	})
	if err == nil {
		err = refused
	}
	return g, err
}

// stillRedeemed refuses where the code was used again while its tokens were
// made.
func (s *Service) stillRedeemed(tx kv.Tx, q *tokenRequest, g *Grant) error {
	record, err := codeTable.Get(tx, opaque.Key(q.p["code"]))
	if errors.Is(err, kv.ErrNotFound) || err == nil && record.Grant.ID != g.ID {
		return errCode()
	}
	return err
}

// errCode is the answer to every wrong code.
func errCode() *oauthError {
	return refuse(codeInvalidGrant, "the code is unknown, expired, used, or not for this request")
}

// checkCode checks what the code is bound to: client, redirect URI, PKCE
// challenge, DPoP key. RFC 6749 section 4.1.3, RFC 7636 section 4.6
func (s *Service) checkCode(q *tokenRequest, record *codeRecord) error {
	switch {
	case record.Grant.ClientID != q.client.ID,
		record.Grant.Created.Before(q.client.Created),
		!record.Used && !s.now().Before(record.Expires),
		q.p["redirect_uri"] != record.RedirectURI,
		!opaque.Verifies(q.p["code_verifier"], record.Challenge):
		return errCode()
	case record.Thumbprint != "" && record.Thumbprint != q.thumbprint:
		return refuse(codeInvalidDPoPProof, "the code is bound to another key")
	}
	return nil
}
