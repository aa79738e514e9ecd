// Package upstream owns the upstream sign-in providers that administrators set
// up while a server runs, beside those of its configuration. They count from the
// next page on.
//
// Its records are
//
//	sign-in-provider 0x00 ID    a Provider, with its secret sealed
//
// One that is deleted leaves its issuer and kind: users stay linked to their accounts
// there by the ID, which no other issuer may have.
//
// It leaves to others: how people sign in through them (login).
package upstream

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
)

// A Provider is an OpenID Connect or SAML provider that people sign in through, as
// in login.Provider, without its secret.
type Provider struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Kind is "saml", or "" for OpenID Connect.
	Kind string `json:"kind,omitempty"`
	// Issuer is the entity ID of a SAML provider.
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"clientId,omitempty"`
	Scopes   []string `json:"scopes,omitempty"`
	Claims   Claims   `json:"claims,omitzero"`
	// Metadata is that of a SAML provider, as XML, or MetadataURL where it is.
	// Subject and SignRequests are login.SAML's.
	Metadata     string `json:"metadata,omitempty"`
	MetadataURL  string `json:"metadataUrl,omitempty"`
	Subject      string `json:"subject,omitempty"`
	SignRequests bool   `json:"signRequests,omitempty"`
	// LinkByEmail and CreateUsers are login.Provider's LinkByEmail and Create.
	LinkByEmail bool `json:"linkByEmail,omitempty"`
	CreateUsers bool `json:"createUsers,omitempty"`
}

// Claims are as in login.ClaimMapping.
type Claims struct {
	Username  string            `json:"username,omitempty"`
	Name      string            `json:"name,omitempty"`
	Email     string            `json:"email,omitempty"`
	FHIRUser  string            `json:"fhirUser,omitempty"`
	DataStore string            `json:"dataStore,omitempty"`
	Roles     string            `json:"roles,omitempty"`
	RoleOf    map[string]string `json:"roleOf,omitempty"`
}

// An Asked is a provider to be set up.
type Asked struct {
	Provider
	// ClientSecret is "" for a public client. Kept, without one, leaves the secret
	// that it has.
	ClientSecret string `json:"clientSecret,omitempty"`
	Kept         bool   `json:"kept,omitempty"`
}

// A Known is a provider that is set up. Its secret is not told.
type Known struct {
	Provider
	// Salt and Sum tell whether it has another secret, see Same; both are nil where
	// it has none.
	Salt []byte `json:"salt,omitempty"`
	Sum  []byte `json:"sum,omitempty"`
}

// Same reports whether a secret is the one that it has; "" for none.
func (k *Known) Same(secret string) bool {
	if secret == "" || k.Sum == nil {
		return secret == "" && k.Sum == nil
	}
	return hmac.Equal(k.Sum, sumOf(k.Salt, secret))
}

func sumOf(salt []byte, secret string) []byte {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(secret))
	return h.Sum(nil)
}

// A record is a provider as stored. Of a deleted one it has ID and Issuer.
type record struct {
	Provider
	// Sealed is the ID, a zero byte and the secret; nil without a secret.
	Sealed  []byte `json:"sealed,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
}

// purpose is what secrets are sealed for.
const purpose = "secret of a sign-in provider"

// A Book is the providers of a server. It is safe for concurrent use.
type Book struct {
	cfg   Config
	table kv.Table[record]

	changing sync.Mutex
}

// Config for Open. All of it is needed.
type Config struct {
	DB  kv.DB
	Box *crypt.Box
	// Configured are those of the configuration, which come first, and before those
	// of the records with the same ID.
	Configured []login.Provider
	// Serve is told of all that there are: at once, and after each change.
	Serve func([]login.Provider) error
}

// Open reads the providers of a server's records.
func Open(ctx context.Context, cfg Config) (*Book, error) {
	b := &Book{cfg: cfg, table: kv.NewTable[record]("sign-in-provider")}
	return b, b.refresh(ctx)
}

