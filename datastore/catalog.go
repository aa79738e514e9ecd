package datastore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/datastore/consented"
	"github.com/tarnhealth/tarn/datastore/defined"
	"github.com/tarnhealth/tarn/datastore/linked"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/closure"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
)

// A Record is what the catalog keeps of a data store, under
// "datastore" 0x00 ID.
type Record struct {
	// ID is 32 lower-case hex digits, or a name that the caller chose.
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Release string    `json:"release"` // "R4"
	Status  Status    `json:"status"`
	Created time.Time `json:"created"`
	// Deleted is zero while the data store exists.
	Deleted time.Time `json:"deleted,omitzero"`
	// Kept is until when what a deleted data store held can be restored; zero
	// where it is gone.
	Kept time.Time `json:"kept,omitzero"`
	// Identity is how the data store knows its callers; nil for the server's
	// own authorization server.
	Identity *IdentityProvider `json:"identity,omitempty"`
	// Control is what the control API keeps; nil where it was never used.
	Control *Control `json:"control,omitempty"`
}

// Status is a data store's state, in HealthLake's words.
type Status string

// The states.
const (
	StatusCreating Status = "CREATING"
	StatusActive   Status = "ACTIVE"
	StatusDeleting Status = "DELETING"
	StatusDeleted  Status = "DELETED"
	// StatusFailed is told of, and never kept: what could not be made is gone.
	StatusFailed Status = "CREATE_FAILED"
)

// keepDeleted is how long a deleted data store is still described, so that a
// client waiting for the deletion sees it.
const keepDeleted = 7 * 24 * time.Hour

// ErrIncomplete says that records of the catalog are missing.
var ErrIncomplete = errors.New("datastore: the catalog is incomplete")

// A Backend opens the storage of data stores. Package pebble has one.
type Backend interface {
	// Records holds the server's own records.
	Records() kv.DB
	// OpenStore opens the storage of a data store, making it where it is not
	// there. candidate reads a stored version back, for rebuilding an index.
	OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error)
	// RemoveStore deletes the storage of a closed data store; a missing one
	// is no error.
	RemoveStore(ctx context.Context, id string) error
	// Stores lists the ids of the data stores that have storage.
	Stores(ctx context.Context) ([]string, error)
	Close() error
}

// Options for Open.
type Options struct {
	Backend Backend
	// Contents keeps large contents apart from their resources; nil leaves all
	// in them.
	Contents ContentKeeper
	// BaseURL is the server's own, such as "http://127.0.0.1:8080", for the
	// base URLs of data stores.
	BaseURL string
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// NewID makes resource ids; nil for random UUIDs.
	NewID     func() string
	randomIDs bool
	// MaxIncludes is the greatest number of resources that includes add to
	// one page of a search. 0 means 1,000.
	MaxIncludes int
	// Logger is told what goes wrong in the background; nil for slog.Default.
	Logger *slog.Logger
	// Guides knows the implementation guides of data stores; nil where there are
	// none.
	Guides GuideShelf
	// Terminologies is what is known of codes beside the resources of data
	// stores; nil for nothing.
	Terminologies Terminologies
	// Changed, if not nil, is called in the transaction of Records in which a
	// data store comes to another status. It may be called more than once for
	// one change; its error undoes the change.
	Changed func(tx kv.Tx, r Record) error
	// Subscriptions, if not nil, are told of what is written.
	Subscriptions Subscriptions
	// Retry is how long background work waits after a failure, at first; 0 is
	// DefaultRetry.
	Retry time.Duration
}

// A Catalog is the data stores of a server. It is safe for concurrent use.
type Catalog struct {
	opt       Options
	records   kv.Table[Record]
	secrets   kv.Table[secret]
	registry  *search.Registry
	validator *validate.Validator

	mu     sync.RWMutex // held while data stores are made and deleted
	stores map[string]*Store
	// restoring counts who reads deleted data stores that are kept.
	restoring keptStores
	// suspended is why data stores that exist are not in stores.
	suspended map[string]error
}

const secretTable = "datastore-secret"

// secret is a data store's own keys, under "datastore-secret" 0x00 ID.
type secret struct {
	PageKey []byte `json:"pageKey"`
}

