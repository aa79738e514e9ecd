package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/crypt/awskms"
	"github.com/tarnhealth/tarn/crypt/keyring"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server/vault"
)

// EncryptionConfig is what a server is told about encryption at rest.
type EncryptionConfig struct {
	// Mode is EncryptionOn, EncryptionOff or EncryptionAuto.
	Mode string
	// Endpoint and Region are those of the key management service; "" for what
	// AWS's tools would take.
	Endpoint, Region string
	// Check is how often customers' keys are asked whether they may be used.
	Check time.Duration
}

// The values of EncryptionConfig.Mode.
const (
	// EncryptionAuto is EncryptionOn where callers are known; with AuthNone it
	// does with new data stores as with the folder that they are in.
	EncryptionAuto = "auto"
	EncryptionOn   = "on"
	EncryptionOff  = "off"
)

// encryptionSettings are the settings of encryption at rest.
var encryptionSettings = []setting{
	flat("encryption.at_rest", "whether new data folders and data stores are encrypted: on, off, or auto, which is on unless auth is none",
		func(c *Config, s string) error {
			return oneOf(&c.Encryption.Mode, s, EncryptionAuto, EncryptionOn, EncryptionOff)
		},
		func(c *Config) string { return c.Encryption.Mode }),
	flat("encryption.kms_endpoint", "the URL of a key management service that speaks the API of AWS KMS; AWS where empty",
		func(c *Config, s string) error { c.Encryption.Endpoint = s; return nil },
		func(c *Config) string { return c.Encryption.Endpoint }),
	flat("encryption.kms_region", "the region of the key management service; that of the environment where empty",
		func(c *Config, s string) error { c.Encryption.Region = s; return nil },
		func(c *Config) string { return c.Encryption.Region }),
	flat("encryption.check", "how often customers' keys are asked whether they may still be used",
		func(c *Config, s string) error { return duration(&c.Encryption.Check, s, time.Second, time.Hour) },
		func(c *Config) string { return c.Encryption.Check.String() }),
}

// vault is what a Vault is told.
func (c *Config) vault(dir string) vault.Config {
	mode := vault.Follow
	switch {
	case c.Encryption.Mode == EncryptionOff:
		mode = vault.Off
	case c.Encryption.Mode == EncryptionOn || c.Auth != AuthNone:
		mode = vault.On
	}
	return vault.Config{Dir: dir, MasterKey: c.MasterKey, Mode: mode, KMS: awskms.Config{Endpoint: c.Encryption.Endpoint, Region: c.Encryption.Region}}
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

// watchKeys suspends data stores whose customers' keys may no longer be used,
// and resumes them when they may, until ctx ends.
func (f *folder) watchKeys(every time.Duration) func(context.Context, *slog.Logger) {
	return func(ctx context.Context, log *slog.Logger) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := f.checkKeys(ctx); err != nil && ctx.Err() == nil {
				log.Error("customers' keys cannot be checked", "error", err)
			}
		}
	}
}

// checkKeys asks all customers' keys once.
func (f *folder) checkKeys(ctx context.Context) error {
	ids, err := f.vault.Customers()
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if f.catalog.Suspended(id) != nil {
			if err := f.catalog.Resume(ctx, id); err != nil && !errors.Is(err, datastore.ErrKey) {
				errs = append(errs, err)
			}
			continue
		}
		why := f.vault.Check(ctx, id)
		if errors.Is(why, datastore.ErrKey) {
			errs = append(errs, f.catalog.Suspend(id, why))
			f.vault.Lock(id)
			continue
		}
		errs = append(errs, why)
	}
	return errors.Join(append(errs, f.settle(ctx))...)
}

// settle lets data keys go that nothing needs any more.
func (f *folder) settle(ctx context.Context) error {
	owners, err := f.vault.Owners()
	if err != nil {
		return err
	}
	for _, owner := range owners {
		if f.catalog.Suspended(owner) != nil {
			continue
		}
		if _, err := f.vault.Settle(ctx, owner); err != nil {
			return err
		}
	}
	return nil
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
