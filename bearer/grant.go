package bearer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
)

// A grant is a caller as a job keeps it. There is no credential in it.
type grant struct {
	Issuer, Subject, Client, Tenant string `json:",omitempty"`
	Scopes                          string
	Patient, FHIRUser, Purpose      string   `json:",omitempty"`
	Patients, Roles                 []string `json:",omitempty"`
	Clearance                       string   `json:",omitempty"`
	Labels                          []string `json:",omitempty"`
}

// Keep is the option of rest.Async: the caller of a request, and what Restore
// makes the same access of.
func (a *Authorizer) Keep(r *http.Request, ds *datastore.Store) (caller string, kept []byte, err error) {
	access, err := a.Authorize(r, ds)
	if err != nil {
		return "", nil, err
	}
	return Kept(access)
}

// Kept is what Keep keeps of the access of a request that was authorized.
func Kept(access authz.Access) (caller string, kept []byte, err error) {
	c := access.Caller()
	kept, err = json.Marshal(grant{
		Issuer: c.Issuer, Subject: c.Subject, Client: c.Client, Tenant: c.Tenant, Scopes: c.Scopes.String(),
		Patient: c.Patient, FHIRUser: c.FHIRUser, Purpose: c.Purpose, Patients: c.Patients, Roles: c.Roles, Clearance: c.Clearance, Labels: c.Labels,
	})
	return access.Identity(), kept, err
}

// Restore is the option of rest.Async: it decides again, by the policy as it is
// now, for the caller that Keep kept.
func (a *Authorizer) Restore(_ context.Context, ds *datastore.Store, kept []byte) (authz.Access, error) {
	var g grant
	if err := json.Unmarshal(kept, &g); err != nil {
		return authz.Access{}, errors.Join(errors.New("bearer: a caller that was kept cannot be read"), err)
	}
	scopes, _ := authz.ParseScopes(ds.Identity().Scopes(g.Scopes), ds.Registry())
	return decide(ds, authz.Caller{
		Issuer: g.Issuer, Subject: g.Subject, Client: g.Client, Tenant: g.Tenant, Scopes: scopes,
		Patient: g.Patient, FHIRUser: g.FHIRUser, Purpose: g.Purpose, Patients: g.Patients, Roles: g.Roles, Clearance: g.Clearance, Labels: g.Labels,
	}, a.cfg.Policy(ds))
}