// Open opens every data store of a backend, which it owns from then on.
func Open(ctx context.Context, opt Options) (*Catalog, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.randomIDs = opt.NewID == nil; opt.randomIDs {
		opt.NewID = newUUID
	}
	if opt.MaxIncludes == 0 {
		opt.MaxIncludes = 1000
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Retry == 0 {
		opt.Retry = DefaultRetry
	}
	registry, err := search.New(definition.R4())
	if err != nil {
		return nil, err
	}
	c := &Catalog{
		opt:       opt,
		records:   kv.NewTable[Record]("datastore"),
		secrets:   kv.NewTable[secret](secretTable),
		registry:  registry,
		validator: validate.New(registry.Definitions, invariant.New(registry.Definitions)),
		stores:    map[string]*Store{},
	}
	if err := c.openAll(ctx); err != nil {
		return nil, errors.Join(err, c.closeStores())
	}
	return c, nil
}

// openAll opens the active data stores and finishes what a crash cut off: a
// half-made data store was never acknowledged, a half-deleted one was.
func (c *Catalog) openAll(ctx context.Context) error {
	records, err := c.List(ctx)
	if err != nil {
		return err
	}
	if err := c.checkKnown(ctx, records); err != nil {
		return err
	}
	for _, r := range records {
		switch r.Status {
		case StatusCreating:
			err = c.forget(ctx, r)
		case StatusDeleting:
			if _, err = c.finishDelete(ctx, r); errors.Is(err, errContents) {
				c.opt.Logger.Error("a deleted data store has contents left; the next start removes them", "store", r.ID, "error", err)
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("data store %s: %w", r.ID, err)
		}
	}
	return c.openActive(ctx, records)
}

// openTogether is how many data stores are opened at the same time: most of it
// is waiting, for the disk and for those who keep the keys, who may not answer.
const openTogether = 16

func (c *Catalog) openActive(ctx context.Context, records []Record) error {
	var group errgroup.Group
	group.SetLimit(openTogether)
	for _, r := range records {
		if r.Status != StatusActive {
			continue
		}
		group.Go(func() error {
			if err := c.openOrSuspend(ctx, r); err != nil {
				return fmt.Errorf("data store %s: %w", r.ID, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// checkKnown refuses storage that the catalog does not know: a record is
// written before storage is made and kept until it is gone, so the catalog has
// lost records, and going on would put a new data store over an old one.
func (c *Catalog) checkKnown(ctx context.Context, records []Record) error {
	ids, err := c.opt.Backend.Stores(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(records, func(r Record) bool { return r.ID == id && r.HasStorage() }) {
			return fmt.Errorf("%w: there is storage of a data store %q, which the catalog does not know; restore the folder from a backup, or move that storage away", ErrIncomplete, id)
		}
	}
	return nil
}

func (c *Catalog) open(ctx context.Context, r Record) error {
	s, err := c.openStore(ctx, r)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stores[r.ID] = s
	return nil
}

func (c *Catalog) openStore(ctx context.Context, r Record) (*Store, error) {
	var keys secret
	err := c.opt.Backend.Records().View(ctx, func(tx kv.Tx) (err error) {
		keys, err = c.secrets.Get(tx, r.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	params := newSearchParams(c.registry, c.opt.Backend.Records(), r.ID, &c.opt)
	if err := params.load(ctx); err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(c.opt.BaseURL, "/") + "/datastore/" + r.ID + "/r4"
	backend, err := c.opt.Backend.OpenStore(ctx, r.ID, params.now.Load().write, func(v store.Version) (*search.Candidate, error) {
		return candidate(params.now.Load(), base, v)
	})
	if err != nil {
		return nil, err
	}
	s := &Store{
		record: r, params: params, validator: c.validator,
		pageKey: keys.PageKey, cursors: NewCursors(keys.PageKey, ""), base: base, newID: c.opt.NewID, randomIDs: c.opt.randomIDs, now: c.opt.Now, maxIncludes: c.opt.MaxIncludes,
		terms: c.opt.Terminologies, codes: terminology.NewMemory(),
		closures: closure.New(c.opt.Backend.Records(), r.ID),
	}
	if err := c.openGuides(ctx, s); err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	s.consents = consented.New(backend, consented.Options{Read: s.Read, Registry: s.Registry, Base: base, Now: c.opt.Now})
	s.links = linked.New(s.consents.Store(), linked.Options{Read: s.Read, Registry: s.Registry, Base: base})
	s.defined = defined.New(s.links.Store(), defined.Options{
		Find: s.canonical, Read: s.Read, Codes: s.codesOfProfiles,
	})
	s.backend, s.subscriptions = c.watched(r.ID, s.defined.Store()), c.opt.Subscriptions
	s.past, _ = backend.(past)
	s.identity.Store(r.Identity)
	if c.opt.Contents != nil {
		if s.contents, err = c.opt.Contents.OpenContents(ctx, r.ID, backend, keys.PageKey); err != nil {
			return nil, errors.Join(err, backend.Close())
		}
	}
	if err := s.startParams(ctx); err != nil {
		return nil, errors.Join(err, s.contents.Close(), backend.Close())
	}
	return s, nil
}

var validStoreID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// NewStoreID makes a random id of a data store: 32 lower-case hex digits.
func NewStoreID() string { return hex.EncodeToString(randomBytes(16)) }

// Create makes a data store. id is "" for a generated one.
func (c *Catalog) Create(ctx context.Context, id, name string) (*Store, error) {
	return c.CreateFrom(ctx, Draft{ID: id, Name: name})
}

func (c *Catalog) put(ctx context.Context, r Record) error {
	expires := time.Time{}
	if r.Status == StatusDeleted && r.Kept.IsZero() {
		expires = r.Deleted.Add(keepDeleted)
	}
	return c.opt.Backend.Records().Update(ctx, func(tx kv.Tx) error {
		return errors.Join(c.records.Put(tx, r.ID, r, expires), c.changed(tx, r))
	})
}

// changed tells of a data store that is about to come to another status.
func (c *Catalog) changed(tx kv.Tx, r Record) error {
	if c.opt.Changed == nil {
		return nil
	}
	return c.opt.Changed(tx, r)
}

// forget removes every trace of a data store that could not be made.
func (c *Catalog) forget(ctx context.Context, r Record) error {
	id := r.ID
	r.Status = StatusFailed
	if err := c.remove(ctx, id); err != nil {
		return err
	}
	if err := newParamRecords(c.opt.Backend.Records(), id).remove(ctx); err != nil {
		return err
	}
	if err := errors.Join(c.forgetGuides(ctx, id), c.forgetTerminologies(id)); err != nil {
		return err
	}
	return c.opt.Backend.Records().Update(ctx, func(tx kv.Tx) error {
		return errors.Join(c.records.Delete(tx, id), c.secrets.Delete(tx, id), c.changed(tx, r))
	})
}

// Store returns an active data store, or KindNotFound.
func (c *Catalog) Store(id string) (*Store, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s := c.stores[id]; s != nil {
		return s, nil
	}
	if why := c.suspended[id]; why != nil {
		return nil, unavailable(id, why)
	}
	return nil, fhir.Errorf(fhir.KindNotFound, "there is no data store %q", id)
}

// List describes all data stores, oldest first, those deleted in the last
// seven days included.
func (c *Catalog) List(ctx context.Context) ([]Record, error) {
	var list []Record
	err := c.opt.Backend.Records().View(ctx, func(tx kv.Tx) (err error) {
		list, err = c.all(tx)
		return err
	})
	return list, err
}

// Describe returns one data store's record, or KindNotFound.
func (c *Catalog) Describe(ctx context.Context, id string) (Record, error) {
	var r Record
	err := c.opt.Backend.Records().View(ctx, func(tx kv.Tx) (err error) {
		r, err = c.records.Get(tx, id)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return r, fhir.Errorf(fhir.KindNotFound, "there is no data store %q", id)
	}
	return r, err
}

// Delete closes a data store and removes its files.
func (c *Catalog) Delete(ctx context.Context, id string) (Record, error) {
	r, err := c.Describe(ctx, id)
	if err != nil {
		return r, err
	}
	if r.Status != StatusActive {
		return r, fhir.Errorf(fhir.KindConflict, "the data store %q is in state %s", id, r.Status)
	}
	r.Status = StatusDeleting
	if err := c.put(ctx, r); err != nil {
		return r, err
	}
	return c.finishDelete(context.WithoutCancel(ctx), r) // what was begun is ended
}

func (c *Catalog) finishDelete(ctx context.Context, r Record) (Record, error) {
	if err := c.closeStore(r.ID); err != nil {
		return r, err
	}
	c.mu.Lock()
	delete(c.suspended, r.ID)
	c.mu.Unlock()
	deleted := c.opt.Now().UTC()
	if days := r.keepDays(); days > 0 {
		r.Kept = deleted.Add(time.Duration(days) * 24 * time.Hour)
	} else if err := c.removeAll(ctx, r.ID); err != nil {
		return r, err
	}
	r.Status, r.Deleted = StatusDeleted, deleted
	return r, c.put(ctx, r)
}

// removeAll removes what a data store had, but for its record.
func (c *Catalog) removeAll(ctx context.Context, id string) error {
	if err := c.remove(ctx, id); err != nil {
		return err
	}
	if err := newParamRecords(c.opt.Backend.Records(), id).remove(ctx); err != nil {
		return err
	}
	return errors.Join(c.forgetGuides(ctx, id), c.forgetTerminologies(id))
}

func (c *Catalog) closeStore(id string) error {
	c.mu.Lock()
	s := c.stores[id]
	delete(c.stores, id)
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.close()
}

func (s *Store) close() error {
	s.params.close()
	return errors.Join(s.contents.Close(), s.backend.Close())
}

func (c *Catalog) closeStores() error {
	c.mu.Lock()
	ids := make([]string, 0, len(c.stores))
	for id := range c.stores {
		ids = append(ids, id)
	}
	c.mu.Unlock()
	var errs []error
	for _, id := range ids {
		errs = append(errs, c.closeStore(id))
	}
	return errors.Join(errs...)
}

// Close closes every data store and the backend.
func (c *Catalog) Close() error {
	return errors.Join(c.closeStores(), c.opt.Backend.Close())
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// newUUID makes a random (version 4) UUID. RFC 9562 section 5.4
func newUUID() string {
	b := randomBytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[:8], b[:4])
	out[8] = '-'
	hex.Encode(out[9:13], b[4:6])
	out[13] = '-'
	hex.Encode(out[14:18], b[6:8])
	out[18] = '-'
	hex.Encode(out[19:23], b[8:10])
	out[23] = '-'
	hex.Encode(out[24:], b[10:])
	return string(out[:])
}
