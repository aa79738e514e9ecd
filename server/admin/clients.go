package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

// A ClientInfo is a registered client, with its secret where that was just made:
// it is shown once.
type ClientInfo struct {
	smart.Client
	Secret string `json:"secret,omitempty"`
}

// clientRoutes administer registered clients.
var clientRoutes = []route{
	{"GET /clients", onClients(func(ctx context.Context, c smart.Clients, _ string) (any, error) { return c.List(ctx) })},
	{"POST /clients", addClient},
	{"GET /clients/{id}", onClients(func(ctx context.Context, c smart.Clients, id string) (any, error) {
		client, err := c.Show(ctx, id)
		return ClientInfo{Client: client}, err
	})},
	{"PUT /clients/{id}", func(f *Folder, r *http.Request) (any, error) {
		var asked smart.Client
		if err := readBody(r, &asked); err != nil {
			return nil, err
		}
		return onClients(func(ctx context.Context, c smart.Clients, id string) (any, error) {
			asked.ID = id
			client, err := c.Update(ctx, asked)
			return ClientInfo{Client: client}, err
		})(f, r)
	}},
	{"POST /clients/{id}/rotate", onClients(func(ctx context.Context, c smart.Clients, id string) (any, error) {
		secret, err := c.RotateSecret(ctx, id)
		if err != nil {
			return nil, err
		}
		client, err := c.Show(ctx, id)
		return ClientInfo{client, secret}, err
	})},
	{"DELETE /clients/{id}", onClients(func(ctx context.Context, c smart.Clients, id string) (any, error) {
		client, err := c.Show(ctx, id)
		if err != nil {
			return nil, err
		}
		return ClientInfo{Client: client}, c.Remove(ctx, id)
	})},
	{"POST /clients-initial", initialToken},
}

func onClients(run func(context.Context, smart.Clients, string) (any, error)) func(*Folder, *http.Request) (any, error) {
	return func(f *Folder, r *http.Request) (any, error) {
		a, err := f.Authority()
		if err != nil {
			return nil, err
		}
		return run(r.Context(), a.SMART.Clients(), r.PathValue("id"))
	}
}

func addClient(f *Folder, r *http.Request) (any, error) {
	var asked smart.Client
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	return onClients(func(ctx context.Context, c smart.Clients, _ string) (any, error) {
		client, secret, err := c.Add(ctx, asked)
		return ClientInfo{client, secret}, err
	})(f, r)
}

// An initialRequest asks for an initial access token of dynamic registration.
type initialRequest struct {
	Uses     int           `json:"uses"`
	Lifetime time.Duration `json:"lifetime"`
}

// An InitialToken lets apps register themselves. RFC 7591 section 3
type InitialToken struct {
	Token string `json:"initialAccessToken"`
}

func initialToken(f *Folder, r *http.Request) (any, error) {
	var asked initialRequest
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	if asked.Uses < 1 || asked.Uses > 10_000 || asked.Lifetime < time.Minute || asked.Lifetime > 366*24*time.Hour {
		return nil, fhir.Errorf(fhir.KindInvalid, "an initial access token is for 1 to 10000 apps, and for a minute to a year")
	}
	return onClients(func(ctx context.Context, c smart.Clients, _ string) (any, error) {
		raw, err := c.NewInitialToken(ctx, asked.Uses, asked.Lifetime)
		return InitialToken{raw}, err
	})(f, r)
}

// Clients lists the registered clients by id.
func (a *Admin) Clients(ctx context.Context) (list []smart.Client, err error) {
	err = a.call(ctx, http.MethodGet, "/clients", nil, &list)
	return list, err
}

// AddClient registers a client.
func (a *Admin) AddClient(ctx context.Context, c smart.Client) (info ClientInfo, err error) {
	err = a.call(ctx, http.MethodPost, "/clients", c, &info)
	return info, err
}

// ChangeClient replaces what is registered of a client; its type and its secret
// stay.
func (a *Admin) ChangeClient(ctx context.Context, c smart.Client) (info ClientInfo, err error) {
	err = a.call(ctx, http.MethodPut, "/clients/"+url.PathEscape(c.ID), c, &info)
	return info, err
}

// Client returns one client.
func (a *Admin) Client(ctx context.Context, id string) (info ClientInfo, err error) {
	err = a.call(ctx, http.MethodGet, "/clients/"+url.PathEscape(id), nil, &info)
	return info, err
}

// RotateSecret gives a client another secret.
func (a *Admin) RotateSecret(ctx context.Context, id string) (info ClientInfo, err error) {
	err = a.call(ctx, http.MethodPost, "/clients/"+url.PathEscape(id)+"/rotate", nil, &info)
	return info, err
}

// RemoveClient forgets a client and revokes its tokens.
func (a *Admin) RemoveClient(ctx context.Context, id string) (info ClientInfo, err error) {
	err = a.call(ctx, http.MethodDelete, "/clients/"+url.PathEscape(id), nil, &info)
	return info, err
}

// InitialToken makes a token by which up to uses apps can register themselves
// until it expires.
func (a *Admin) InitialToken(ctx context.Context, uses int, lifetime time.Duration) (t InitialToken, err error) {
	err = a.call(ctx, http.MethodPost, "/clients-initial", initialRequest{uses, lifetime}, &t)
	return t, err
}

// keyRoutes administer the signing keys.
var keyRoutes = []route{
	{"GET /keys", onKeys(func(context.Context, *token.Keys) error { return nil })},
	{"POST /keys/rotate", onKeys(func(ctx context.Context, k *token.Keys) error { return k.Rotate(ctx) })},
	{"POST /keys/revoke", onKeys(func(ctx context.Context, k *token.Keys) error { return k.Revoke(ctx) })},
}

// onKeys does something with the keys and answers with their list.
func onKeys(run func(context.Context, *token.Keys) error) func(*Folder, *http.Request) (any, error) {
	return func(f *Folder, r *http.Request) (any, error) {
		a, err := f.Authority()
		if err != nil {
			return nil, err
		}
		if err := run(r.Context(), a.Keys); err != nil {
			return nil, err
		}
		return a.Keys.List(r.Context())
	}
}

// Keys lists the signing keys, the oldest first.
func (a *Admin) Keys(ctx context.Context) (list []token.KeyInfo, err error) {
	err = a.call(ctx, http.MethodGet, "/keys", nil, &list)
	return list, err
}

// RotateKeys replaces the signing keys with overlap; with revoke at once, which
// makes all tokens so far invalid.
func (a *Admin) RotateKeys(ctx context.Context, revoke bool) (list []token.KeyInfo, err error) {
	path := "/keys/rotate"
	if revoke {
		path = "/keys/revoke"
	}
	err = a.call(ctx, http.MethodPost, path, nil, &list)
	return list, err
}
