package admin

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/explain"
	"github.com/tarnhealth/tarn/token"
)

// explainRoutes explain decisions.
var explainRoutes = []route{{"POST /datastores/{id}/explain", explainAccess}}

func explainAccess(f *Folder, r *http.Request) (any, error) {
	var q explain.Question
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	store, err := f.Catalog.Store(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	a, err := f.Authority()
	if err != nil {
		return nil, err
	}
	asked, err := explain.Read(store, &q)
	if err != nil {
		return nil, err
	}
	caller, err := a.explained(r.Context(), store, &q)
	if err != nil {
		return nil, err
	}
	access, err := authz.Decide(store.Registry(), caller, *a.Policy(store))
	if err != nil {
		return explain.Refused(asked, err), nil
	}
	return explain.All(r.Context(), store, access, asked)
}

// explained is the caller that a question is about.
func (a *Authority) explained(ctx context.Context, store *datastore.Store, q *explain.Question) (authz.Caller, error) {
	claims := &token.Claims{
		Subject: q.User, ClientID: q.Client, Scope: q.Scope, Patient: q.Patient, FHIRUser: q.FHIRUser, Patients: q.Patients, Roles: q.Roles,
		Tenant: store.Identity().TenantID(),
	}
	if q.User != "" {
		user, err := findUser(ctx, a.Users, q.User)
		if err != nil {
			return authz.Caller{}, userError(err)
		}
		profile, _ := user.Profile(store.Record().ID)
		claims.Subject, claims.FHIRUser = user.ID, cmp.Or(q.FHIRUser, profile.FHIRUser)
		claims.Patients = slices.Concat(q.Patients, profile.Patients)
		if q.Roles == nil {
			claims.Roles = user.Roles
		}
	}
	if q.Client != "" && q.Scope == "" {
		client, err := a.SMART.Clients().Show(ctx, q.Client)
		if err != nil {
			return authz.Caller{}, err
		}
		claims.Scope = client.Scopes
	}
	if claims.Scope == "" {
		return authz.Caller{}, fhir.Errorf(fhir.KindInvalid, "say which scopes the token has, or which client asks")
	}
	caller := bearer.CallerOf(store, claims)
	if _, dropped := authz.ParseScopes(claims.Scope, store.Registry()); len(dropped) > 0 && q.Scope != "" {
		return caller, fhir.Errorf(fhir.KindInvalid, "the scope %s is not understood: %s", dropped[0].Scope, dropped[0].Reason)
	}
	caller.Purpose, caller.Clearance, caller.Labels = q.Purpose, q.Clearance, q.Labels
	return caller, nil
}

// ExplainAccess tells why a request would be allowed or denied in a data store,
// by the configuration of the server that runs.
func (a *Admin) ExplainAccess(ctx context.Context, store string, q explain.Question) (answer explain.Answer, err error) {
	if !a.remote {
		return answer, fhir.Errorf(fhir.KindUnavailable, "no server runs on the data folder, and its configuration decides; start it first")
	}
	err = a.call(ctx, http.MethodPost, "/datastores/"+url.PathEscape(store)+"/explain", q, &answer)
	return answer, err
}
