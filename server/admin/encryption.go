package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/server/vault"
)

// encryptionRoutes administer keys of encryption at rest.
var encryptionRoutes = []route{
	{"GET /encryption", func(f *Folder, _ *http.Request) (any, error) { return f.encryption() }},
	{"POST /encryption/check", func(f *Folder, r *http.Request) (any, error) {
		if err := f.Vault.CheckAll(r.Context(), f.Catalog); err != nil {
			return nil, err
		}
		return f.encryption()
	}},
	{"POST /encryption/master/rotate", func(f *Folder, r *http.Request) (any, error) {
		if err := f.Vault.RotateMaster(r.Context()); err != nil {
			return nil, err
		}
		return f.encryption()
	}},
	{"POST /encryption/{id}/rotate", func(f *Folder, r *http.Request) (any, error) {
		id := r.PathValue("id")
		if err := f.Vault.Rotate(r.Context(), id); err != nil {
			return nil, err
		}
		return f.rewrite(r.Context(), id)
	}},
	{"POST /encryption/{id}/seal", sealOwner},
}

// newSeal is the body of POST /encryption/{id}/seal.
type newSeal struct {
	// KeyID is a customer's key; "" for the master key.
	KeyID string `json:"keyId,omitempty"`
}

// sealOwner encrypts what was not encrypted. A data store is closed and opened
// again for it, which takes as long as opening it.
func sealOwner(f *Folder, r *http.Request) (any, error) {
	var asked newSeal
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	id, ctx := r.PathValue("id"), r.Context()
	if id == vault.Records {
		if err := f.Vault.Seal(ctx, id, asked.KeyID); err != nil {
			return nil, err
		}
		return f.encryption() // from the next start on
	}
	if _, err := f.Catalog.Store(id); err != nil {
		return nil, err
	}
	if err := f.Vault.Seal(ctx, id, asked.KeyID); err != nil {
		return nil, err
	}
	if err := f.Catalog.Reopen(ctx, id); err != nil {
		return nil, err
	}
	return f.rewrite(ctx, id)
}

// rewrite writes an owner's files anew, so that they are sealed with the current
// key, and lets the keys go that nothing needs. A manifest and logs that are
// open keep theirs until the next start.
func (f *Folder) rewrite(ctx context.Context, id string) (any, error) {
	if id == vault.Audit || id == vault.Files {
		return f.encryption()
	}
	if err := f.Rewrite(ctx, id); err != nil {
		return nil, err
	}
	if _, err := f.Vault.Settle(ctx, id); err != nil {
		return nil, err
	}
	return f.encryption()
}

func (f *Folder) encryption() ([]vault.Status, error) {
	all, err := f.Vault.Status()
	for i := range all {
		if why := f.Catalog.Suspended(all[i].Owner); why != nil {
			all[i].Unavailable = why.Error()
		}
	}
	return all, err
}

// Encryption lists who has keys of encryption at rest.
func (a *Admin) Encryption(ctx context.Context) (all []vault.Status, err error) {
	err = a.call(ctx, http.MethodGet, "/encryption", nil, &all)
	return all, err
}

// CheckKeys asks all customers' keys whether they may be used, and closes and
// opens data stores by the answers.
func (a *Admin) CheckKeys(ctx context.Context) (all []vault.Status, err error) {
	err = a.call(ctx, http.MethodPost, "/encryption/check", nil, &all)
	return all, err
}

// RotateMasterKey replaces the master key in its file.
func (a *Admin) RotateMasterKey(ctx context.Context) (all []vault.Status, err error) {
	err = a.call(ctx, http.MethodPost, "/encryption/master/rotate", nil, &all)
	return all, err
}

// RotateDataKey makes a new data key for a data store, or for vault.Records or
// vault.Audit, and writes its files anew.
func (a *Admin) RotateDataKey(ctx context.Context, id string) (all []vault.Status, err error) {
	err = a.call(ctx, http.MethodPost, "/encryption/"+url.PathEscape(id)+"/rotate", nil, &all)
	return all, err
}

// Seal encrypts a data store that is not, or vault.Records from the next start
// on. keyID is a customer's key; "" is the master key.
func (a *Admin) Seal(ctx context.Context, id, keyID string) (all []vault.Status, err error) {
	err = a.call(ctx, http.MethodPost, "/encryption/"+url.PathEscape(id)+"/seal", newSeal{keyID}, &all)
	return all, err
}
