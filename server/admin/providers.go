package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/upstream"
)

// providerRoutes administer the upstream sign-in providers that are kept in the
// folder.
var providerRoutes = []route{
	{"GET /providers", func(f *Folder, r *http.Request) (any, error) {
		a, err := f.Authority()
		if err != nil {
			return nil, err
		}
		return a.Providers.List(r.Context())
	}},
	{"PUT /providers/{id}", func(f *Folder, r *http.Request) (any, error) {
		var asked upstream.Asked
		if err := readBody(r, &asked); err != nil {
			return nil, err
		}
		if asked.ID != r.PathValue("id") {
			return nil, fhir.Errorf(fhir.KindInvalid, "the sign-in provider is called %q, and the path says %q", asked.ID, r.PathValue("id"))
		}
		a, err := f.Authority()
		if err != nil {
			return nil, err
		}
		return a.Providers.Put(r.Context(), asked)
	}},
	{"DELETE /providers/{id}", func(f *Folder, r *http.Request) (any, error) {
		a, err := f.Authority()
		if err != nil {
			return nil, err
		}
		return a.Providers.Delete(r.Context(), r.PathValue("id"))
	}},
}

// Providers are the upstream sign-in providers that are kept in the folder, by
// id; those of tarn.yaml are not among them.
func (a *Admin) Providers(ctx context.Context) (list []upstream.Known, err error) {
	err = a.call(ctx, http.MethodGet, "/providers", nil, &list)
	return list, err
}

// SetProvider sets a sign-in provider up, in the place of what it was.
func (a *Admin) SetProvider(ctx context.Context, asked upstream.Asked) (known upstream.Known, err error) {
	err = a.call(ctx, http.MethodPut, "/providers/"+url.PathEscape(asked.ID), asked, &known)
	return known, err
}

// DeleteProvider forgets a sign-in provider.
func (a *Admin) DeleteProvider(ctx context.Context, id string) (known upstream.Known, err error) {
	err = a.call(ctx, http.MethodDelete, "/providers/"+url.PathEscape(id), nil, &known)
	return known, err
}
