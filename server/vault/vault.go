// Package vault owns the keys of a data folder: which data keys there are, for
// the records, the secrets, the audit log and each data store; what wraps them;
// and the file systems that seal with them.
//
// The files, in the data folder:
//
//	keys/_records.json   keys of the server's records
//	keys/_secrets.json   the key that the server's own secrets are sealed with
//	keys/_audit.json     keys of the audit log
//	keys/_files.json     keys of the files of bulk jobs
//	keys/ID.json         keys of a data store
//
// What has no file there is not sealed: it is from before, or encryption was
// off when it was made.
//
// It leaves to others: the form of files (crypt/seal), of key files
// (crypt/keyring), and when data stores are made and closed (datastore).
package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	lsmvfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/crypt/awskms"
	"github.com/tarnhealth/tarn/crypt/keyring"
	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/crypt/sealfs"
	"github.com/tarnhealth/tarn/datastore"
)

// MasterKeyName is the file of the master key in a data folder, where the
// configuration names no other.
const MasterKeyName = "master.key"

// Owners of keys that are no data stores.
const (
	Records = "_records"
	Secrets = "_secrets"
	Audit   = "_audit"
	Files   = "_files"
)

// Config is what a Vault is told.
type Config struct {
	// Dir is the data folder.
	Dir string
	// MasterKey is as crypt.MasterKey takes it; "" for MasterKeyName in Dir.
	MasterKey string
	// Mode says what of the new is sealed.
	Mode Mode
	// KMS is where customers' keys are.
	KMS awskms.Config
	// Elsewhere says that data stores have sealed files outside the folder too, so
	// that none of their keys is known not to be needed any more.
	Elsewhere bool
}

// A Mode says what of the new is sealed. What is sealed stays so, and what is
// not does too, until Seal.
type Mode int

// The modes.
const (
	// Follow seals new data stores of folders whose records are sealed.
	Follow Mode = iota
	// On seals new folders and new data stores.
	On
	// Off seals nothing new but data stores with a customer's key.
	Off
)

// A Vault is safe for concurrent use.
type Vault struct {
	cfg   Config
	rings *keyring.Folder

	mu     sync.Mutex
	master keyring.Provider
	kms    *awskms.Service
	// first are the numbers of the keys that were current when an owner's files
	// were opened: no file that is open for writing has an older one.
	first map[string]uint32
}

