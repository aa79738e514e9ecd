package sigv4

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
)

// Roles that every server has. Others are the names of roles in a server's
// configuration.
const (
	RoleAdmin    = "admin"
	RoleReadOnly = "read-only"
)

// A Key is an access key, without its secret.
type Key struct {
	// ID is 20 characters, AKIA and then A-Z and 2-7.
	ID string `json:"id"`
	// Name is for people; it may be "".
	Name string `json:"name,omitempty"`
	// Role says what its bearer may do.
	Role string `json:"role"`
	// DataStores are the ids of the data stores it is for; empty for all.
	DataStores []string `json:"dataStores,omitempty"`
	Disabled   bool     `json:"disabled"`

	Created time.Time `json:"created"`
	// LastUsed is exact to a minute; zero where the key was not used yet.
	LastUsed time.Time `json:"lastUsed,omitzero"`
}

// For reports whether the key may be used at a data store, as far as its list of
// data stores is concerned.
func (k Key) For(store string) bool {
	return len(k.DataStores) == 0 || slices.Contains(k.DataStores, store)
}

// Errors of Keys.
var (
	// ErrNotFound says that there is no such key.
	ErrNotFound = errors.New("there is no such access key")
	// ErrInvalid is wrapped by the errors that tell what is wrong with a key to
	// be made.
	ErrInvalid = errors.New("the access key cannot be made")
)

// purpose is what secrets are sealed for.
const purpose = "secret of an access key"

// touched is how exact LastUsed is.
const touched = time.Minute

// sealedKey is a key as stored. Sealed is its id, a zero byte and its secret.
type sealedKey struct {
	Key
	Sealed []byte `json:"sealed"`
}

// Keys are the access keys that a server issued. It is safe for concurrent use.
// Every request looks its key up, so that a change counts at once.
type Keys struct {
	db    kv.DB
	box   *crypt.Box
	now   func() time.Time
	table kv.Table[sealedKey]
	used  kv.Table[time.Time]
}

// NewKeys opens the keys in a DB. now is the clock; nil for time.Now.
func NewKeys(db kv.DB, box *crypt.Box, now func() time.Time) *Keys {
	if now == nil {
		now = time.Now
	}
	return &Keys{db: db, box: box, now: now, table: kv.NewTable[sealedKey]("access-key"), used: kv.NewTable[time.Time]("access-key-used")}
}

var (
	validRole  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	validStore = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
)

