// Package client owns the registered clients of the authorization server: apps
// and services, what they may do, and where answers to them may go.
//
// It leaves to others: how a client proves who it is, and dynamic registration
// (smart).
package client

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/smart/opaque"
)

// A Type says how an app proves that it is itself.
type Type string

// The client types. http://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr
const (
	Public     Type = "public"
	Symmetric  Type = "confidential-symmetric"
	Asymmetric Type = "confidential-asymmetric"
	// TLS is for clients with a certificate that an authority of the server's
	// signed, SelfSigned for those with one of their own.
	TLS          Type = "confidential-tls"
	SelfSigned   Type = "confidential-self-signed-tls"
	AllStores         = "*"
	GrantCode         = "authorization_code"
	GrantRefresh      = "refresh_token"
	GrantClient       = "client_credentials"
)

// A Client is one registered app or service. It holds no secret.
type Client struct {
	ID   string `json:"id"`
	Type Type   `json:"type"`
	// Name and Publisher are shown to users.
	Name      string `json:"name"`
	Publisher string `json:"publisher,omitempty"`
	// LogoURL is shown where it is a data: URL of a PNG, JPEG, GIF or WebP
	// image of up to 64 kB; pages load nothing from other servers.
	LogoURL   string `json:"logoUrl,omitempty"`
	PolicyURL string `json:"policyUrl,omitempty"`
	TermsURL  string `json:"termsUrl,omitempty"`
	// Contacts are e-mail addresses of those who run the app.
	Contacts []string `json:"contacts,omitempty"`

	// RedirectURIs are where answers may go, compared as text. LogoutURIs are
	// where the browser may go after a sign-out that the app began.
	RedirectURIs []string `json:"redirectUris,omitempty"`
	LogoutURIs   []string `json:"logoutUris,omitempty"`
	// LaunchURL is where an EHR starts the app; the console offers it.
	LaunchURL string `json:"launchUrl,omitempty"`
	// Origins may call from browsers, "https://app.example.com".
	Origins []string `json:"origins,omitempty"`

	// Certificate says which certificate is that of a TLS client.
	Certificate *Certificate `json:"certificate,omitempty"`
	// BindTokens binds tokens to the certificate of the connection for other
	// confidential clients too: those with certificates always have such.
	BindTokens bool `json:"bindTokens,omitempty"`

	// JWKS or JWKSURL has the public keys of an asymmetric client, and the
	// certificates (x5c) of a self-signed one.
	JWKS    json.RawMessage `json:"jwks,omitempty"`
	JWKSURL string          `json:"jwksUrl,omitempty"`

	// Scopes is the most that the app may be granted, as a scope string.
	Scopes string `json:"scopes"`
	// Grants are the grant types that it may use: authorization_code,
	// refresh_token, client_credentials.
	Grants []string `json:"grants"`
	// DataStores are the ids of the data stores that it may use; AllStores
	// for every one.
	DataStores []string `json:"dataStores"`

	// AccessLifetime and RefreshLifetime are how long its tokens live; 0 for
	// the server's defaults.
	AccessLifetime  time.Duration `json:"accessLifetime,omitempty"`
	RefreshLifetime time.Duration `json:"refreshLifetime,omitempty"`

	// MayLaunch lets it issue launch tokens (an EHR), MayIntrospect lets it
	// introspect tokens of others (a resource server), MayMint lets it mint
	// tokens for any user or patient (administration and tests).
	MayLaunch     bool `json:"mayLaunch,omitempty"`
	MayIntrospect bool `json:"mayIntrospect,omitempty"`
	MayMint       bool `json:"mayMint,omitempty"`
	// Trusted leaves out the consent page: an app of the organization itself.
	Trusted bool `json:"trusted,omitempty"`
	// RequirePAR takes authorization requests only by /auth/par, and
	// RequireDPoP issues only tokens that are bound to a key.
	RequirePAR  bool `json:"requirePar,omitempty"`
	RequireDPoP bool `json:"requireDpop,omitempty"`
	// Registered is set where the app registered itself.
	Registered bool `json:"registered,omitempty"`

	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// A Record is what is stored of a client, under "smart-client" 0x00 ID.
type Record struct {
	Client
	// Secret is the hash of the client's secret, Registration that of its
	// registration access token.
	Secret       string `json:"secret,omitempty"`
	Registration string `json:"registration,omitempty"`
}

var (
	clientTable = kv.NewTable[Record]("smart-client")
	// originTable has the ids of the clients of each origin.
	originTable = kv.NewTable[[]string]("smart-origin")

	validClientID = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)
)

// A Registry keeps the clients of a server. All fields are needed.
type Registry struct {
	DB  kv.DB
	Now func() time.Time
	// CheckScopes says what is wrong with a client's scopes, CheckTLS with how
	// it proves who it is by a certificate; nil if nothing.
	CheckScopes func(scopes string) error
	CheckTLS    func(*Client) error
	// Removed ends the tokens of a client that is being removed.
	Removed func(tx kv.Tx, id string) error
}

// Add registers a client. An empty ID is filled in. For a symmetric client the
// secret is returned, once; only its hash is kept. Problems are of KindInvalid,
// a taken ID of KindConflict.
func (c *Registry) Add(ctx context.Context, client Client) (Client, string, error) {
	record := Record{Client: client}
	secret, err := c.AddRecord(ctx, &record, nil)
	return record.Client, secret, err
}

