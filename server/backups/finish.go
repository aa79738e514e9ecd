package backups

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	lsmvfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/crypt/awskms"
	"github.com/tarnhealth/tarn/crypt/keyring"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server/vault"
	"github.com/tarnhealth/tarn/store"
)

// Keys say what opens a restored folder.
type Keys struct {
	// MasterKey is as crypt.MasterKey takes it; "" looks into the environment
	// alone.
	MasterKey string
	KMS       awskms.Config
}

// open opens the keys of a restored folder.
func (k *Keys) open(ctx context.Context, dir string) (*vault.Vault, error) {
	return vault.Open(ctx, vault.Config{Dir: dir, MasterKey: k.MasterKey, KMS: k.KMS})
}

// ErrNoKey says that the master key of a backup was not given, and whether it is
// the right one could not be seen.
var ErrNoKey = errors.New("backups: the master key is not at hand")

// Check refuses a master key that does not open what was restored. Where none is
// given, and one is needed, it is ErrNoKey.
func (k *Keys) Check(ctx context.Context, dir string) error {
	v, err := k.open(ctx, dir)
	if err == nil && v.Has(vault.Records) {
		_, err = v.FS(ctx, "", lsmvfs.Default)
	}
	switch {
	case errors.Is(err, crypt.ErrNoMasterKey):
		return fmt.Errorf("%w: %w", ErrNoKey, err)
	case errors.Is(err, keyring.ErrWrong), errors.Is(err, crypt.ErrOpen):
		return fmt.Errorf("the master key is not the one that the backed-up folder was used with; nothing was restored: %w", err)
	}
	return err
}

// Rewind takes the data stores of a backup that was restored to a folder back to
// a time, to the millisecond, as meta.lastUpdated tells it. Everything else stays
// as the backup has it.
func (k *Keys) Rewind(ctx context.Context, dir string, m *backup.Manifest, to time.Time) error {
	if err := m.Reaches(to); err != nil {
		return err
	}
	v, err := k.open(ctx, dir)
	if err != nil {
		return err
	}
	to = throughout(to)
	for i := range m.Stores {
		s := &m.Stores[i]
		disk, err := v.FS(ctx, s.ID, lsmvfs.Default)
		if err == nil {
			var t store.T
			t, err = pebble.Rewind(filepath.Join(dir, "stores", s.ID), disk, to)
			s.T, s.At = uint64(t), to
		}
		if err != nil {
			return fmt.Errorf("data store %s cannot be taken back to %s: %w", s.ID, to.Format(time.RFC3339), err)
		}
	}
	return nil
}
