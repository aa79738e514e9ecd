package listen

import (
	"context"
	"fmt"

	"golang.org/x/crypto/acme/autocert"
)

// A Box seals and opens secrets; *crypt.Box is one.
type Box interface {
	Seal(purpose string, plain []byte) []byte
	Open(purpose string, sealed []byte) ([]byte, error)
}

// A Vault keeps the keys and certificates of ACME in a folder, sealed. Until it
// is opened, whoever asks waits.
type Vault struct {
	open chan struct{}
	box  Box
	dir  autocert.DirCache
}

// NewVault makes a Vault that is yet to be opened.
func NewVault() *Vault { return &Vault{open: make(chan struct{})} }

// Open gives it its folder, which is made where it is not there. Call it once.
func (v *Vault) Open(dir string, box Box) {
	v.dir, v.box = autocert.DirCache(dir), box
	close(v.open)
}

func (v *Vault) wait(ctx context.Context) error {
	select {
	case <-v.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func purpose(key string) string { return "acme " + key }

// Get implements autocert.Cache.
func (v *Vault) Get(ctx context.Context, key string) ([]byte, error) {
	if err := v.wait(ctx); err != nil {
		return nil, err
	}
	sealed, err := v.dir.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	plain, err := v.box.Open(purpose(key), sealed)
	if err != nil {
		return nil, fmt.Errorf("listen: what ACME gave as %s: %w", key, err)
	}
	return plain, nil
}

// Put implements autocert.Cache.
func (v *Vault) Put(ctx context.Context, key string, data []byte) error {
	if err := v.wait(ctx); err != nil {
		return err
	}
	return v.dir.Put(ctx, key, v.box.Seal(purpose(key), data))
}

// Delete implements autocert.Cache.
func (v *Vault) Delete(ctx context.Context, key string) error {
	if err := v.wait(ctx); err != nil {
		return err
	}
	return v.dir.Delete(ctx, key)
}

var _ autocert.Cache = (*Vault)(nil)
