package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/roles"
)

// roleRoutes administer the roles that are kept in the folder.
var roleRoutes = []route{
	{"GET /roles", func(f *Folder, r *http.Request) (any, error) { return f.Roles.List(r.Context()) }},
	{"PUT /roles/{id}", func(f *Folder, r *http.Request) (any, error) {
		var asked roles.Role
		if err := readBody(r, &asked); err != nil {
			return nil, err
		}
		if asked.Name != r.PathValue("id") {
			return nil, fhir.Errorf(fhir.KindInvalid, "the role is called %q, and the path says %q", asked.Name, r.PathValue("id"))
		}
		return f.Roles.Put(r.Context(), asked)
	}},
	{"DELETE /roles/{id}", func(f *Folder, r *http.Request) (any, error) {
		return f.Roles.Delete(r.Context(), r.PathValue("id"))
	}},
}

// Roles are the roles that are kept in the folder, by name; those of tarn.yaml
// are not among them.
func (a *Admin) Roles(ctx context.Context) (list []roles.Role, err error) {
	err = a.call(ctx, http.MethodGet, "/roles", nil, &list)
	return list, err
}

// SetRole defines a role, in the place of what it was.
func (a *Admin) SetRole(ctx context.Context, role roles.Role) (roles.Role, error) {
	err := a.call(ctx, http.MethodPut, "/roles/"+url.PathEscape(role.Name), role, &role)
	return role, err
}

// DeleteRole forgets a role.
func (a *Admin) DeleteRole(ctx context.Context, name string) (role roles.Role, err error) {
	err = a.call(ctx, http.MethodDelete, "/roles/"+url.PathEscape(name), nil, &role)
	return role, err
}