// Open opens the keys of a data folder. A folder that does not exist yet gets
// keys where the configuration says so.
func Open(ctx context.Context, cfg Config) (*Vault, error) {
	cfg.MasterKey = cmp.Or(cfg.MasterKey, filepath.Join(cfg.Dir, MasterKeyName))
	v := &Vault{cfg: cfg, first: map[string]uint32{}}
	v.rings = &keyring.Folder{Dir: filepath.Join(cfg.Dir, "keys"), Provider: v.provider}
	if err := v.previous(ctx); err != nil {
		return nil, err
	}
	_, err := os.Stat(filepath.Join(cfg.Dir, "system"))
	if cfg.Mode != On || !errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	for _, owner := range []string{Secrets, Records, Audit} {
		if v.rings.Has(owner) {
			continue // a crash came between
		}
		if _, err := v.rings.Create(ctx, owner, keyring.Spec{Kind: keyring.Master}); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// provider returns what wraps keys.
func (v *Vault) provider(kind keyring.Kind, id string) (keyring.Provider, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch kind {
	case keyring.Master:
		if v.master != nil {
			return v.master, nil
		}
		key, err := v.masterKey()
		if err != nil {
			return nil, err
		}
		v.master, err = keyring.NewLocal(key)
		return v.master, err
	case keyring.Customer:
		if v.kms == nil {
			var err error
			if v.kms, err = awskms.New(context.Background(), v.cfg.KMS); err != nil {
				return nil, err
			}
		}
		return v.kms.Provider(id), nil
	}
	return nil, fmt.Errorf("vault: keys of the kind %q are not known to this version", kind)
}

// masterKey reads the master key, and makes one where nothing needs it yet.
func (v *Vault) masterKey() ([]byte, error) {
	owners, err := v.rings.Owners()
	if err != nil {
		return nil, err
	}
	for _, owner := range owners {
		if info, err := v.rings.Describe(owner); err != nil || info.Kind == keyring.Master {
			return crypt.ReadMasterKey(v.cfg.MasterKey)
		}
	}
	return crypt.MasterKey(v.cfg.MasterKey)
}

// previous wraps with the master key what the one before it wrapped, where the
// environment has that.
func (v *Vault) previous(ctx context.Context) error {
	old, err := crypt.PreviousMasterKey()
	if old == nil || err != nil {
		return err
	}
	from, err := keyring.NewLocal(old)
	if err != nil {
		return err
	}
	to, err := v.provider(keyring.Master, "")
	if err != nil {
		return err
	}
	before := &keyring.Folder{Dir: v.rings.Dir, Provider: func(keyring.Kind, string) (keyring.Provider, error) { return from, nil }}
	err = before.Rewrap(ctx, to)
	if errors.Is(err, keyring.ErrWrong) {
		return nil // it was done before, and a crash or nothing came between
	}
	if err != nil {
		return err
	}
	return before.Unwrap(ctx, to)
}

// Box seals the server's own secrets.
func (v *Vault) Box(ctx context.Context) (*crypt.Box, error) {
	if !v.rings.Has(Secrets) {
		key, err := crypt.MasterKey(v.cfg.MasterKey)
		if err != nil {
			return nil, err
		}
		return crypt.NewBox(key)
	}
	ring, err := v.rings.Open(ctx, Secrets)
	if err != nil {
		return nil, err
	}
	key, _ := ring.Key(1)
	return crypt.NewBox(key)
}

// AuditKeys are the keys of the audit log, nil where it is not sealed.
func (v *Vault) AuditKeys(ctx context.Context) (seal.Keys, error) {
	if !v.rings.Has(Audit) {
		return nil, nil
	}
	return v.rings.Open(ctx, Audit)
}

// StoreKeys are the keys of a data store, nil where it is not sealed. The error
// wraps datastore.ErrKey where a key cannot be used now.
func (v *Vault) StoreKeys(ctx context.Context, id string) (seal.Keys, error) {
	if !v.rings.Has(id) {
		return nil, nil
	}
	ring, err := v.rings.Open(ctx, id)
	if err != nil {
		return nil, v.explain(id, err)
	}
	return ring, nil
}

// FileKeys are the keys of the files of bulk jobs, nil where the records are not
// sealed either.
func (v *Vault) FileKeys(ctx context.Context) (seal.Keys, error) {
	if !v.rings.Has(Records) {
		return nil, nil
	}
	if !v.rings.Has(Files) {
		return v.rings.Create(ctx, Files, keyring.Spec{Kind: keyring.Master})
	}
	return v.rings.Open(ctx, Files)
}

// FS is the file system of a data store, or of the records where id is "": one
// that seals where there are keys. It is a pebble.FolderOptions.Seal. The error
// wraps datastore.ErrKey where a key cannot be used now.
func (v *Vault) FS(ctx context.Context, id string, disk lsmvfs.FS) (lsmvfs.FS, error) {
	owner := cmp.Or(id, Records)
	if !v.rings.Has(owner) {
		return disk, v.checkPlain(owner)
	}
	ring, err := v.rings.Open(ctx, owner)
	if err != nil {
		return nil, v.explain(id, err)
	}
	v.mu.Lock()
	v.first[owner], _ = ring.Current()
	v.mu.Unlock()
	return sealfs.New(disk, sealfs.Options{Keys: ring, Plain: ring.Plain}), nil
}

// explain marks errors of a data store's key.
func (v *Vault) explain(id string, err error) error {
	switch {
	case id != "" && errors.Is(err, keyring.ErrUnreachable):
		return fmt.Errorf("%w: %w", datastore.ErrKeyAway, err)
	case id != "" && errors.Is(err, keyring.ErrDisabled):
		return fmt.Errorf("%w: %w", datastore.ErrKey, err)
	}
	return err
}

// ErrKeysGone says that files are sealed whose keys are not there.
var ErrKeysGone = errors.New("vault: the keys are gone")

// checkPlain refuses to take sealed files for damaged ones.
func (v *Vault) checkPlain(owner string) error {
	manifests, err := filepath.Glob(filepath.Join(v.storage(owner), "MANIFEST-*"))
	for _, name := range manifests {
		sealed, err := isSealed(name)
		if err != nil {
			return err
		}
		if sealed {
			return fmt.Errorf("%w: %s is sealed, and %s is not there; restore that file from a backup", ErrKeysGone, v.storage(owner), filepath.Join(v.rings.Dir, owner+".json"))
		}
	}
	return err
}

func isSealed(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	start, err := readStart(f)
	return seal.IsSealed(start), err
}

// readStart reads what may be the header of a sealed file.
func readStart(f *os.File) ([]byte, error) {
	start := make([]byte, seal.HeaderSize)
	n, err := io.ReadFull(f, start)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return start[:n], err
}

// storage is the folder of an owner's files.
func (v *Vault) storage(owner string) string {
	if owner == Records {
		return filepath.Join(v.cfg.Dir, "system")
	}
	return filepath.Join(v.cfg.Dir, "stores", owner)
}

// Has reports whether an owner has keys, and its files are sealed.
func (v *Vault) Has(owner string) bool { return v.rings.Has(owner) }

// Prepare makes the keys of a data store that is about to be made. keyID names
// a customer's key; with "", the master key wraps, where encryption is on.
func (v *Vault) Prepare(ctx context.Context, id, keyID string) error {
	if keyID == "" && (v.cfg.Mode == Off || v.cfg.Mode == Follow && !v.rings.Has(Records)) {
		return nil
	}
	spec := keyring.Spec{Kind: keyring.Master}
	if keyID != "" {
		spec = keyring.Spec{Kind: keyring.Customer, KeyID: keyID}
	}
	_, err := v.rings.Create(ctx, id, spec)
	return v.explain(id, err)
}

// Destroy makes what a data store has on disk unreadable for good.
func (v *Vault) Destroy(id string) error { return v.rings.Destroy(id) }

// Check asks whether the key of a data store may still be used: nil, or an
// error that wraps datastore.ErrKey. Where the service is only away, the open
// keys are used on.
func (v *Vault) Check(ctx context.Context, id string) error {
	if !v.rings.Has(id) {
		return nil
	}
	info, err := v.rings.Describe(id)
	if err != nil || info.Kind != keyring.Customer {
		return err
	}
	ring, err := v.rings.Open(ctx, id)
	if err == nil {
		err = ring.Check(ctx)
	}
	if errors.Is(err, keyring.ErrUnreachable) {
		return nil
	}
	return v.explain(id, err)
}

// Lock drops the open keys of a data store from memory.
func (v *Vault) Lock(id string) { v.rings.Lock(id) }

// Customers are the data stores whose keys a customer's key wraps.
func (v *Vault) Customers() ([]string, error) {
	owners, err := v.rings.Owners()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, owner := range owners {
		if strings.HasPrefix(owner, "_") {
			continue
		}
		info, err := v.rings.Describe(owner)
		if err != nil {
			return nil, err
		}
		if info.Kind == keyring.Customer {
			ids = append(ids, owner)
		}
	}
	return ids, nil
}
