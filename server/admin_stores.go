package server

import (
	"context"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/datastore"
)

// storeRoutes administer data stores.
var storeRoutes = []adminRequest{
	{"GET /datastores", func(f *folder, r *http.Request) (any, error) { return f.catalog.List(r.Context()) }},
	{"POST /datastores", createStore},
	{"GET /datastores/{id}", func(f *folder, r *http.Request) (any, error) {
		return f.catalog.Describe(r.Context(), r.PathValue("id"))
	}},
	{"DELETE /datastores/{id}", func(f *folder, r *http.Request) (any, error) {
		return f.catalog.Delete(r.Context(), r.PathValue("id"))
	}},
	{"PUT /datastores/{id}/identity", func(f *folder, r *http.Request) (any, error) {
		var p *datastore.IdentityProvider
		if err := readAdmin(r, &p); err != nil {
			return nil, err
		}
		return f.catalog.SetIdentity(r.Context(), r.PathValue("id"), p)
	}},
}

// newStore is the body of POST /datastores.
type newStore struct {
	ID       string                      `json:"id"`
	Name     string                      `json:"name"`
	Identity *datastore.IdentityProvider `json:"identity,omitempty"`
}

func createStore(f *folder, r *http.Request) (any, error) {
	var asked newStore
	if err := readAdmin(r, &asked); err != nil {
		return nil, err
	}
	if asked.Identity != nil {
		if err := asked.Identity.Check(); err != nil {
			return nil, err
		}
	}
	s, err := f.catalog.Create(r.Context(), asked.ID, asked.Name)
	if err != nil || asked.Identity == nil {
		return recordOf(s), err
	}
	return f.catalog.SetIdentity(r.Context(), s.Record().ID, asked.Identity)
}

func recordOf(s *datastore.Store) datastore.Record {
	if s == nil {
		return datastore.Record{}
	}
	return s.Record()
}

// List describes all data stores.
func (a *Admin) List(ctx context.Context) (list []datastore.Record, err error) {
	err = a.call(ctx, http.MethodGet, "/datastores", nil, &list)
	return list, err
}

// Create makes a data store; an empty id is filled in. identity is nil for the
// server's own authorization server.
func (a *Admin) Create(ctx context.Context, id, name string, identity *datastore.IdentityProvider) (r datastore.Record, err error) {
	err = a.call(ctx, http.MethodPost, "/datastores", newStore{id, name, identity}, &r)
	return r, err
}

// Describe returns one data store.
func (a *Admin) Describe(ctx context.Context, id string) (r datastore.Record, err error) {
	err = a.call(ctx, http.MethodGet, "/datastores/"+url.PathEscape(id), nil, &r)
	return r, err
}

// Delete removes a data store with everything in it.
func (a *Admin) Delete(ctx context.Context, id string) (r datastore.Record, err error) {
	err = a.call(ctx, http.MethodDelete, "/datastores/"+url.PathEscape(id), nil, &r)
	return r, err
}

// SetIdentity changes how a data store knows its callers; nil is by the server's
// own authorization server.
func (a *Admin) SetIdentity(ctx context.Context, id string, p *datastore.IdentityProvider) (r datastore.Record, err error) {
	err = a.call(ctx, http.MethodPut, "/datastores/"+url.PathEscape(id)+"/identity", p, &r)
	return r, err
}
