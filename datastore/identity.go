package datastore

import (
	"context"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/identity"
	"github.com/tarnhealth/tarn/kv"
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
	if p != nil {
		if err := p.Check(); err != nil {
			return Record{}, err
		}
	}
	s, err := c.Store(id)
	if err != nil {
		return Record{}, err
	}
	var r Record
	err = c.opt.Backend.Records().Update(ctx, func(tx kv.Tx) (err error) {
		if r, err = c.records.Get(tx, id); err != nil {
			return err
		}
		if r.Status != StatusActive {
			return fhir.Errorf(fhir.KindConflict, "the data store %q is in state %s", id, r.Status)
		}
		r.Identity = p
		return c.records.Put(tx, id, r, time.Time{})
	})
	if err != nil {
		return r, err
	}
	s.identity.Store(p)
	return r, nil
}

// Identity is how the data store knows its callers; nil for the server's own
// authorization server. A change of it is another pointer.
func (s *Store) Identity() *IdentityProvider { return s.identity.Load() }
