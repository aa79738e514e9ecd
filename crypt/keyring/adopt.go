package keyring

import (
	"context"
	"fmt"
	"os"
	"slices"
)

// Adopt gives an owner that has no keys those of an owner of another folder,
// wrapped anew: files that are sealed with them become the new owner's.
func (f *Folder) Adopt(ctx context.Context, owner string, from *Ring) error {
	defer f.turn(owner)()
	if _, err := os.Stat(f.path(owner)); err == nil {
		return fmt.Errorf("keyring: %s has keys", owner)
	}
	from.mu.RLock()
	defer from.mu.RUnlock()
	if from.keys == nil {
		return fmt.Errorf("%w: %s; they were destroyed or locked", ErrNone, from.file.Owner)
	}
	provider, err := f.Provider(from.file.Kind, from.file.KeyID)
	if err != nil {
		return err
	}
	file := from.file
	file.Owner, file.Keys = owner, slices.Clone(file.Keys)
	for i := range file.Keys {
		k := &file.Keys[i]
		value, err := provider.Wrap(ctx, from.keys[k.Number], purpose(owner, k.Number))
		if err != nil {
			return err
		}
		k.Wrapped = []wrapped{{provider.Name(), value}}
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return err
	}
	return f.write(&file)
}
