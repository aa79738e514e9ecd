package keyring

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/durable"
)

// A Kind says what wraps an owner's keys.
type Kind string

// The kinds.
const (
	// Master is the server's own master key.
	Master Kind = "master"
	// Customer is a key of a key management service that the customer names.
	Customer Kind = "kms"
)

// A Provider wraps data keys with a key that is kept elsewhere. Safe for
// concurrent use.
type Provider interface {
	// Name tells the wrapping key apart from others of its kind.
	Name() string
	// Wrap seals a key for a purpose, without which it is not opened again.
	Wrap(ctx context.Context, key []byte, purpose string) ([]byte, error)
	// Unwrap opens what Wrap sealed. The errors wrap ErrDisabled or
	// ErrUnreachable where these are the reasons.
	Unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error)
}

var (
	// ErrNone says that an owner has no keys: its files are not sealed, or its
	// keys were destroyed.
	ErrNone = errors.New("keyring: there are no keys")
	// ErrDisabled says that the wrapping key may not be used: it was disabled, is
	// to be deleted, is gone, or does not allow it.
	ErrDisabled = errors.New("keyring: the key that wraps the data keys may not be used")
	// ErrUnreachable says that the wrapping key cannot be asked now.
	ErrUnreachable = errors.New("keyring: the key that wraps the data keys cannot be reached")
	// ErrWrong says that the data keys are wrapped with another key.
	ErrWrong = errors.New("keyring: the data keys are wrapped with another key")
)

// A Folder holds the keys of all owners of a data folder. Safe for concurrent
// use by one process.
type Folder struct {
	// Dir is made when the first keys are.
	Dir string
	// Provider returns what wraps keys of a kind; id is the customer's name of
	// the key.
	Provider func(kind Kind, id string) (Provider, error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	mu    sync.Mutex
	rings map[string]*Ring
	// turns let one at a time open or make an owner's keys: what wraps them may
	// be slow to answer, which is not to hold up other owners.
	turns map[string]*sync.Mutex
}

// turn waits for an owner's turn, which ends when the result is called.
func (f *Folder) turn(owner string) (end func()) {
	f.mu.Lock()
	if f.turns == nil {
		f.turns = map[string]*sync.Mutex{}
	}
	turn := f.turns[owner]
	if turn == nil {
		turn = &sync.Mutex{}
		f.turns[owner] = turn
	}
	f.mu.Unlock()
	turn.Lock()
	return turn.Unlock
}

// opened is an owner's ring where it is open, nil elsewhere.
func (f *Folder) opened(owner string) *Ring {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.rings[owner]; r != nil && r.opened() {
		return r
	}
	return nil
}

// forget drops an owner's open keys from memory.
func (f *Folder) forget(owner string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.rings[owner]; r != nil {
		r.Forget()
		delete(f.rings, owner)
	}
}

// ringFile is the content of an owner's file.
type ringFile struct {
	Version int    `json:"version"`
	Owner   string `json:"owner"`
	Kind    Kind   `json:"kind"`
	// KeyID names the wrapping key as the customer did.
	KeyID string `json:"keyId,omitempty"`
	// Plain is set while files from before the owner had keys are read.
	Plain bool      `json:"plain,omitempty"`
	Keys  []dataKey `json:"keys"`
}

type dataKey struct {
	Number  uint32    `json:"number"`
	Created time.Time `json:"created"`
	// Wrapped are copies of the key: two while the wrapping key changes.
	Wrapped []wrapped `json:"wrapped"`
}

type wrapped struct {
	By    string `json:"by"`
	Value []byte `json:"value"`
}

const ringVersion = 1

// Spec says which keys an owner gets.
type Spec struct {
	Kind  Kind
	KeyID string
	// Plain lets files be read that the owner has from before.
	Plain bool
}

// Create makes the first key of an owner that has none.
func (f *Folder) Create(ctx context.Context, owner string, spec Spec) (*Ring, error) {
	defer f.turn(owner)()
	if _, err := os.Stat(f.path(owner)); err == nil {
		return nil, fmt.Errorf("keyring: %s has keys", owner)
	}
	provider, err := f.Provider(spec.Kind, spec.KeyID)
	if err != nil {
		return nil, err
	}
	r := &Ring{folder: f, provider: provider, keys: map[uint32][]byte{},
		file: ringFile{Version: ringVersion, Owner: owner, Kind: spec.Kind, KeyID: spec.KeyID, Plain: spec.Plain}}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := r.add(ctx); err != nil {
		return nil, err
	}
	f.remember(owner, r)
	return r, nil
}

func (f *Folder) remember(owner string, r *Ring) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rings == nil {
		f.rings = map[string]*Ring{}
	}
	f.rings[owner] = r
}

// Open opens an owner's keys: ErrNone where there are none.
func (f *Folder) Open(ctx context.Context, owner string) (*Ring, error) {
	if r := f.opened(owner); r != nil {
		return r, nil
	}
	defer f.turn(owner)()
	if r := f.opened(owner); r != nil {
		return r, nil
	}
	r := &Ring{folder: f, keys: map[uint32][]byte{}}
	var err error
	if r.file, err = f.read(owner); err != nil {
		return nil, err
	}
	if r.provider, err = f.Provider(r.file.Kind, r.file.KeyID); err != nil {
		return nil, err
	}
	if err := r.unwrap(ctx); err != nil {
		return nil, err
	}
	f.remember(owner, r)
	return r, nil
}