func (k Key) check() error {
	switch {
	case !validRole.MatchString(k.Role):
		return fmt.Errorf("%w: the role %q is not allowed; use %s, %s, or a name of a-z, 0-9 and '-'", ErrInvalid, k.Role, RoleAdmin, RoleReadOnly)
	case len(k.Name) > 256 || strings.ContainsFunc(k.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%w: its name must be at most 256 bytes of printable text", ErrInvalid)
	case len(k.DataStores) > 100:
		return fmt.Errorf("%w: it may name at most 100 data stores", ErrInvalid)
	}
	for _, id := range k.DataStores {
		if !validStore.MatchString(id) {
			return fmt.Errorf("%w: %q is not the id of a data store", ErrInvalid, id)
		}
	}
	return nil
}

// Create makes a key with a Name, Role and DataStores. Its secret, 40
// characters, is not to be had again.
func (k *Keys) Create(ctx context.Context, asked Key) (made Key, secret string, err error) {
	if err := asked.check(); err != nil {
		return Key{}, "", err
	}
	random := make([]byte, 10+30)
	rand.Read(random) // never fails
	made = Key{
		ID:   "AKIA" + base32.StdEncoding.EncodeToString(random[:10]),
		Name: asked.Name, Role: asked.Role, DataStores: asked.DataStores, Created: k.now().UTC(),
	}
	secret = base64.StdEncoding.EncodeToString(random[10:])
	return made, secret, k.put(ctx, made, secret)
}

// Import stores a key with an id and a secret that were chosen elsewhere, as
// where several servers are to know the same one. The id is 16 to 128 letters
// and digits, the secret 16 to 128 printable ASCII characters; a key that is
// there is replaced.
func (k *Keys) Import(ctx context.Context, key Key, secret string) error {
	if err := key.check(); err != nil {
		return err
	}
	if !validID.MatchString(key.ID) || !validSecret.MatchString(secret) {
		return fmt.Errorf("%w: its id must be 16 to 128 letters and digits, its secret 16 to 128 printable characters of ASCII", ErrInvalid)
	}
	key.Created, key.LastUsed = k.now().UTC(), time.Time{}
	return k.put(ctx, key, secret)
}

var (
	validID     = regexp.MustCompile(`^[A-Za-z0-9_]{16,128}$`)
	validSecret = regexp.MustCompile(`^[!-~]{16,128}$`)
)

func (k *Keys) put(ctx context.Context, key Key, secret string) error {
	sealed := k.box.Seal(purpose, []byte(key.ID+"\x00"+secret))
	return k.db.Update(ctx, func(tx kv.Tx) error {
		return k.table.Put(tx, key.ID, sealedKey{key, sealed}, time.Time{})
	})
}

// List returns all keys, oldest first.
func (k *Keys) List(ctx context.Context) ([]Key, error) {
	var list []Key
	err := k.db.View(ctx, func(tx kv.Tx) error {
		list = nil
		for r, err := range k.table.All(tx) {
			if err != nil {
				return err
			}
			list = append(list, r.Value.Key)
		}
		for i := range list {
			if err := k.readUsed(tx, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b Key) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// SetDisabled disables a key, or enables it again; or ErrNotFound.
func (k *Keys) SetDisabled(ctx context.Context, id string, disabled bool) (Key, error) {
	return k.change(ctx, id, func(tx kv.Tx, key sealedKey) (sealedKey, error) {
		key.Disabled = disabled
		return key, k.table.Put(tx, id, key, time.Time{})
	})
}

// Delete forgets a key; or ErrNotFound.
func (k *Keys) Delete(ctx context.Context, id string) (Key, error) {
	return k.change(ctx, id, func(tx kv.Tx, key sealedKey) (sealedKey, error) {
		return key, errors.Join(k.table.Delete(tx, id), k.used.Delete(tx, id))
	})
}

func (k *Keys) change(ctx context.Context, id string, change func(kv.Tx, sealedKey) (sealedKey, error)) (Key, error) {
	var key sealedKey
	err := k.db.Update(ctx, func(tx kv.Tx) (err error) {
		if key, err = k.table.Get(tx, id); err != nil {
			return err
		}
		if err = k.readUsed(tx, &key.Key); err != nil {
			return err
		}
		used := key.LastUsed
		key.LastUsed = time.Time{} // is in a table of its own
		key, err = change(tx, key)
		key.LastUsed = used
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		err = ErrNotFound
	}
	return key.Key, err
}

func (k *Keys) readUsed(tx kv.Tx, key *Key) error {
	used, err := k.used.Get(tx, key.ID)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	key.LastUsed = used
	return nil
}

// secret returns an enabled key with its secret; an *Error where there is none.
func (k *Keys) secret(ctx context.Context, id string) (Key, string, error) {
	var key sealedKey
	err := k.db.View(ctx, func(tx kv.Tx) (err error) {
		if key, err = k.table.Get(tx, id); err == nil {
			err = k.readUsed(tx, &key.Key)
		}
		return err
	})
	switch {
	case errors.Is(err, kv.ErrNotFound), err == nil && key.Disabled:
		return Key{}, "", refused(CodeUnknownKey, "The access key is not known to this server, or disabled.")
	case err != nil:
		return Key{}, "", err
	}
	plain, err := k.box.Open(purpose, key.Sealed)
	if err != nil {
		return Key{}, "", fmt.Errorf("the secret of the access key %s: %w", key.ID, err)
	}
	owner, secret, _ := bytes.Cut(plain, []byte{0})
	if string(owner) != key.ID {
		return Key{}, "", fmt.Errorf("the secret of the access key %s: %w", key.ID, crypt.ErrOpen)
	}
	return key.Key, string(secret), nil
}

// touch records that a key is used, at most once a minute.
func (k *Keys) touch(ctx context.Context, id string) error {
	now := k.now().UTC()
	recent := func(tx kv.Tx) (bool, error) {
		used, err := k.used.Get(tx, id)
		if errors.Is(err, kv.ErrNotFound) {
			return false, nil
		}
		return now.Sub(used) < touched, err
	}
	var fresh bool
	err := k.db.View(ctx, func(tx kv.Tx) (err error) {
		fresh, err = recent(tx)
		return err
	})
	if err != nil || fresh {
		return err
	}
	return k.db.Update(ctx, func(tx kv.Tx) error {
		if _, err := k.table.Get(tx, id); errors.Is(err, kv.ErrNotFound) {
			return nil // deleted meanwhile
		}
		return k.used.Put(tx, id, now, time.Time{})
	})
}
