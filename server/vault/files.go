package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/crypt/keyring"
	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/durable"
	"github.com/tarnhealth/tarn/fhir"
)

// A Status is what is known of an owner's keys and files.
type Status struct {
	keyring.Info
	// Files is how many files each key has sealed, by its number.
	Files map[uint32]int `json:"files,omitempty"`
	// Unsealed is how many files are not sealed.
	Unsealed int `json:"unsealed"`
	// Unavailable says why a data store is closed; "" where it is open.
	Unavailable string `json:"unavailable,omitempty"`
}

// Owners are all who have keys, in order.
func (v *Vault) Owners() ([]string, error) { return v.rings.Owners() }

// Status lists all owners of keys, in order.
func (v *Vault) Status() ([]Status, error) {
	owners, err := v.rings.Owners()
	if err != nil {
		return nil, err
	}
	all := []Status{}
	for _, owner := range owners {
		info, err := v.rings.Describe(owner)
		if err != nil {
			return nil, err
		}
		s := Status{Info: info}
		if s.Files, s.Unsealed, err = v.files(owner); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// files counts the files of an owner, by the keys that sealed them. Empty files
// are none.
func (v *Vault) files(owner string) (sealed map[uint32]int, plain int, err error) {
	sealed = map[uint32]int{}
	if owner == Secrets || owner == Audit || owner == Files {
		return sealed, 0, nil
	}
	err = filepath.WalkDir(v.storage(owner), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		start, err := startOf(path)
		switch {
		case err != nil:
			return ignoreGone(err)
		case len(start) == seal.HeaderSize && seal.IsSealed(start):
			sealed[seal.KeyNumber(start)]++
		case strings.Trim(string(start), "\x00") != "":
			plain++
		}
		return nil
	})
	return sealed, plain, err
}

// ignoreGone forgives that the engine removed a file meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Rotate makes a new data key for an owner's files from now on.
func (v *Vault) Rotate(ctx context.Context, owner string) error {
	if owner == Secrets {
		return fhir.Errorf(fhir.KindInvalid, "the key %s is what the server's secrets are sealed with and cannot be rotated; rotate what it seals, as with `tarn keys rotate`", Secrets)
	}
	ring, err := v.open(ctx, owner)
	if err != nil {
		return err
	}
	return ring.Rotate(ctx)
}

func (v *Vault) open(ctx context.Context, owner string) (*keyring.Ring, error) {
	ring, err := v.rings.Open(ctx, owner)
	if errors.Is(err, keyring.ErrNone) {
		return nil, fhir.Errorf(fhir.KindNotFound, "%s is not encrypted: it has no keys", owner)
	}
	return ring, v.explain(owner, err)
}

// Settle destroys the data keys that no file of an owner needs any more, and
// refuses plain files where none is left. It returns the numbers that went.
//
// A file that is open for writing may not have its header on disk yet, but it
// has a key that was current when the owner's files were opened or later, so
// only older keys go.
func (v *Vault) Settle(ctx context.Context, owner string) ([]uint32, error) {
	if owner == Audit || owner == Files || owner == Secrets || !v.rings.Has(owner) || owner != Records && v.cfg.Elsewhere {
		return nil, nil // archived segments and files of jobs need their keys
	}
	ring, err := v.open(ctx, owner)
	if err != nil {
		return nil, err
	}
	if !ring.Plain() && ring.Count() == 1 {
		return nil, nil
	}
	v.mu.Lock()
	first := v.first[owner]
	v.mu.Unlock()
	sealed, plain, err := v.files(owner)
	if err != nil {
		return nil, err
	}
	if plain == 0 && ring.Plain() {
		if err := ring.Strict(); err != nil {
			return nil, err
		}
	}
	return ring.Retire(func(n uint32) bool { return n >= first || sealed[n] > 0 })
}

// Seal gives keys to an owner that has none. Its files from before are read as
// they are; those that are made after the owner was opened again are sealed.
func (v *Vault) Seal(ctx context.Context, owner, keyID string) error {
	if v.rings.Has(owner) {
		return fhir.Errorf(fhir.KindConflict, "%s is encrypted", owner)
	}
	spec := keyring.Spec{Kind: keyring.Master, Plain: true}
	if keyID != "" {
		spec.Kind, spec.KeyID = keyring.Customer, keyID
	}
	_, err := v.rings.Create(ctx, owner, spec)
	return v.explain(owner, err)
}

// RotateMaster makes a new master key and wraps all data keys with it that the
// old one wrapped. The old one is of no use after that. A crash between leaves
// keys that the master key of the moment opens.
func (v *Vault) RotateMaster(ctx context.Context) error {
	if os.Getenv(crypt.MasterKeyVariable) != "" || strings.HasPrefix(v.cfg.MasterKey, "keyring:") {
		return fhir.Errorf(fhir.KindInvalid, "the master key does not come from a file: start the server with the new one in %s and the one before in %s, and then without the latter", crypt.MasterKeyVariable, crypt.PreviousMasterKeyVariable)
	}
	if !v.rings.Has(Secrets) {
		return fhir.Errorf(fhir.KindInvalid, "this data folder is from before its secrets had a key of their own, so its master key cannot be replaced")
	}
	next := v.cfg.MasterKey + ".new"
	key, err := crypt.MasterKey(next) // that of a rotation that was cut off, or a new one
	if err != nil {
		return err
	}
	to, err := keyring.NewLocal(key)
	if err != nil {
		return err
	}
	if err := v.rings.Rewrap(ctx, to); err != nil {
		return err
	}
	if err := os.Rename(next, v.cfg.MasterKey); err != nil {
		return err
	}
	if err := durable.SyncFolder(filepath.Dir(v.cfg.MasterKey)); err != nil {
		return err
	}
	v.mu.Lock()
	v.master = to
	v.mu.Unlock()
	return v.rings.Unwrap(ctx, to)
}

// Describe names an owner for people.
func Describe(owner string) string {
	return cmp.Or(map[string]string{Records: "the server's records", Secrets: "the server's secrets", Audit: "the audit log", Files: "the files of bulk jobs"}[owner], fmt.Sprintf("data store %s", owner))
}

func startOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readStart(f)
}
