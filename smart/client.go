package smart

import (
	"context"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/smart/client"
)

// A Client is one registered app or service.
type Client = client.Client

// A Certificate says which certificate of an authority is a client's.
type Certificate = client.Certificate

// The client types, and AllStores for clients that may use every data store.
const (
	Public     = client.Public
	Symmetric  = client.Symmetric
	Asymmetric = client.Asymmetric
	TLSClient  = client.TLS
	SelfSigned = client.SelfSigned
	AllStores  = client.AllStores

	grantCode    = client.GrantCode
	grantRefresh = client.GrantRefresh
	grantClient  = client.GrantClient
)

// Clients are the registered clients of a server, for the command line, the
// console, and tests.
type Clients struct {
	*client.Registry
	s *Service
}

// Clients returns the registered clients.
func (s *Service) Clients() Clients { return Clients{s.clients, s} }

func (s *Service) newClients() *client.Registry {
	return &client.Registry{
		DB: s.db, Now: s.now, CheckScopes: s.checkScopes, CheckTLS: s.cfg.Certificates.Check,
		Removed: func(tx kv.Tx, id string) error { return s.revokeAll(tx, "client:"+id) },
	}
}

func (s *Service) clientRecord(ctx context.Context, id string) (client.Record, error) {
	return s.clients.Record(ctx, id)
}

// checkScopes says what is wrong with the scopes of a registration.
func (s *Service) checkScopes(scopes string) error {
	if len(scopes) > maxScope {
		return fhir.Errorf(fhir.KindInvalid, "the scopes are longer than %d bytes", maxScope)
	}
	if _, dropped := s.parseScopes(scopes); len(dropped) > 0 {
		return fhir.Errorf(fhir.KindInvalid, "the scope %q cannot be granted: %s", dropped[0].Scope, dropped[0].Reason)
	}
	return nil
}