func (b *Book) refresh(ctx context.Context) error {
	list, err := b.records(ctx)
	if err != nil {
		return err
	}
	all := slices.Clone(b.cfg.Configured)
	for _, r := range list {
		if b.configured(r.ID) {
			continue
		}
		secret, err := b.secret(&r)
		if err != nil {
			return err
		}
		all = append(all, r.served(secret))
	}
	return b.cfg.Serve(all)
}

func (b *Book) configured(id string) bool {
	return slices.ContainsFunc(b.cfg.Configured, func(p login.Provider) bool { return p.ID == id })
}

// served is the provider as people sign in through it.
func (p *Provider) served(secret string) login.Provider {
	return login.Provider{
		ID: p.ID, Name: p.Name, Kind: p.Kind, Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: secret, Scopes: p.Scopes,
		SAML:   login.SAML{Metadata: p.Metadata, MetadataURL: p.MetadataURL, Subject: p.Subject, SignRequests: p.SignRequests},
		Claims: login.ClaimMapping(p.Claims), LinkByEmail: p.LinkByEmail, Create: p.CreateUsers,
	}
}

// secret opens the secret of a record; "" where it has none.
func (b *Book) secret(r *record) (string, error) {
	if r.Sealed == nil {
		return "", nil
	}
	plain, err := b.cfg.Box.Open(purpose, r.Sealed)
	if err != nil {
		return "", fmt.Errorf("the secret of the sign-in provider %s: %w", r.ID, err)
	}
	owner, secret, _ := strings.Cut(string(plain), "\x00")
	if owner != r.ID {
		return "", fmt.Errorf("the secret of the sign-in provider %s: %w", r.ID, crypt.ErrOpen)
	}
	return secret, nil
}

// records are those of the providers that there are, by ID.
func (b *Book) records(ctx context.Context) (list []record, err error) {
	err = b.cfg.DB.View(ctx, func(tx kv.Tx) error {
		list = nil
		for k, err := range b.table.All(tx) {
			if err != nil {
				return err
			}
			if !k.Value.Deleted {
				list = append(list, k.Value)
			}
		}
		return nil
	})
	return list, err
}

