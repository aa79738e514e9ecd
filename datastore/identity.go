package datastore

import (
	"context"

	"github.com/tarnhealth/tarn/identity"
)

// How a data store knows its callers; see package identity.
type (
	IdentityProvider = identity.Provider
	ExternalIssuer   = identity.ExternalIssuer
	Strategy         = identity.Strategy
)

// The strategies.
const (
	StrategySMART1 = identity.StrategySMART1
	StrategySMART  = identity.StrategySMART
	StrategyAWS    = identity.StrategyAWS
)

// SetIdentity gives a data store another identity provider, whole; nil is the
// server's own. It holds from the next request on.
func (c *Catalog) SetIdentity(ctx context.Context, id string, p *IdentityProvider) (Record, error) {
	return c.Change(ctx, id, func(r *Record) error {
		r.Identity = p
		return nil
	})
}

// Identity is how the data store knows its callers; nil for the server's own
// authorization server. A change of it is another pointer.
func (s *Store) Identity() *IdentityProvider { return s.identity.Load() }