// Lock drops an owner's open keys from memory; opening them asks what wraps
// them.
func (f *Folder) Lock(owner string) {
	defer f.turn(owner)()
	f.forget(owner)
}

// Has reports whether an owner has keys, without opening them.
func (f *Folder) Has(owner string) bool {
	_, err := os.Stat(f.path(owner))
	return err == nil
}

func (f *Folder) read(owner string) (file ringFile, err error) {
	text, err := os.ReadFile(f.path(owner))
	if errors.Is(err, fs.ErrNotExist) {
		return file, fmt.Errorf("%w: %s", ErrNone, owner)
	}
	if err != nil {
		return file, err
	}
	if err := json.Unmarshal(text, &file); err != nil || file.Version != ringVersion || file.Owner != owner || len(file.Keys) == 0 {
		return file, fmt.Errorf("keyring: the file %s cannot be read; restore it from a backup: without it, what was sealed with its keys is lost", f.path(owner))
	}
	return file, nil
}

// Owners are all who have keys.
func (f *Folder) Owners() ([]string, error) {
	entries, err := os.ReadDir(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var owners []string
	for _, e := range entries {
		if owner, ok := strings.CutSuffix(e.Name(), extension); ok {
			owners = append(owners, owner)
		}
	}
	return owners, err
}

// Destroy makes an owner's keys, and with them everything that was sealed with
// them, unreadable for good. The file is written over before it is removed;
// what a disk, a file system or a backup keeps of it is theirs.
func (f *Folder) Destroy(owner string) error {
	defer f.turn(owner)()
	f.forget(owner)
	path := f.path(owner)
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		noise := make([]byte, info.Size())
		rand.Read(noise) // never fails
		_, err = file.WriteAt(noise, 0)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return errors.Join(os.Remove(path), durable.SyncFolder(f.Dir))
}

const extension = ".json"

func (f *Folder) path(owner string) string { return filepath.Join(f.Dir, owner+extension) }

// write replaces an owner's file, whole or not at all.
func (f *Folder) write(file *ringFile) error {
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	return durable.ReplaceWith(f.path(file.Owner), 0o600, append(text, '\n'))
}

func (f *Folder) now() time.Time {
	if f.Now == nil {
		return time.Now().UTC()
	}
	return f.Now().UTC()
}

// Rewrap wraps the keys of all owners of the kind Master with another provider
// as well, so that either opens them.
func (f *Folder) Rewrap(ctx context.Context, to Provider) error {
	return f.masters(ctx, func(r *Ring) error { return r.wrapAlso(ctx, to) })
}

// Unwrap takes away all copies of keys of the kind Master but those that to
// wrapped.
func (f *Folder) Unwrap(ctx context.Context, to Provider) error {
	return f.masters(ctx, func(r *Ring) error { return r.wrapOnly(to) })
}

func (f *Folder) masters(ctx context.Context, each func(*Ring) error) error {
	owners, err := f.Owners()
	if err != nil {
		return err
	}
	for _, owner := range owners {
		file, err := f.read(owner)
		if err != nil {
			return err
		}
		if file.Kind != Master {
			continue
		}
		r, err := f.Open(ctx, owner)
		if err == nil {
			err = each(r)
		}
		if err != nil {
			return fmt.Errorf("keys of %s: %w", owner, err)
		}
	}
	return nil
}

// purpose ties a wrapped key to its owner and number.
func purpose(owner string, number uint32) string {
	return fmt.Sprintf("data key %d of %s", number, owner)
}

// Info describes an owner's keys.
type Info struct {
	Owner string `json:"owner"`
	Kind  Kind   `json:"kind"`
	KeyID string `json:"keyId,omitempty"`
	// Plain is set while files that are not sealed are read.
	Plain bool      `json:"plain,omitempty"`
	Keys  []KeyInfo `json:"keys"`
}

// KeyInfo describes a data key.
type KeyInfo struct {
	Number  uint32    `json:"number"`
	Created time.Time `json:"created"`
	// By names what wraps it.
	By []string `json:"by"`
}

// Describe describes an owner's keys, without opening them.
func (f *Folder) Describe(owner string) (Info, error) {
	file, err := f.read(owner)
	info := Info{Owner: owner, Kind: file.Kind, KeyID: file.KeyID, Plain: file.Plain}
	for _, k := range file.Keys {
		one := KeyInfo{Number: k.Number, Created: k.Created}
		for _, w := range k.Wrapped {
			one.By = append(one.By, w.By)
		}
		info.Keys = append(info.Keys, one)
	}
	return info, err
}

var _ seal.Keys = (*Ring)(nil)

func findWrap(list []wrapped, by string) int {
	return slices.IndexFunc(list, func(w wrapped) bool { return w.By == by })
}