// List are the providers of the records, by ID.
func (b *Book) List(ctx context.Context) ([]Known, error) {
	records, err := b.records(ctx)
	list := []Known{}
	for _, r := range records {
		k, err := b.known(&r)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, err
}

func (b *Book) known(r *record) (Known, error) {
	k := Known{Provider: r.Provider}
	secret, err := b.secret(r)
	if err == nil && secret != "" {
		k.Salt = []byte(rand.Text())
		k.Sum = sumOf(k.Salt, secret)
	}
	return k, err
}

// Put sets a provider up, in the place of what it was. It is refused where it
// cannot be used as it is, where the configuration has it, and where the ID was
// another issuer's: its users would be taken for those of the other.
func (b *Book) Put(ctx context.Context, asked Asked) (Known, error) {
	if err := asked.Check(); err != nil {
		return Known{}, err
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	if b.configured(asked.ID) {
		return Known{}, fhir.Errorf(fhir.KindConflict, "the sign-in provider %q is in tarn.yaml, under providers; change it there, or take it out of there first", asked.ID)
	}
	next := record{Provider: asked.Provider}
	if asked.ClientSecret != "" {
		next.Sealed = b.cfg.Box.Seal(purpose, []byte(asked.ID+"\x00"+asked.ClientSecret))
	}
	err := b.cfg.DB.Update(ctx, func(tx kv.Tx) error {
		before, err := b.table.Get(tx, asked.ID)
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if err := before.follows(&asked); err != nil {
			return err
		}
		if asked.Kept {
			next.Sealed = before.Sealed
		}
		return b.table.Put(tx, asked.ID, next, time.Time{})
	})
	if err == nil {
		err = b.refresh(ctx)
	}
	if err != nil {
		return Known{}, err
	}
	return b.known(&next)
}

// follows refuses what must not come after a record, which is the zero value
// where there is none.
func (r *record) follows(asked *Asked) error {
	if r.Issuer != "" && r.Kind != asked.Kind {
		return fhir.Errorf(fhir.KindConflict, "the sign-in provider %q is of another kind, and users are linked to their accounts there; give the new one another id", asked.ID)
	}
	if r.Issuer != "" && r.Issuer != asked.Issuer {
		return fhir.Errorf(fhir.KindConflict, "the sign-in provider %q is of the issuer %s, where users have the accounts that they are linked to; give that of %s another id", asked.ID, r.Issuer, asked.Issuer)
	}
	if asked.Kept && (r.ID == "" || r.Deleted) {
		return fhir.Errorf(fhir.KindInvalid, "the sign-in provider %q has no secret yet that could be kept; say where it is", asked.ID)
	}
	return nil
}

// maxText bounds texts, in bytes.
const maxText = 2048

// Check refuses a provider that cannot be used as it is.
func (a *Asked) Check() error {
	p := a.served(a.ClientSecret)
	if err := p.Check(); err != nil {
		return fhir.Errorf(fhir.KindInvalid, "the sign-in provider %q: %v", a.ID, err)
	}
	u, err := url.Parse(a.Issuer)
	switch {
	case a.Kind != login.KindSAML && (err != nil || u.User != nil):
		return fhir.Errorf(fhir.KindInvalid, "the sign-in provider %q: the issuer must not have a user in it", a.ID)
	case a.Kept && a.ClientSecret != "":
		return fhir.Errorf(fhir.KindInvalid, "the sign-in provider %q has a new secret, and is to keep the one that it has; say one of both", a.ID)
	case (a.Claims.Roles == "") != (len(a.Claims.RoleOf) == 0):
		return fhir.Errorf(fhir.KindInvalid, "the sign-in provider %q: claims.roles names the claim, and claims.roleOf which roles its values stand for; give both or none", a.ID)
	case a.Claims.DataStore != "" && a.Claims.FHIRUser == "":
		return fhir.Errorf(fhir.KindInvalid, "the sign-in provider %q: claims.dataStore says of which data store claims.fhirUser is; give that too", a.ID)
	}
	if a.Kind == login.KindSAML && a.Kept {
		return fhir.Errorf(fhir.KindInvalid, "the sign-in provider %q is one of SAML, which has no secret", a.ID)
	}
	for _, text := range slices.Concat([]string{a.Name, a.Issuer, a.ClientID, a.ClientSecret, a.MetadataURL, a.Subject}, a.Scopes) {
		if len(text) > maxText {
			return fhir.Errorf(fhir.KindInvalid, "the sign-in provider %q has a text of more than %d bytes", a.ID, maxText)
		}
	}
	for _, s := range a.Scopes {
		if s == "" || strings.ContainsAny(s, " \t\r\n\"\\") {
			return fhir.Errorf(fhir.KindInvalid, "the sign-in provider %q: %q is not one scope (RFC 6749 section 3.3)", a.ID, s)
		}
	}
	return nil
}

// Delete forgets a provider, but for its issuer. Nobody signs in through it from
// then on; sessions and what apps were given stay.
func (b *Book) Delete(ctx context.Context, id string) (known Known, err error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	var r record
	err = b.cfg.DB.Update(ctx, func(tx kv.Tx) error {
		if r, err = b.table.Get(tx, id); err != nil {
			return err
		}
		if r.Deleted {
			return kv.ErrNotFound
		}
		return b.table.Put(tx, id, record{Provider: Provider{ID: r.ID, Kind: r.Kind, Issuer: r.Issuer}, Deleted: true}, time.Time{})
	})
	if errors.Is(err, kv.ErrNotFound) {
		return known, fhir.Errorf(fhir.KindNotFound, "there is no sign-in provider %q; those of tarn.yaml are not deleted here", id)
	}
	if err == nil {
		err = b.refresh(ctx)
	}
	return Known{Provider: r.Provider}, err
}
