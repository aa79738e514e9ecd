package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/subscribing"
	"github.com/tarnhealth/tarn/token"
)

// subscriptionRoutes administer the Subscriptions that a set-up asks for.
var subscriptionRoutes = []route{
	{"GET /datastores/{id}/subscriptions", func(f *Folder, r *http.Request) (any, error) {
		store, err := f.Catalog.Store(r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		return f.Subscriptions.List(r.Context(), store)
	}},
	{"PUT /datastores/{id}/subscriptions/{name}", askForSubscription},
	{"DELETE /datastores/{id}/subscriptions/{name}", func(f *Folder, r *http.Request) (any, error) {
		store, err := f.Catalog.Store(r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		return struct{}{}, f.Subscriptions.Delete(r.Context(), store, r.PathValue("name"))
	}},
}

func askForSubscription(f *Folder, r *http.Request) (any, error) {
	var asked subscribing.Asked
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	if asked.ID != r.PathValue("name") {
		return nil, fhir.Errorf(fhir.KindInvalid, "the Subscription has the id %q, and the path says %q", asked.ID, r.PathValue("name"))
	}
	store, err := f.Catalog.Store(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	a, err := f.Authority()
	if err != nil {
		return nil, err
	}
	access, err := a.subscriber(r.Context(), store, asked.Client)
	if err != nil {
		return nil, err
	}
	return struct{}{}, f.Subscriptions.Put(r.Context(), store, access, asked)
}

// subscriber is the access of a client, as its tokens for itself have it; of the
// administrator where there is none.
func (a *Authority) subscriber(ctx context.Context, store *datastore.Store, client string) (authz.Access, error) {
	claims := &token.Claims{Subject: "administrator", ClientID: "tarn", Scope: "system/*.cruds", Roles: []string{authz.RoleAdmin}, Tenant: store.Identity().TenantID()}
	if client != "" {
		known, err := a.SMART.Clients().Show(ctx, client)
		if err != nil {
			return authz.Access{}, err
		}
		claims.Issuer, claims.Subject, claims.ClientID, claims.Scope, claims.Roles = a.SMART.Issuer(), client, client, known.Scopes, nil
	}
	return authz.Decide(store.Registry(), bearer.CallerOf(store, claims), *a.Policy(store))
}

func subscriptionsPath(store string) string {
	return "/datastores/" + url.PathEscape(store) + "/subscriptions"
}

// Subscriptions are those of a data store that a set-up has asked for.
func (a *Admin) Subscriptions(ctx context.Context, store string) (list []subscribing.Asked, err error) {
	err = a.call(ctx, http.MethodGet, subscriptionsPath(store), nil, &list)
	return list, err
}

// SetSubscription asks for a Subscription, in the place of what it was. It takes a
// server that runs.
func (a *Admin) SetSubscription(ctx context.Context, store string, asked subscribing.Asked) error {
	return a.call(ctx, http.MethodPut, subscriptionsPath(store)+"/"+url.PathEscape(asked.ID), asked, &struct{}{})
}

// DeleteSubscription deletes a Subscription that a set-up has asked for.
func (a *Admin) DeleteSubscription(ctx context.Context, store, id string) error {
	return a.call(ctx, http.MethodDelete, subscriptionsPath(store)+"/"+url.PathEscape(id), nil, &struct{}{})
}
