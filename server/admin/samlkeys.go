package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/login/saml"
)

// samlKeyRoutes administer the keys of sign-in by SAML.
var samlKeyRoutes = []route{
	{"GET /saml-keys", onSAMLKeys(func(context.Context, *saml.Keys) error { return nil })},
	{"POST /saml-keys/prepare", onSAMLKeys(func(ctx context.Context, k *saml.Keys) error { return k.Prepare(ctx) })},
	{"POST /saml-keys/switch", onSAMLKeys(func(ctx context.Context, k *saml.Keys) error { return k.Switch(ctx) })},
}

// onSAMLKeys does something with the keys and answers with their list.
func onSAMLKeys(run func(context.Context, *saml.Keys) error) func(*Folder, *http.Request) (any, error) {
	return func(f *Folder, r *http.Request) (any, error) {
		a, err := f.Authority()
		if err != nil {
			return nil, err
		}
		switch err := run(r.Context(), a.SAMLKeys); {
		case errors.Is(err, saml.ErrPrepared):
			return nil, fhir.Errorf(fhir.KindConflict, "another key is prepared already; switch to it first")
		case errors.Is(err, saml.ErrNotPrepared):
			return nil, fhir.Errorf(fhir.KindConflict, "no other key is prepared; prepare one, and let the identity providers import the metadata")
		case err != nil:
			return nil, err
		}
		return a.SAMLKeys.List(r.Context())
	}
}

// SAMLKeys lists the keys of sign-in by SAML, the one that signs first.
func (a *Admin) SAMLKeys(ctx context.Context) (list []saml.KeyInfo, err error) {
	err = a.call(ctx, http.MethodGet, "/saml-keys", nil, &list)
	return list, err
}

// PrepareSAMLKey makes another key, as saml.Keys.Prepare does.
func (a *Admin) PrepareSAMLKey(ctx context.Context) (list []saml.KeyInfo, err error) {
	err = a.call(ctx, http.MethodPost, "/saml-keys/prepare", nil, &list)
	return list, err
}

// SwitchSAMLKey signs with the key that was prepared, as saml.Keys.Switch does.
func (a *Admin) SwitchSAMLKey(ctx context.Context) (list []saml.KeyInfo, err error) {
	err = a.call(ctx, http.MethodPost, "/saml-keys/switch", nil, &list)
	return list, err
}
