// Package roles owns the roles that administrators define while a server is
// set up, beside those of its configuration: what each allows at the FHIR API,
// and which operations of the control API. They count from the next request on.
//
// Its records are
//
//	role 0x00 NAME    a Role
//
// It leaves to others: what rules mean (authz), what operations there are
// (healthlake), and who has which role (login, sigv4, the claims of tokens).
package roles

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/kv"
)

// A Role is what whoever has it may do. It never allows more than the scopes do.
type Role struct {
	Name string `json:"name"`
	// Rules are what it allows at the FHIR API, united; none for a role that is
	// about the control API alone.
	Rules []Rule `json:"rules,omitempty"`
	// Unconfined, Clearance and Labels are as in authz.Role.
	Unconfined bool     `json:"unconfined,omitempty"`
	Clearance  string   `json:"clearance,omitempty"`
	Labels     []string `json:"labels,omitempty"`
	// Operations are those of the control API that access keys with the role may
	// use, "Describe*" for all that begin so.
	Operations []string `json:"operations,omitempty"`
	// Tags are what data stores have to be tagged with for Operations: keys with
	// their values; none for all data stores.
	Tags map[string]string `json:"tags,omitempty"`
}

// A Rule allows interactions on types.
type Rule struct {
	// Interactions and Types are those that it is about; empty for all.
	Interactions []authz.Interaction `json:"interactions,omitempty"`
	Types        []string            `json:"types,omitempty"`
	// Query restricts the resources to those that a search finds, as it stands in
	// a URL: "category=vital-signs&status=final".
	Query string `json:"query,omitempty"`
}

// Defined are all roles that there are beside the built-in ones, of the
// configuration and of the records. It is not changed: after a change there is
// another one.
type Defined struct {
	// Access are those that say something about the FHIR API.
	Access map[string]authz.Role
	// Control is what those allow at the control API that say something about it.
	Control map[string]healthlake.Role
}

// Known are the names of all of them, in order.
func (d *Defined) Known() []string {
	names := slices.Concat(slices.Collect(maps.Keys(d.Access)), slices.Collect(maps.Keys(d.Control)))
	slices.Sort(names)
	return slices.Compact(names)
}

// A Book is the roles of a server. It is safe for concurrent use.
type Book struct {
	db         kv.DB
	table      kv.Table[Role]
	configured Defined
	// needed are the names that the configuration speaks of.
	needed []string

	changing sync.Mutex
	now      atomic.Pointer[Defined]
}

// Open reads the roles of a server's records. configured are those of its
// configuration, which come before those of the records with the same name;
// needed are the names that the configuration speaks of, which stay.
func Open(ctx context.Context, db kv.DB, configured Defined, needed []string) (*Book, error) {
	b := &Book{db: db, table: kv.NewTable[Role]("role"), configured: configured, needed: needed}
	return b, b.refresh(ctx)
}

// Now are the roles that there are.
func (b *Book) Now() *Defined { return b.now.Load() }

// Undefined are the names that the configuration speaks of and that mean
// nothing.
func (b *Book) Undefined() (names []string) {
	known := b.Now().Known()
	for _, name := range b.needed {
		if !slices.Contains(known, name) && !authz.BuiltIn(name) {
			names = append(names, name)
		}
	}
	return names
}

func (b *Book) refresh(ctx context.Context) error {
	list, err := b.List(ctx)
	if err != nil {
		return err
	}
	d := &Defined{Access: map[string]authz.Role{}, Control: map[string]healthlake.Role{}}
	for _, role := range list {
		access, err := role.access()
		if err != nil {
			return err
		}
		if len(role.Rules) > 0 {
			d.Access[role.Name] = access
		}
		if len(role.Operations) > 0 {
			d.Control[role.Name] = role.control()
		}
	}
	for _, name := range b.configured.Known() {
		delete(d.Access, name)
		delete(d.Control, name)
	}
	maps.Copy(d.Access, b.configured.Access)
	maps.Copy(d.Control, b.configured.Control)
	b.now.Store(d)
	return nil
}

// List are the roles of the records, by name.
func (b *Book) List(ctx context.Context) (list []Role, err error) {
	list = []Role{}
	err = b.db.View(ctx, func(tx kv.Tx) error {
		list = list[:0]
		for k, err := range b.table.All(tx) {
			if err != nil {
				return err
			}
			list = append(list, k.Value)
		}
		return nil
	})
	return list, err
}

// Put defines a role, in the place of what it was. It is refused where it would
// not mean what it says, and where the configuration defines it.
func (b *Book) Put(ctx context.Context, role Role) (Role, error) {
	if err := role.Check(); err != nil {
		return role, err
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	if slices.Contains(b.configured.Known(), role.Name) {
		return role, fhir.Errorf(fhir.KindConflict, "the role %q is defined in tarn.yaml; change it there, or take it out of there first", role.Name)
	}
	err := b.db.Update(ctx, func(tx kv.Tx) error { return b.table.Put(tx, role.Name, role, time.Time{}) })
	if err != nil {
		return role, err
	}
	return role, b.refresh(ctx)
}

// Delete forgets a role. Whoever has it may do nothing by it from then on.
func (b *Book) Delete(ctx context.Context, name string) (role Role, err error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	if slices.Contains(b.needed, name) && !slices.Contains(b.configured.Known(), name) && !authz.BuiltIn(name) {
		return role, fhir.Errorf(fhir.KindConflict, "tarn.yaml speaks of the role %q, under access.consent; take it out of there first", name)
	}
	err = b.db.Update(ctx, func(tx kv.Tx) error {
		if role, err = b.table.Get(tx, name); err != nil {
			return err
		}
		return b.table.Delete(tx, name)
	})
	if errors.Is(err, kv.ErrNotFound) {
		return role, fhir.Errorf(fhir.KindNotFound, "there is no role %q; those of tarn.yaml are not deleted here", name)
	}
	if err != nil {
		return role, err
	}
	return role, b.refresh(ctx)
}
