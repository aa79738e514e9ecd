package smart

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/smart/opaque"
	"github.com/tarnhealth/tarn/token"
)

// grantClient gives a service an access token for itself.
// http://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
func (s *Service) grantClient(q *tokenRequest) (tokenResponse, error) {
	store, err := s.storeFor(q)
	if err != nil {
		return nil, err
	}
	if q.p["scope"] == "" {
		return nil, refuse(codeInvalidScope, "scope is missing")
	}
	granted, err := narrowed(q.p["scope"], q.client, store)
	if err != nil {
		return nil, err
	}
	granted = only(granted, store.Registry(), func(scope string) bool { return strings.HasPrefix(scope, "system/") })
	if len(granted.Resources) == 0 {
		return nil, refuse(codeInvalidScope, "none of the scopes is a system scope that is registered for this client")
	}
	response, _, err := s.respond(q, token.Claims{
		Subject: q.client.ID, Audience: []string{store.Base()}, Scope: granted.String(), ID: opaque.ID(),
	}, s.serviceLifetime(q.client))
	return response, err
}

func (s *Service) serviceLifetime(c *Client) time.Duration {
	if c.AccessLifetime > 0 {
		return c.AccessLifetime
	}
	return s.cfg.Lifetimes.Service
}

// storeFor finds the data store that a token is for: the one that resource (RFC
// 8707) or aud names, or the only one that the client may use.
func (s *Service) storeFor(q *tokenRequest) (*datastore.Store, error) {
	audience := q.p["resource"]
	if audience == "" {
		audience = q.p["aud"]
	}
	if audience != "" {
		store, ok := s.storeOf(audience)
		if !ok || !q.client.MayUse(store.Record().ID) {
			return nil, refuse(codeInvalidTarget, "resource is not the FHIR base URL of a data store that this client may use")
		}
		return store, nil
	}
	ids, err := s.storesOf(q.r.Context(), q.client)
	if err != nil {
		return nil, err
	}
	if len(ids) != 1 {
		return nil, refuse(codeInvalidTarget, "this client may use %d data stores; name one by its FHIR base URL in the parameter resource", len(ids))
	}
	store, err := s.store(ids[0])
	if fhir.KindOf(err) == fhir.KindNotFound {
		return nil, refuse(codeInvalidTarget, "the data store of this client is gone")
	}
	return store, err
}

// storesOf are the ids of the data stores that a client may use.
func (s *Service) storesOf(ctx context.Context, c *Client) ([]string, error) {
	if !slices.Contains(c.DataStores, AllStores) {
		return c.DataStores, nil
	}
	records, err := s.cfg.Stores.List(ctx)
	var ids []string
	for _, r := range records {
		if r.Status == datastore.StatusActive && r.Identity.Own() {
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}
