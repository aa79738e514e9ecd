package server

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/recall"
	"github.com/tarnhealth/tarn/server/roles"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/token"
)

// accessKeyIssuer stands in the place of an issuer for callers with access keys.
const accessKeyIssuer = "access-key"

// A keyHolder is the bearer of an access key at a data store.
type keyHolder struct {
	id, role, tenant string
	by               *roles.Defined
}

// keyClaims says what access keys allow at the FHIR API. Claims are remembered,
// as what is decided on them is by their pointer.
type keyClaims struct {
	roles *roles.Book
	// describe finds the record of a data store as it is now.
	describe func(ctx context.Context, id string) (datastore.Record, error)
	known    *recall.Cache[keyHolder, *token.Claims]
}

// signatures are signed requests to the FHIR API.
func (f *folder) signatures(a *authority) (*bearer.Signatures, error) {
	verifier, err := sigv4.NewVerifier(sigv4.Config{Keys: f.accessKeys(a), Service: signingName, MaxBody: a.cfg.MaxBody})
	if err != nil {
		return nil, err
	}
	claims := &keyClaims{roles: f.roles, describe: f.catalog.Describe, known: recall.New[keyHolder, *token.Claims](1000)}
	return &bearer.Signatures{Verify: verifier.Verify, Claims: claims.of}, nil
}

// of are the claims of the bearer of a key.
func (k *keyClaims) of(key sigv4.Key, ds *datastore.Store, r *http.Request) (*token.Claims, error) {
	action := operationName(r.Method, r.URL.Path)
	now := k.roles.Now()
	role := now.Control[key.Role]
	if len(role.Operations) > 0 && healthlake.IsDataAction(action) && !role.Allows(action) {
		return nil, fhir.Errorf(fhir.KindForbidden, "the access key %s has the role %q, which may not use healthlake:%s", key.ID, key.Role, action)
	}
	if err := k.within(r.Context(), key, role, ds.Record().ID); err != nil {
		return nil, err
	}
	holder := keyHolder{key.ID, key.Role, ds.Identity().TenantID(), now}
	if known, ok := k.known.Get(holder); ok {
		return known, nil
	}
	scope, roles := allowed(now, key.Role)
	if scope == "" {
		return nil, fhir.Errorf(fhir.KindForbidden, "the access key %s has the role %q, which allows nothing at the FHIR API", key.ID, key.Role)
	}
	claims := &token.Claims{Issuer: accessKeyIssuer, Subject: key.ID, ClientID: key.ID, Scope: scope, Roles: roles, Tenant: holder.tenant}
	k.known.Put(holder, claims)
	return claims, nil
}

// within refuses a data store that lacks a tag which the role of an access key is
// limited to.
func (k *keyClaims) within(ctx context.Context, key sigv4.Key, role healthlake.Role, store string) error {
	if len(role.Tags) == 0 {
		return nil
	}
	r, err := k.describe(ctx, store)
	if err != nil {
		return err
	}
	if lacks := role.Lacks(r.Control); lacks != "" {
		return fhir.Errorf(fhir.KindForbidden, "the access key %s has the role %q, which is for data stores with certain tags only; missing is %s", key.ID, key.Role, lacks)
	}
	return nil
}

// builtinRoles are roles of access that every server has, beside admin.
var builtinRoles = []string{authz.RolePractitioner, authz.RoleNonPractitioner, authz.RoleAuditor}

// keyRole refuses a role of access keys that nobody has defined.
func (f *folder) keyRole(role string) error {
	now := f.roles.Now().Known()
	if slices.Contains(now, role) || role == sigv4.RoleAdmin || role == sigv4.RoleReadOnly || slices.Contains(builtinRoles, role) {
		return nil
	}
	known := slices.Concat([]string{sigv4.RoleAdmin, sigv4.RoleReadOnly}, builtinRoles, now)
	slices.Sort(known)
	return fhir.Errorf(fhir.KindInvalid, "the role %q means nothing to this server; use one of %s, or define it: by the list roles of tarn apply, or under control.roles or access.roles in tarn.yaml", role, strings.Join(slices.Compact(known), ", "))
}

// allowed is what a role of access keys allows, as a scope and roles of authz;
// scope is "" for nothing. A role may be among those of the control API, among
// those of access, or both: then both restrict.
func allowed(now *roles.Defined, role string) (scope string, names []string) {
	control, custom := now.Control[role]
	_, access := now.Access[role]
	if access = access || slices.Contains(builtinRoles, role); access {
		names = []string{role}
	}
	switch {
	case role == sigv4.RoleAdmin:
		return "system/*.cruds", []string{authz.RoleAdmin}
	case role == sigv4.RoleReadOnly:
		return "system/*.rs", nil
	case custom:
		if letters := healthlake.Letters(control.Operations); letters != "" {
			return "system/*." + letters, names
		}
	case access:
		return "system/*.cruds", names
	}
	return "", nil
}
