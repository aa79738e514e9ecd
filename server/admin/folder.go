package admin

import (
	"context"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/login/saml"
	"github.com/tarnhealth/tarn/server/backups"
	"github.com/tarnhealth/tarn/server/guides"
	"github.com/tarnhealth/tarn/server/roles"
	"github.com/tarnhealth/tarn/server/subscribing"
	"github.com/tarnhealth/tarn/server/upstream"
	"github.com/tarnhealth/tarn/server/vault"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

// A Folder is an open data folder that is administered. All members are needed
// but Role.
type Folder struct {
	Dir     string
	Catalog *datastore.Catalog
	Guides  *guides.Service
	APIKeys *apikey.Keys
	Vault   *vault.Vault
	Stages  *backups.Stages
	// Authority opens what says who callers are.
	Authority func() (*Authority, error)
	// Record runs a request that changes something, and records it.
	Record func(c Change, run func() (any, error)) (any, error)
	// Rewrite writes the files of a data store, or of vault.Records, anew.
	Rewrite func(ctx context.Context, owner string) error
	// Adopt has place put storage that is there into the place of that of the
	// data store id, which is about to be made; nil ends that.
	Adopt func(id string, place func(context.Context) error)
	// Roles are the roles that are kept in the folder.
	Roles *roles.Book
	// Subscriptions are those that set-ups have asked for.
	Subscriptions *subscribing.Applied
	// Role refuses a role of access keys that means nothing by the configuration;
	// nil refuses none, where no server runs and no configuration is known.
	Role func(name string) error
	// KeyRefusal explains an error that comes of the master key in a file; other
	// errors stay as they are.
	KeyRefusal func(masterKeyFile string, err error) error
}

// An Authority is what says who callers are.
type Authority struct {
	Users      *login.Directory
	SMART      *smart.Service
	Keys       *token.Keys
	AccessKeys *sigv4.Keys
	// Providers are the upstream sign-in providers that are kept in the folder.
	Providers *upstream.Book
	// SAMLKeys are the keys of sign-in by SAML.
	SAMLKeys *saml.Keys
	// Policy is what the configuration says about access to a data store.
	Policy func(*datastore.Store) *authz.Policy
}

// A Change is a request that changes something.
type Change struct {
	// Pattern is its kind, as in "DELETE /users/{id}".
	Pattern string
	// Path is what it is about.
	Path string
}
