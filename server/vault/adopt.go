package vault

import (
	"cmp"
	"context"
)

// Beside opens the keys of another data folder, such as a restored one, with
// another master key; "" is for the one of this folder.
func (v *Vault) Beside(ctx context.Context, dir, masterKey string) (*Vault, error) {
	return Open(ctx, Config{Dir: dir, MasterKey: cmp.Or(masterKey, v.cfg.MasterKey), KMS: v.cfg.KMS})
}

// Adopt gives a data store the keys that one of another folder has; none where
// that is not sealed.
func (v *Vault) Adopt(ctx context.Context, id string, from *Vault, source string) error {
	if !from.rings.Has(source) {
		return nil
	}
	ring, err := from.rings.Open(ctx, source)
	if err != nil {
		return from.explain(source, err)
	}
	return v.explain(id, v.rings.Adopt(ctx, id, ring))
}
