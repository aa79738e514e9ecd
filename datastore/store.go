package datastore

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/datastore/consented"
	"github.com/tarnhealth/tarn/datastore/defined"
	"github.com/tarnhealth/tarn/datastore/linked"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/closure"
	"github.com/tarnhealth/tarn/validate"
)

// A Store is one data store. It is safe for concurrent use.
type Store struct {
	record    Record
	identity  atomic.Pointer[IdentityProvider]
	params    *searchParams
	validator *validate.Validator
	guided    atomic.Pointer[guided]
	// backend is the storage as consents and links watch it.
	backend  store.Store
	consents *consented.Consents
	defined  *defined.Definitions
	// past reads what was there at any time; nil where the storage cannot.
	past    past
	links   *linked.Links
	pageKey []byte
	// cursors are those of nobody in particular.
	cursors Cursors
	base    string
	newID   func() string
	// randomIDs is set where newID never makes an id twice.
	randomIDs bool
	now       func() time.Time
	// contents are what is kept apart from the resources; nil where nothing is.
	contents *binary.Contents
	// changing is held while the record is rewritten.
	changing sync.Mutex
	// maxIncludes bounds what includes add to one page.
	maxIncludes int
	// terms is what is known of codes beside the resources, codes what was read
	// of those.
	terms Terminologies
	codes *terminology.Memory
	// closures are the clients' closure tables.
	closures *closure.Tables
	// contended is held by a commit that keeps losing to others.
	contended sync.Mutex
	// subscriptions may be nil; subscribing is held by commits of Subscriptions.
	subscriptions Subscriptions
	subscribing   sync.Mutex
}

// Record describes the data store; its Name and Control are as they were when
// it was opened. Catalog.Describe knows what they are now.
func (s *Store) Record() Record {
	r := s.record
	r.Identity = s.identity.Load()
	return r
}

// Definitions are the data store's FHIR definitions.
func (s *Store) Definitions() *definition.Set { return s.params.base.Definitions }

// Registry is what the data store can be searched by now: the parameters of
// its definitions, and those of its SearchParameter resources that are ready.
// To read a query, use Query, which knows of more.
func (s *Store) Registry() *search.Registry { return s.params.now.Load().query }

// Base is the data store's base URL without a trailing slash.
func (s *Store) Base() string { return s.base }

// Parse reads a resource in JSON against the data store's definitions.
func (s *Store) Parse(src []byte) (*fhir.Tree, error) {
	return fhir.Parse(s.Definitions().Schema, src, fhir.DefaultLimits)
}

// ParseXML reads a resource in XML; see fhir.ParseXML.
func (s *Store) ParseXML(src []byte) (*fhir.Tree, error) {
	return fhir.ParseXML(s.Definitions().Schema, src, fhir.DefaultLimits)
}

// candidate reads a stored version back into what search looks at. Backends
// call it to rebuild an index and to recheck a match.
func candidate(params *registries, base string, v store.Version) (*search.Candidate, error) {
	// The body alone may hold an empty meta, which is no valid resource.
	src := v.Body.Append(nil, strconv.FormatUint(v.Number, 10), v.LastUpdated)
	tree, err := fhir.Parse(params.query.Definitions.Schema, src, fhir.DefaultLimits)
	if err != nil {
		return nil, fmt.Errorf("stored version %s/%s/_history/%d: %w", v.Type, v.ID, v.Number, err)
	}
	entries, err := params.extract(tree, v.ID, base)
	if err != nil {
		return nil, fmt.Errorf("stored version %s/%s/_history/%d: %w", v.Type, v.ID, v.Number, err)
	}
	return &search.Candidate{
		Type: v.Type, ID: v.ID, LastUpdated: v.LastUpdated, Entries: entries, Tree: tree,
	}, nil
}
