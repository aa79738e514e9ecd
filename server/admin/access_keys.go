package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/sigv4"
)

// An AccessKey is an access key, with its secret where it was just made: it is
// shown once.
type AccessKey struct {
	sigv4.Key
	Secret string `json:"secret,omitempty"`
}

// accessKeyRoutes administer the access keys of the control API.
var accessKeyRoutes = []route{
	{"GET /access-keys", onAccessKeys(func(ctx context.Context, k *sigv4.Keys, _ string) (any, error) { return k.List(ctx) })},
	{"POST /access-keys", addAccessKey},
	{"POST /access-keys/{id}/disable", onAccessKeys(func(ctx context.Context, k *sigv4.Keys, id string) (any, error) {
		return k.SetDisabled(ctx, id, true)
	})},
	{"POST /access-keys/{id}/enable", onAccessKeys(func(ctx context.Context, k *sigv4.Keys, id string) (any, error) {
		return k.SetDisabled(ctx, id, false)
	})},
	{"DELETE /access-keys/{id}", onAccessKeys(func(ctx context.Context, k *sigv4.Keys, id string) (any, error) { return k.Delete(ctx, id) })},
}

func onAccessKeys(run func(context.Context, *sigv4.Keys, string) (any, error)) func(*Folder, *http.Request) (any, error) {
	return func(f *Folder, r *http.Request) (any, error) {
		a, err := f.Authority()
		if err != nil {
			return nil, err
		}
		id := r.PathValue("id")
		result, err := run(r.Context(), a.AccessKeys, id)
		switch {
		case errors.Is(err, sigv4.ErrNotFound):
			err = fhir.Errorf(fhir.KindNotFound, "there is no access key %q", id)
		case errors.Is(err, sigv4.ErrInvalid):
			err = fhir.Errorf(fhir.KindInvalid, "%v", err)
		}
		return result, err
	}
}

func addAccessKey(f *Folder, r *http.Request) (any, error) {
	var asked sigv4.Key
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	if f.Role != nil {
		if err := f.Role(asked.Role); err != nil {
			return nil, err
		}
	}
	return onAccessKeys(func(ctx context.Context, k *sigv4.Keys, _ string) (any, error) {
		key, secret, err := k.Create(ctx, asked)
		return AccessKey{key, secret}, err
	})(f, r)
}

// AccessKeys lists the access keys, oldest first.
func (a *Admin) AccessKeys(ctx context.Context) (list []sigv4.Key, err error) {
	err = a.call(ctx, http.MethodGet, "/access-keys", nil, &list)
	return list, err
}

// AddAccessKey makes an access key with a Name, Role and DataStores.
func (a *Admin) AddAccessKey(ctx context.Context, k sigv4.Key) (made AccessKey, err error) {
	err = a.call(ctx, http.MethodPost, "/access-keys", k, &made)
	return made, err
}

// DisableAccessKey disables an access key, or enables it again.
func (a *Admin) DisableAccessKey(ctx context.Context, id string, disabled bool) (k sigv4.Key, err error) {
	verb := "/enable"
	if disabled {
		verb = "/disable"
	}
	err = a.call(ctx, http.MethodPost, "/access-keys/"+url.PathEscape(id)+verb, nil, &k)
	return k, err
}

// DeleteAccessKey forgets an access key.
func (a *Admin) DeleteAccessKey(ctx context.Context, id string) (k sigv4.Key, err error) {
	err = a.call(ctx, http.MethodDelete, "/access-keys/"+url.PathEscape(id), nil, &k)
	return k, err
}
