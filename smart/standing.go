package smart

import (
	"context"
	"errors"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// Granted reports whether a user has given something to an app that is still good:
// a grant ends with its last token, and when the user, or somebody for it, takes
// it back.
func (s *Service) Granted(ctx context.Context, userID, clientID string) (granted bool, err error) {
	err = s.db.View(ctx, func(tx kv.Tx) error {
		granted = false
		for key, err := range grantsOf(userID).All(tx) {
			if err != nil {
				return err
			}
			g, err := grantTable.Get(tx, key.Key)
			if err != nil && !errors.Is(err, kv.ErrNotFound) {
				return err
			}
			granted = granted || err == nil && g.ClientID == clientID
		}
		return nil
	})
	return granted, err
}

// RevokedSince reports whether all that a user or a client had at a time was
// revoked since.
func (s *Service) RevokedSince(ctx context.Context, userID, clientID string, since time.Time) (revoked bool, err error) {
	err = s.db.View(ctx, func(tx kv.Tx) (err error) {
		revoked, err = wasRevoked(tx, since, "client:"+clientID, "user:"+userID)
		return err
	})
	return revoked, err
}
