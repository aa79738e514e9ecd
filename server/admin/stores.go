package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/datastore"
)

// storeRoutes administer data stores.
var storeRoutes = []route{
	{"GET /datastores", func(f *Folder, r *http.Request) (any, error) { return f.Catalog.List(r.Context()) }},
	{"POST /datastores", createStore},
	{"GET /datastores/{id}", func(f *Folder, r *http.Request) (any, error) {
		return f.Catalog.Describe(r.Context(), r.PathValue("id"))
	}},
	{"DELETE /datastores/{id}", func(f *Folder, r *http.Request) (any, error) {
		return f.Catalog.Delete(r.Context(), r.PathValue("id"))
	}},
	{"PUT /datastores/{id}/name", func(f *Folder, r *http.Request) (any, error) {
		var name string
		if err := readBody(r, &name); err != nil {
			return nil, err
		}
		return f.Catalog.Change(r.Context(), r.PathValue("id"), func(record *datastore.Record) error {
			record.Name = name
			return nil
		})
	}},
	{"PUT /datastores/{id}/identity", func(f *Folder, r *http.Request) (any, error) {
		var p *datastore.IdentityProvider
		if err := readBody(r, &p); err != nil {
			return nil, err
		}
		return f.Catalog.SetIdentity(r.Context(), r.PathValue("id"), p)
	}},
}

// A NewStore asks for a data store; an empty ID is filled in.
type NewStore struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// KMSKey is a customer's key that it is encrypted with; "" for the server's
	// own.
	KMSKey   string                      `json:"kmsKey,omitempty"`
	Identity *datastore.IdentityProvider `json:"identity,omitempty"`
}

func createStore(f *Folder, r *http.Request) (any, error) {
	var asked NewStore
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	draft := datastore.Draft{ID: asked.ID, Name: asked.Name, Identity: asked.Identity}
	if asked.KMSKey != "" {
		draft.Control = &datastore.Control{KeyType: "CUSTOMER_MANAGED_KMS_KEY", KeyID: asked.KMSKey}
	}
	s, err := f.Catalog.CreateFrom(r.Context(), draft)
	return recordOf(s), err
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
	err = a.call(ctx, http.MethodPost, "/datastores", NewStore{ID: id, Name: name, Identity: identity}, &r)
	return r, err
}

// CreateStore makes a data store.
func (a *Admin) CreateStore(ctx context.Context, s NewStore) (r datastore.Record, err error) {
	err = a.call(ctx, http.MethodPost, "/datastores", s, &r)
	return r, err
}

// Rename changes what a data store is called, not its id.
func (a *Admin) Rename(ctx context.Context, id, name string) (r datastore.Record, err error) {
	err = a.call(ctx, http.MethodPut, "/datastores/"+url.PathEscape(id)+"/name", name, &r)
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
