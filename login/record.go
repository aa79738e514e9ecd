package login

import (
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/tarnhealth/tarn/kv"
)

// A record is a user with what proves who they are.
type record struct {
	User
	Password  string    `json:"password,omitempty"` // PHC string of argon2id
	ChangedAt time.Time `json:"changedAt,omitzero"`
	// Until is when a temporary password ends; zero is never.
	Until time.Time `json:"until,omitzero"`
	// Stamp changes with the password and the factors. A sign-in that began
	// before does not go on.
	Stamp    int64     `json:"stamp"`
	TOTP     []byte    `json:"totp,omitempty"` // sealed
	TOTPStep int64     `json:"totpStep,omitempty"`
	Recovery []string  `json:"recovery,omitempty"` // digests
	Passkeys []passkey `json:"passkeys,omitempty"`
	Links    []Link    `json:"links,omitempty"`
	Sessions []string  `json:"sessions,omitempty"` // ids; some may be over
}

// A passkey is a WebAuthn credential of a user.
type passkey struct {
	Credential webauthn.Credential `json:"credential"`
	Name       string              `json:"name"`
	Created    time.Time           `json:"created"`
	Used       time.Time           `json:"used,omitzero"`
}

// Tables. Names and e-mail addresses share one, so that no user's name is
// another's address.
var (
	userTable    = kv.NewTable[record]("login_user")
	nameTable    = kv.NewTable[string]("login_name")
	linkTable    = kv.NewTable[string]("login_link")
	passkeyTable = kv.NewTable[string]("login_passkey")
)

func linkKey(provider, subject string) string { return provider + "\x00" + subject }

func passkeyKey(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

// names are the keys that a user is found by.
func (r *record) names() ([]string, error) {
	var keys []string
	for _, name := range []string{r.Username, r.Email} {
		if name == "" {
			continue
		}
		key, err := fold(name)
		if err != nil {
			return nil, wrong("username", "user.username", maxLogin)
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func (r *record) factors() Factors {
	f := Factors{Password: r.Password != "", TOTP: len(r.TOTP) > 0, Recovery: len(r.Recovery), Links: r.Links}
	for _, p := range r.Passkeys {
		f.Passkeys = append(f.Passkeys, PasskeyInfo{ID: passkeyKey(p.Credential.ID), Name: p.Name, Created: p.Created, Used: p.Used})
	}
	return f
}

func getUser(tx kv.Tx, id string) (*record, error) {
	r, err := userTable.Get(tx, id)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, ErrNotFound
	}
	return &r, err
}

// findUser finds a user by name or e-mail address.
func findUser(tx kv.Tx, name string) (*record, error) {
	key, err := fold(name)
	if err != nil {
		return nil, ErrNotFound
	}
	id, err := nameTable.Get(tx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return getUser(tx, id)
}

// putUser stores a user and keeps what they are found by in step. old is what
// was stored before, nil for a new one.
func putUser(tx kv.Tx, old, r *record) error {
	if err := r.check(); err != nil {
		return err
	}
	keys, err := r.names()
	if err != nil {
		return err
	}
	if old != nil {
		if err := dropIndex(tx, old); err != nil {
			return err
		}
	}
	for _, key := range keys {
		if err := claim(tx, nameTable, key, r.ID); err != nil {
			return err
		}
	}
	for _, l := range r.Links {
		if err := claim(tx, linkTable, linkKey(l.Provider, l.Subject), r.ID); err != nil {
			return err
		}
	}
	for _, p := range r.Passkeys {
		if err := claim(tx, passkeyTable, passkeyKey(p.Credential.ID), r.ID); err != nil {
			return err
		}
	}
	return userTable.Put(tx, r.ID, *r, time.Time{})
}

// claim gives a key to a user, or fails with ErrTaken.
func claim(tx kv.Tx, table kv.Table[string], key, id string) error {
	owner, err := table.Get(tx, key)
	if err == nil && owner != id {
		return ErrTaken
	}
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	return table.Put(tx, key, id, time.Time{})
}

func dropIndex(tx kv.Tx, r *record) error {
	keys, err := r.names()
	if err != nil {
		return err
	}
	for _, key := range keys {
		err = errors.Join(err, nameTable.Delete(tx, key))
	}
	for _, l := range r.Links {
		err = errors.Join(err, linkTable.Delete(tx, linkKey(l.Provider, l.Subject)))
	}
	for _, p := range r.Passkeys {
		err = errors.Join(err, passkeyTable.Delete(tx, passkeyKey(p.Credential.ID)))
	}
	return err
}
