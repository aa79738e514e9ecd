// Package consented owns the Consents of a data store as they are now: it keeps
// what they say in memory, notices every write that changes it, and narrows a
// caller's access by it.
//
// What a Consent says holds for every request that begins after the write of it
// was answered. Without Consents, and where they are not enforced, it costs one
// comparison for each request.
//
// It leaves to others: what a Consent means (authz/consent), and enforcing the
// narrowed access (datastore).
package consented

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/authz/consent"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/recall"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// Options for New. All are required.
type Options struct {
	// Read parses a stored version.
	Read func(store.Version) (*fhir.Tree, error)
	// Registry is what the data store can be searched by.
	Registry func() *search.Registry
	// Base is the data store's base URL.
	Base string
	Now  func() time.Time
}

// Consents are those of one data store. They are safe for concurrent use.
type Consents struct {
	opt   Options
	store store.Store
	// writes counts the commits that may have changed what Consents mean.
	writes atomic.Uint64
	now    atomic.Pointer[state]
	bound  *recall.Cache[binding, authz.Access]

	changed sync.Mutex
	dirty   map[string]bool // ids that were written since they were read

	reading sync.Mutex
	byID    map[string]*consent.Consent // nil before the first reading
}

// A state is the Consents after a number of writes.
type state struct {
	writes uint64
	set    *consent.Set
	// until is when it has to be looked at again although nothing is written,
	// zero for never.
	until time.Time
}

// A binding is what an access was narrowed by.
type binding struct {
	access authz.Access
	state  *state
}

// remembered is how many narrowed accesses are remembered.
const remembered = 2000

// New makes the Consents of a data store. They are read when they are first
// needed; until then the store is not asked for anything.
func New(backend store.Store, opt Options) *Consents {
	return &Consents{opt: opt, store: backend, bound: recall.New[binding, authz.Access](remembered), dirty: map[string]bool{}}
}

// Store is the data store's storage, whose writes are noticed: it must be used in
// the place of the one that New was given.
func (c *Consents) Store() store.Store { return store.Watch(c.store, c.notice) }

// The types by which somebody is one of the actors of a rule.
const (
	consentType  = "Consent"
	roleType     = "PractitionerRole"
	careTeamType = "CareTeam"
	groupType    = "Group"
)

// notice counts a write before it is answered, whatever came of it.
func (c *Consents) notice(resourceType, id string) {
	switch resourceType {
	case consentType:
		c.changed.Lock()
		c.dirty[id] = true
		c.changed.Unlock()
	case roleType, careTeamType, groupType:
	default:
		return
	}
	c.writes.Add(1)
}

// Bind narrows an access by the Consents that there are now.
func (c *Consents) Bind(ctx context.Context, access authz.Access) (authz.Access, error) {
	policy, ok := access.Bound()
	if !ok {
		return access, nil
	}
	st, err := c.current(ctx)
	if err != nil {
		return authz.Access{}, err
	}
	if st.set.Empty() && policy.Default == authz.Permit {
		return access, nil
	}
	key := binding{access, st}
	if known, ok := c.bound.Get(key); ok {
		return known, nil
	}
	rules, err := c.rules(ctx, access, policy, st)
	if err != nil {
		return authz.Access{}, err
	}
	narrowed := access.Within(rules)
	c.bound.Put(key, narrowed)
	return narrowed, nil
}

// current are the Consents as they are now.
func (c *Consents) current(ctx context.Context) (*state, error) {
	if st := c.now.Load(); st != nil && c.holds(st) {
		return st, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if st := c.now.Load(); st != nil && c.holds(st) {
		return st, nil
	}
	// What is written from here on is another count.
	st := &state{writes: c.writes.Load()}
	if err := c.read(ctx); err != nil {
		return nil, err
	}
	list := make([]*consent.Consent, 0, len(c.byID))
	for _, one := range c.byID {
		list = append(list, one)
	}
	st.set = consent.NewSet(list)
	st.until = st.set.Until(c.opt.Now())
	c.now.Store(st)
	return st, nil
}

func (c *Consents) holds(st *state) bool {
	return st.writes == c.writes.Load() && (st.until.IsZero() || c.opt.Now().Before(st.until))
}

// read brings byID up to date: all Consents at first, then those that were
// written.
func (c *Consents) read(ctx context.Context) error {
	c.changed.Lock()
	dirty := c.dirty
	c.dirty = map[string]bool{}
	c.changed.Unlock()
	view, err := c.store.View(ctx, 0)
	if err == nil {
		defer view.Close()
		if c.byID == nil {
			err = c.readAll(ctx, view)
		} else {
			err = c.readDirty(ctx, view, dirty)
		}
	}
	if err == nil {
		return nil
	}
	c.changed.Lock()
	defer c.changed.Unlock()
	for id := range dirty {
		c.dirty[id] = true
	}
	return err
}

func (c *Consents) readAll(ctx context.Context, view store.View) error {
	byID := map[string]*consent.Consent{}
	for v, err := range store.All(ctx, view, search.Plan{Parts: []search.Part{{Type: consentType}}}, pageSize) {
		if err == nil {
			err = c.take(byID, v)
		}
		if err != nil {
			return err
		}
	}
	c.byID = byID
	return nil
}

func (c *Consents) readDirty(ctx context.Context, view store.View, dirty map[string]bool) error {
	for id := range dirty {
		v, err := view.Read(ctx, consentType, id)
		if errors.Is(err, store.ErrNotFound) {
			delete(c.byID, id)
			continue
		}
		if err == nil {
			err = c.take(c.byID, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take puts a version of a Consent in its place.
func (c *Consents) take(byID map[string]*consent.Consent, v store.Version) error {
	delete(byID, v.ID)
	if v.Deleted() {
		return nil
	}
	tree, err := c.opt.Read(v)
	if err != nil {
		return err
	}
	if one, ok := consent.Read(tree, c.opt.Base); ok {
		byID[v.ID] = one
	}
	return nil
}

// pageSize is how many resources are read at a time.
const pageSize = 500

// rules are the Consents for a caller.
func (c *Consents) rules(ctx context.Context, access authz.Access, policy authz.ConsentPolicy, st *state) (*consent.Rules, error) {
	w := &finder{Consents: c, registry: c.opt.Registry(), set: st.set}
	who, err := w.who(ctx, access, policy)
	if err != nil {
		return nil, err
	}
	return st.set.For(w.registry, who, policy.Default, c.opt.Now()), nil
}

// Applies reports what binds an access, for people: the ids of the Consents of
// some patients that are in force, sorted.
func (c *Consents) Applies(ctx context.Context, patients []string) ([]string, error) {
	st, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(slices.Values(st.set.Of(patients))), nil
}
