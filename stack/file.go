package stack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/server/roles"
	"github.com/tarnhealth/tarn/server/upstream"
	"github.com/tarnhealth/tarn/smart"
)

// A File is what there is to be. A list that is nil is not this file's business:
// what is there of it stays, also where a Plan prunes.
type File struct {
	Roles      []roles.Role `json:"roles,omitempty"`
	DataStores []DataStore  `json:"dataStores,omitempty"`
	// IdentityProviders are those that users sign in through.
	IdentityProviders []IdentityProvider `json:"identityProviders,omitempty"`
	Users             []User             `json:"users,omitempty"`
	Clients           []Client           `json:"clients,omitempty"`
	AccessKeys        []AccessKey        `json:"accessKeys,omitempty"`
	APIKeys           []APIKey           `json:"apiKeys,omitempty"`
}

// A DataStore is known by its ID.
type DataStore struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// KMSKey is the customer's key that it is encrypted with; "" for the server's
	// own.
	KMSKey string `json:"kmsKey,omitempty"`
	// Identity is how it knows its callers; nil for the server's own
	// authorization server.
	Identity *datastore.IdentityProvider `json:"identity,omitempty"`
	// Guides are those that it uses of its own, and GuideSettings how it uses all
	// of them; nil where that is not the file's business.
	Guides        []Guide        `json:"guides,omitempty"`
	GuideSettings *GuideSettings `json:"guideSettings,omitempty"`
	// Subscriptions are those that a file has asked for; nil where they are not
	// the file's business.
	Subscriptions []Subscription `json:"subscriptions,omitempty"`
}

// A User is known by the Username.
type User struct {
	Username string `json:"username"`
	Name     string `json:"name"`
	Email    string `json:"email,omitempty"`
	// NoPassword makes a user who signs in through a provider. Others get a
	// temporary password, which applying shows once.
	NoPassword bool            `json:"noPassword,omitempty"`
	Disabled   bool            `json:"disabled,omitempty"`
	Roles      []string        `json:"roles,omitempty"`
	Profiles   []login.Profile `json:"profiles,omitempty"`
}

// A Client is known by its ID. Applying shows the secret of a new one once.
type Client struct {
	smart.Client
	// The lifetimes are written as in "1h30m".
	AccessLifetime  Duration `json:"accessLifetime,omitzero"`
	RefreshLifetime Duration `json:"refreshLifetime,omitzero"`
	// What the server says is not part of a file.
	Registered *said `json:"registered,omitempty"`
	Created    *said `json:"created,omitempty"`
	Updated    *said `json:"updated,omitempty"`
}

// said is what a file may not have.
type said struct{}

// UnmarshalJSON refuses any value.
func (*said) UnmarshalJSON([]byte) error {
	return errors.New("registered, created and updated are what the server says; leave them out")
}

// An AccessKey signs requests to the control API. It is known by its Name;
// applying shows the secret of a new one once.
type AccessKey struct {
	Name       string   `json:"name"`
	Role       string   `json:"role"`
	DataStores []string `json:"dataStores,omitempty"`
	Disabled   bool     `json:"disabled,omitempty"`
}

// An APIKey is known by its Name; applying shows the value of a new one once.
type APIKey struct {
	Name       string   `json:"name"`
	Client     string   `json:"client,omitempty"`
	DataStores []string `json:"dataStores,omitempty"`
	apikey.Plan
	Disabled bool `json:"disabled,omitempty"`
}

// A Duration is a time.Duration in words: "1h30m".
type Duration time.Duration

// MarshalJSON writes "1h30m0s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads "1h30m".
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is no time; write one with its unit, such as 1h30m", text)
	}
	parsed, err := time.ParseDuration(s)
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is no time; write one with its unit, such as 1h30m", s)
	}
	*d = Duration(parsed)
	return nil
}

// Read reads a file in YAML, of which JSON is a part. All that is wrong is in
// the error, one line each.
func Read(text []byte) (*File, error) {
	converted, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(converted, &sections); err != nil || sections == nil {
		return nil, errors.New("the file has no sections; write roles, dataStores, identityProviders, users, clients, accessKeys or apiKeys, each a list")
	}
	f := &File{}
	var errs []error
	read := map[string]func(json.RawMessage) error{
		"roles":      func(m json.RawMessage) error { return section(m, "roles", &f.Roles, roleKey) },
		"dataStores": func(m json.RawMessage) error { return section(m, "dataStores", &f.DataStores, DataStore.key) },
		"identityProviders": func(m json.RawMessage) error {
			return section(m, "identityProviders", &f.IdentityProviders, IdentityProvider.key)
		},
		"users":      func(m json.RawMessage) error { return section(m, "users", &f.Users, User.key) },
		"clients":    func(m json.RawMessage) error { return section(m, "clients", &f.Clients, Client.key) },
		"accessKeys": func(m json.RawMessage) error { return section(m, "accessKeys", &f.AccessKeys, AccessKey.key) },
		"apiKeys":    func(m json.RawMessage) error { return section(m, "apiKeys", &f.APIKeys, APIKey.key) },
	}
	for name, content := range sections {
		if read[name] == nil {
			errs = append(errs, fmt.Errorf("%s is no section; there are roles, dataStores, identityProviders, users, clients, accessKeys and apiKeys", name))
			continue
		}
		errs = append(errs, read[name](content))
	}
	return f, errors.Join(append(errs, f.check())...)
}

// check tells what is wrong with single things, so that it is known before
// anything is changed.
func (f *File) check() error {
	var errs []error
	for i := range f.Roles {
		errs = append(errs, f.Roles[i].Check())
	}
	for i := range f.IdentityProviders {
		if f.IdentityProviders[i].MetadataFile != "" { // checked when that is read
			continue
		}
		asked := upstream.Asked{Provider: f.IdentityProviders[i].Provider}
		errs = append(errs, asked.Check())
	}
	for _, d := range f.DataStores {
		if d.Identity == nil {
			continue
		}
		if err := d.Identity.Check(); err != nil {
			errs = append(errs, fmt.Errorf("data store %s, identity: %w", d.ID, err))
		}
	}
	return errors.Join(errs...)
}

// section reads the items of a section, each of which must have a key of its
// own.
func section[T any](content json.RawMessage, name string, into *[]T, key func(T) string) error {
	var items []json.RawMessage
	if err := json.Unmarshal(content, &items); err != nil {
		return fmt.Errorf("%s is no list", name)
	}
	list := make([]T, 0, len(items))
	var errs []error
	seen := map[string]bool{}
	for i, item := range items {
		var one T
		decoder := json.NewDecoder(bytes.NewReader(item))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&one); err != nil && !errors.Is(err, io.EOF) {
			errs = append(errs, fmt.Errorf("%s, item %d: %w", name, i+1, err))
			continue
		}
		switch k := key(one); {
		case k == "":
			errs = append(errs, fmt.Errorf("%s, item %d: it has no name to know it by; see `tarn apply --help`", name, i+1))
		case seen[k]:
			errs = append(errs, fmt.Errorf("%s, item %d: %s is there twice", name, i+1, k))
		default:
			seen[k] = true
		}
		list = append(list, one)
	}
	*into = list
	return errors.Join(errs...)
}

func roleKey(r roles.Role) string { return r.Name }

func (d DataStore) key() string { return d.ID }
func (u User) key() string      { return u.Username }
func (c Client) key() string    { return c.ID }
func (k AccessKey) key() string { return k.Name }
func (k APIKey) key() string    { return k.Name }

// YAML writes a file as Read reads it.
func (f *File) YAML() ([]byte, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(text)
}
