package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/crypt/keyring"
	"github.com/tarnhealth/tarn/server/vault"
)

// vault is what a Vault is told of a data folder.
func (c *Config) vault(dir string) vault.Config {
	v := c.Encryption.Config(dir, c.MasterKey, c.Auth != AuthNone)
	v.Elsewhere = c.Contents.Bucket != ""
	return v
}

func openVault(ctx context.Context, cfg *Config, dir string) (*vault.Vault, error) {
	v, err := vault.Open(ctx, cfg.vault(dir))
	return v, keyRefusal(cfg, dir, err)
}

// keyRefusal explains an error that comes of the master key; others stay as they
// are.
func keyRefusal(cfg *Config, dir string, err error) error {
	path := cmp.Or(cfg.MasterKey, filepath.Join(dir, vault.MasterKeyName))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrWrong), errors.Is(err, crypt.ErrOpen):
		return &Refusal{Text: fmt.Sprintf("the master key (%s, or the variable %s) is not the one that the data folder %s was used with; give it the right one", path, crypt.MasterKeyVariable, dir), Cause: err}
	case errors.Is(err, vault.ErrKeysGone):
		return &Refusal{Text: err.Error(), Cause: err}
	case errors.Is(err, crypt.ErrNoMasterKey):
		return &Refusal{Text: fmt.Sprintf("the master key is not there (%s, or the variable %s), and the data folder %s is encrypted; nothing was changed: give it the key that it was used with", path, crypt.MasterKeyVariable, dir), Cause: err}
	}
	return err
}

// auditBox is what the keys of the audit log of a data folder are derived from.
// Nothing is made where there is none.
func auditBox(cfg *Config, dir string) (*crypt.Box, error) {
	v, err := vault.Open(context.Background(), vault.Config{Dir: dir, MasterKey: cfg.MasterKey})
	if err != nil {
		return nil, err
	}
	return v.Box(context.Background())
}

// hasMasterKey reports whether a folder's master key can be had.
func hasMasterKey(path, dir string) error {
	_, err := crypt.ReadMasterKey(cmp.Or(path, filepath.Join(dir, vault.MasterKeyName)))
	if errors.Is(err, crypt.ErrNoMasterKey) {
		return err
	}
	return nil
}
