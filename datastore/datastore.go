// Package datastore owns the one door: a data store is definitions, validator,
// search parameters and a resource store, and only Store hands out views of it
// and takes commits, each under an authz.Access. The Catalog holds the data
// stores of a server.
//
// It leaves to others: HTTP (rest), the layout of versions and entries (the
// backends), and the decision itself (authz).
package datastore

import (
	"context"
	"iter"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/validate"
)

// A Store is one data store. It is safe for concurrent use.
type Store struct {
	record    Record
	registry  *search.Registry
	validator *validate.Validator
	backend   store.Store
	pageKey   []byte
	base      string
	now       func() time.Time
	newID     func() string
}

// A Record is what the catalog keeps of a data store.
type Record struct {
	// ID is 32 lower-case hex digits, or "default" for the first one.
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Release string    `json:"release"` // "R4"
	Status  Status    `json:"status"`
	Created time.Time `json:"created"`
	// Deleted is zero while the data store exists.
	Deleted time.Time `json:"deleted,omitzero"`
}

// Status is a data store's state, in HealthLake's words.
type Status string

// The states.
const (
	StatusCreating Status = "CREATING"
	StatusActive   Status = "ACTIVE"
	StatusDeleting Status = "DELETING"
	StatusDeleted  Status = "DELETED"
)

// Record describes the data store.
func (s *Store) Record() Record { return s.record }

// Definitions are the data store's FHIR definitions.
func (s *Store) Definitions() *definition.Set { return s.registry.Definitions }

// Registry is the data store's compiled search parameters.
func (s *Store) Registry() *search.Registry { return s.registry }

// Base is the data store's base URL without a trailing slash.
func (s *Store) Base() string { return s.base }

// PageKey is the secret that page links of the data store are signed with.
func (s *Store) PageKey() []byte { return s.pageKey }

// Parse reads a resource in JSON against the data store's definitions.
func (s *Store) Parse(src []byte) (*fhir.Tree, error) {
	return fhir.Parse(s.Definitions().Schema, src, fhir.DefaultLimits)
}

// Validate returns the issues of a resource; see validate.Validator.
func (s *Store) Validate(tree *fhir.Tree) []fhir.Issue { return s.validator.Validate(tree) }

// An Op is one write that a caller asks for.
type Op struct {
	// Interaction is authz.Create, authz.Update or authz.Delete.
	Interaction authz.Interaction
	Type        string
	// ID is the id of the request's URL; "" for create and for conditional
	// interactions.
	ID string
	// Criteria are the search of a conditional interaction: If-None-Exist for
	// create, the URL's query for update and delete. Nil where unconditional;
	// empty and not nil where conditional without criteria, which is refused.
	Criteria []search.Pair
	// IfMatch is the version number of If-Match, "" for none.
	IfMatch string
	// IfNoneMatch is set for If-None-Match: *.
	IfNoneMatch bool
	// Resource is the submitted resource; nil for delete.
	Resource *fhir.Tree
	// FullURL is the Bundle entry's, "" outside a transaction.
	FullURL string
}

// An Outcome is what one Op came to.
type Outcome struct {
	// Status is the HTTP status: 200, 201, 204.
	Status int
	// Version is the version that is current now. For a delete of something
	// that is not there it has no Type.
	Version store.Version
	// Issues are warnings of validation.
	Issues []fhir.Issue
}

// Commit carries out the ops of one interaction or one transaction, all or
// nothing. In a transaction (more than one op, or any FullURL) references by
// FullURL and conditional references are resolved, and an error's issues are
// located by "Bundle.entry[i]", where i is the op's place in entries (nil
// where ops stand for themselves).
func (s *Store) Commit(ctx context.Context, access authz.Access, ops []Op, entries []int) ([]Outcome, error) {
	panic("not implemented")
}

// View opens the data store as of t (0: now) for one caller.
func (s *Store) View(ctx context.Context, access authz.Access, t store.T) (*View, error) {
	panic("not implemented")
}

// A View is a data store at one logical time, as one caller may see it. It
// must be closed.
type View struct {
	store  *Store
	access authz.Access
	view   store.View
}

// T is the view's logical time.
func (v *View) T() store.T { return v.view.T() }

// Close frees the view.
func (v *View) Close() { v.view.Close() }

// Read returns the current version of a resource: KindNotFound where there is
// none, KindGone where it is deleted.
func (v *View) Read(ctx context.Context, resourceType, id string) (store.Version, error) {
	panic("not implemented")
}

// VRead returns one version: KindGone where that version is a deletion.
func (v *View) VRead(ctx context.Context, resourceType, id, version string) (store.Version, error) {
	panic("not implemented")
}

// History yields versions, newest first. KindNotFound for an instance that
// never existed.
func (v *View) History(ctx context.Context, q store.History) (iter.Seq2[store.Version, error], error) {
	panic("not implemented")
}

// Search returns one page of the matches of a query.
func (v *View) Search(ctx context.Context, q *search.Query, page store.Page) (store.Result, error) {
	panic("not implemented")
}

// Include yields what a query's _include and _revinclude add to a page's
// matches, each resource once and none that is among the matches.
func (v *View) Include(ctx context.Context, q *search.Query, matches []store.Version) iter.Seq2[store.Version, error] {
	panic("not implemented")
}

// Options for Open.
type Options struct {
	// Dir is the data folder.
	Dir string
	// BaseURL is the server's own, such as "http://127.0.0.1:8080", for the
	// base URLs of data stores.
	BaseURL string
}

// A Catalog is the data stores of a server, in one data folder.
type Catalog struct{}

// Open opens a data folder, making it where it is not there.
func Open(ctx context.Context, opt Options) (*Catalog, error) { panic("not implemented") }

// Create makes a data store. id is "" for a generated one.
func (c *Catalog) Create(ctx context.Context, id, name string) (*Store, error) {
	panic("not implemented")
}

// Store returns an active data store, or KindNotFound.
func (c *Catalog) Store(id string) (*Store, error) { panic("not implemented") }

// List describes all data stores, oldest first, deleted ones of the last seven
// days included.
func (c *Catalog) List(ctx context.Context) ([]Record, error) { panic("not implemented") }

// Describe returns one data store's record, or KindNotFound.
func (c *Catalog) Describe(ctx context.Context, id string) (Record, error) { panic("not implemented") }

// Delete closes a data store and removes its files.
func (c *Catalog) Delete(ctx context.Context, id string) (Record, error) { panic("not implemented") }

// Close closes every data store.
func (c *Catalog) Close() error { panic("not implemented") }
