package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/tarnhealth/tarn/apikey"
)

// An APIKey is an API key with its use, and with its value where it was just
// made: it is shown once.
type APIKey struct {
	apikey.Key
	// Used are the requests of the running period of its quota: of a day, where
	// it has none.
	Used  int64  `json:"used"`
	Value string `json:"value,omitempty"`
}

// apiKeyRoutes administer the API keys.
var apiKeyRoutes = []route{
	{"GET /api-keys", func(f *Folder, r *http.Request) (any, error) {
		keys, err := f.APIKeys.List(r.Context())
		list := make([]APIKey, 0, len(keys))
		for _, key := range keys {
			one, failed := f.withUse(r.Context(), key, err)
			if list, err = append(list, one), failed; err != nil {
				break
			}
		}
		return list, err
	}},
	{"POST /api-keys", func(f *Folder, r *http.Request) (any, error) {
		var asked apikey.Key
		if err := readBody(r, &asked); err != nil {
			return nil, err
		}
		made, value, err := f.APIKeys.Create(r.Context(), asked)
		return APIKey{Key: made, Value: value}, err
	}},
	{"PUT /api-keys/{id}", func(f *Folder, r *http.Request) (any, error) {
		var asked APIKeyChange
		if err := readBody(r, &asked); err != nil {
			return nil, err
		}
		key, err := f.APIKeys.Change(r.Context(), r.PathValue("id"), asked.Plan, asked.Disabled)
		return f.withUse(r.Context(), key, err)
	}},
	{"DELETE /api-keys/{id}", func(f *Folder, r *http.Request) (any, error) {
		key, err := f.APIKeys.Delete(r.Context(), r.PathValue("id"))
		return APIKey{Key: key}, err
	}},
}

func (f *Folder) withUse(ctx context.Context, key apikey.Key, err error) (APIKey, error) {
	if err != nil {
		return APIKey{}, err
	}
	used, err := f.APIKeys.Usage(ctx, key, time.Now())
	return APIKey{Key: key, Used: used}, err
}

// An APIKeyChange is what may be changed of an API key, whole.
type APIKeyChange struct {
	apikey.Plan
	Disabled bool `json:"disabled"`
}

// APIKeys lists the API keys, oldest first.
func (a *Admin) APIKeys(ctx context.Context) (list []APIKey, err error) {
	err = a.call(ctx, http.MethodGet, "/api-keys", nil, &list)
	return list, err
}

// AddAPIKey makes an API key with a Name, Client, DataStores and Plan.
func (a *Admin) AddAPIKey(ctx context.Context, k apikey.Key) (made APIKey, err error) {
	err = a.call(ctx, http.MethodPost, "/api-keys", k, &made)
	return made, err
}

// ChangeAPIKey gives an API key another plan, disables it, or enables it again.
func (a *Admin) ChangeAPIKey(ctx context.Context, id string, to APIKeyChange) (k APIKey, err error) {
	err = a.call(ctx, http.MethodPut, "/api-keys/"+url.PathEscape(id), to, &k)
	return k, err
}

// DeleteAPIKey forgets an API key.
func (a *Admin) DeleteAPIKey(ctx context.Context, id string) (k APIKey, err error) {
	err = a.call(ctx, http.MethodDelete, "/api-keys/"+url.PathEscape(id), nil, &k)
	return k, err
}