// AddRecord is Add with what else is stored. with, if not nil, is called where
// the record is found right, in the transaction that stores it.
func (c *Registry) AddRecord(ctx context.Context, record *Record, with func(kv.Tx) error) (secret string, err error) {
	if record.ID == "" {
		record.ID = opaque.ID()
	}
	record.Created = c.Now().UTC()
	record.Updated = record.Created
	if err := c.check(&record.Client); err != nil {
		return "", err
	}
	if record.Type == Symmetric {
		secret = opaque.New()
		record.Secret = opaque.Key(secret)
	}
	err = c.DB.Update(ctx, func(tx kv.Tx) error {
		_, err := clientTable.Get(tx, record.ID)
		if err == nil {
			return fhir.Errorf(fhir.KindConflict, "a client %q is registered", record.ID)
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if with != nil {
			if err := with(tx); err != nil {
				return err
			}
		}
		return putClient(tx, nil, *record)
	})
	return secret, err
}

// List returns all clients in the order of their ids.
func (c *Registry) List(ctx context.Context) ([]Client, error) {
	var list []Client
	err := c.DB.View(ctx, func(tx kv.Tx) error {
		list = list[:0]
		for r, err := range clientTable.All(tx) {
			if err != nil {
				return err
			}
			list = append(list, r.Value.Client)
		}
		return nil
	})
	return list, err
}

// Show returns one client, or an error of KindNotFound.
func (c *Registry) Show(ctx context.Context, id string) (Client, error) {
	record, err := c.Record(ctx, id)
	return record.Client, err
}

// Update replaces what is registered of a client; its type and secret stay.
func (c *Registry) Update(ctx context.Context, client Client) (Client, error) {
	err := c.change(ctx, client.ID, func(record *Record) error {
		client.Type, client.Created, client.Registered = record.Type, record.Created, record.Registered
		record.Client = client
		return c.check(&record.Client)
	})
	if err != nil {
		return client, err
	}
	return c.Show(ctx, client.ID)
}

// RotateSecret gives a symmetric client a new secret and returns it, once.
// The old one is good no more.
func (c *Registry) RotateSecret(ctx context.Context, id string) (string, error) {
	secret := opaque.New()
	err := c.change(ctx, id, func(record *Record) error {
		if record.Type != Symmetric {
			return fhir.Errorf(fhir.KindInvalid, "the client %q is %s and has no secret", id, record.Type)
		}
		record.Secret = opaque.Key(secret)
		return nil
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// Remove forgets a client. All its tokens are good no more.
func (c *Registry) Remove(ctx context.Context, id string) error {
	return c.DB.Update(ctx, func(tx kv.Tx) error {
		old, err := clientTable.Get(tx, id)
		if errors.Is(err, kv.ErrNotFound) {
			return noSuchClient(id)
		}
		if err != nil {
			return err
		}
		if err := c.Removed(tx, id); err != nil {
			return err
		}
		if err := putOrigins(tx, id, old.Origins, nil); err != nil {
			return err
		}
		return clientTable.Delete(tx, id)
	})
}

// change edits a client's record.
func (c *Registry) change(ctx context.Context, id string, edit func(*Record) error) error {
	return c.DB.Update(ctx, func(tx kv.Tx) error {
		old, err := clientTable.Get(tx, id)
		if errors.Is(err, kv.ErrNotFound) {
			return noSuchClient(id)
		}
		if err != nil {
			return err
		}
		record := old
		if err := edit(&record); err != nil {
			return err
		}
		record.Updated = c.Now().UTC()
		return putClient(tx, old.Origins, record)
	})
}

func putClient(tx kv.Tx, oldOrigins []string, record Record) error {
	if err := putOrigins(tx, record.ID, oldOrigins, record.Origins); err != nil {
		return err
	}
	return clientTable.Put(tx, record.ID, record, time.Time{})
}

// putOrigins takes a client's old origins out of the table and puts its new
// ones in.
func putOrigins(tx kv.Tx, id string, old, new []string) error {
	for _, origin := range append(slices.Clone(old), new...) {
		ids, err := originTable.Get(tx, origin)
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		ids = slices.DeleteFunc(ids, func(one string) bool { return one == id })
		if slices.Contains(new, origin) {
			ids = append(ids, id)
		}
		if len(ids) == 0 {
			err = originTable.Delete(tx, origin)
		} else {
			err = originTable.Put(tx, origin, ids, time.Time{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Record returns all that is stored of a client, or an error of KindNotFound.
func (c *Registry) Record(ctx context.Context, id string) (Record, error) {
	var record Record
	err := c.DB.View(ctx, func(tx kv.Tx) (err error) {
		record, err = clientTable.Get(tx, id)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return record, noSuchClient(id)
	}
	return record, err
}

// AllowsOrigin reports whether some client lives at an origin.
func (c *Registry) AllowsOrigin(ctx context.Context, origin string) (bool, error) {
	if origin == "" || origin == "null" {
		return false, nil
	}
	known := false
	err := c.DB.View(ctx, func(tx kv.Tx) error {
		_, err := originTable.Get(tx, origin)
		known = err == nil
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		return err
	})
	return known, err
}

func noSuchClient(id string) error {
	return fhir.Errorf(fhir.KindNotFound, "no client %q is registered", id)
}

// MayUse reports whether the client may use a data store.
func (c *Client) MayUse(dataStore string) bool {
	return slices.Contains(c.DataStores, dataStore) || slices.Contains(c.DataStores, AllStores)
}

// BindsCertificate reports whether the client's tokens are bound to the
// certificate of the connection that it asks for them on.
func (c *Client) BindsCertificate() bool {
	return c.Type == TLS || c.Type == SelfSigned || c.BindTokens
}

// Uses reports whether the client may use a grant type.
func (c *Client) Uses(grant string) bool { return slices.Contains(c.Grants, grant) }
