package smart

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/smart/client"
	"github.com/tarnhealth/tarn/token"
)

// A Grant is what a user gave to an app once: all tokens that come of it die
// with it. It is stored under "smart-grant" 0x00 ID for as long as a token of
// it may live.
type Grant struct {
	ID        string  `json:"id"`
	ClientID  string  `json:"clientId"`
	UserID    string  `json:"userId"`
	DataStore string  `json:"dataStore"`
	Scope     string  `json:"scope"`
	Context   Context `json:"context"`
	FHIRUser  string  `json:"fhirUser,omitempty"` // relative
	Nonce     string  `json:"nonce,omitempty"`
	SessionID string  `json:"sessionId,omitempty"`
	// Thumbprint is the key that its tokens are bound to; "" for none.
	Thumbprint string    `json:"thumbprint,omitempty"`
	AuthTime   time.Time `json:"authTime"`
	Created    time.Time `json:"created"`
	LastUsed   time.Time `json:"lastUsed"`
	// EHR is set where an EHR launched the app.
	EHR bool `json:"ehr,omitempty"`
}

var (
	grantTable = kv.NewTable[Grant]("smart-grant")
	// revokedTable has when tokens were revoked, under "jti:", "client:" or
	// "user:" and an id; tokens issued until then are good no more.
	revokedTable = kv.NewTable[time.Time]("smart-revoked")
)

// grantsOf has the ids of a user's grants.
func grantsOf(userID string) kv.Table[time.Time] {
	return kv.NewTable[time.Time]("smart-grant-of/" + strings.ReplaceAll(userID, "\x00", ""))
}

// putGrant stores a grant until no token of it can live.
func putGrant(tx kv.Tx, g Grant, expires time.Time) error {
	if err := grantTable.Put(tx, g.ID, g, expires); err != nil {
		return err
	}
	return grantsOf(g.UserID).Put(tx, g.ID, g.Created, expires)
}

// dropGrant ends a grant and all of its tokens. One that is gone is no error.
func dropGrant(tx kv.Tx, id string) error {
	g, err := grantTable.Get(tx, id)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := grantsOf(g.UserID).Delete(tx, id); err != nil {
		return err
	}
	return grantTable.Delete(tx, id)
}

// revokeAll ends all tokens of a client or user that were issued until now.
func (s *Service) revokeAll(tx kv.Tx, key string) error {
	return revokedTable.Put(tx, key, s.now().UTC(), s.now().Add(client.LongestRefresh))
}

// RevokeUser ends all grants and tokens of a user, as when the user is
// disabled.
func (s *Service) RevokeUser(ctx context.Context, userID string) error {
	return s.db.Update(ctx, func(tx kv.Tx) error {
		var ids []string
		for g, err := range grantsOf(userID).All(tx) {
			if err != nil {
				return err
			}
			ids = append(ids, g.Key)
		}
		for _, id := range ids {
			if err := dropGrant(tx, id); err != nil {
				return err
			}
		}
		return s.revokeAll(tx, "user:"+userID)
	})
}

// wasRevoked reports whether what was issued at a time was revoked since, by
// one of the keys. Times of tokens are whole seconds, so a token of the very
// second of the revocation counts as older.
func wasRevoked(tx kv.Tx, issued time.Time, keys ...string) (bool, error) {
	for _, key := range keys {
		at, err := revokedTable.Get(tx, key)
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil || !issued.After(at) {
			return true, err
		}
	}
	return false, nil
}

// Verify implements token.Verifier: the token must be one of this server, and
// neither it, nor its grant, client or user may have been revoked.
func (s *Service) Verify(ctx context.Context, raw, audience string) (*token.Claims, error) {
	claims, err := s.keys.Verify(ctx, raw, audience)
	if err == nil {
		err = s.checkRevoked(ctx, claims)
	}
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// Recheck implements token.Rechecker.
func (s *Service) Recheck(ctx context.Context, claims *token.Claims, audience string) error {
	if err := s.keys.Recheck(ctx, claims, audience); err != nil {
		return err
	}
	return s.checkRevoked(ctx, claims)
}

// checkRevoked returns an error where a verified token is good no more.
func (s *Service) checkRevoked(ctx context.Context, claims *token.Claims) error {
	err := s.verified.check(claims, func() error { _, err := s.grantOf(ctx, claims); return err })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errRevoked):
		return &token.Error{Code: token.InvalidToken, Description: "the token was revoked", Genuine: true}
	}
	return &token.Error{Code: token.ServerError, Description: "the token cannot be checked", Cause: err}
}

var _ token.Rechecker = (*Service)(nil)

var errRevoked = errors.New("smart: revoked")

// grantOf returns the grant of a token, nil for a token without one, and
// errRevoked where the token is good no more. A token's id is its grant's id, a
// dot, and its own.
func (s *Service) grantOf(ctx context.Context, c *token.Claims) (*Grant, error) {
	var grant *Grant
	err := s.db.View(ctx, func(tx kv.Tx) error {
		grant = nil
		revoked, err := wasRevoked(tx, c.IssuedAt, "jti:"+c.ID, "client:"+c.ClientID, "user:"+c.Subject)
		if err != nil {
			return err
		}
		if revoked {
			return errRevoked
		}
		id, _, ok := strings.Cut(c.ID, ".")
		if !ok {
			return nil
		}
		g, err := grantTable.Get(tx, id)
		if errors.Is(err, kv.ErrNotFound) {
			return errRevoked
		}
		grant = &g
		return err
	})
	return grant, err
}
