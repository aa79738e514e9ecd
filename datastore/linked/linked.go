// Package linked owns to whom the Person resources of a data store link its users
// now: it completes the access of a patient, of somebody related to one, or of a
// Person by the patients whom these link to.
//
// What a Person says holds for every request that begins after the write of it
// was answered. Links count where the Person is active and they are sure enough;
// see authz.Policy.Persons. From a Person one step is taken, not to the Persons
// that it links to.
//
// It leaves to others: what follows from a link (authz), and enforcing it
// (datastore). http://hl7.org/fhir/R4/person.html
package linked

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tarnhealth/tarn/authz"
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
}

// Links are those of one data store. They are safe for concurrent use.
type Links struct {
	opt   Options
	store store.Store
	// writes counts the commits that may have changed a Person.
	writes atomic.Uint64
	bound  *recall.Cache[completed, authz.Access]
}

// completed is an access after a number of writes.
type completed struct {
	access authz.Access
	writes uint64
}

// remembered is how many accesses are remembered.
const remembered = 2000

// New makes the Links of a data store.
func New(backend store.Store, opt Options) *Links {
	return &Links{opt: opt, store: backend, bound: recall.New[completed, authz.Access](remembered)}
}

// Store is the data store's storage, whose writes are noticed: it must be used in
// the place of the one that New was given.
func (l *Links) Store() store.Store { return store.Watch(l.store, l.notice) }

const personType = "Person"

// notice counts a write before it is answered, whatever came of it.
func (l *Links) notice(resourceType, _ string) {
	if resourceType == personType {
		l.writes.Add(1)
	}
}

// Bind completes an access by the Persons that there are now.
func (l *Links) Bind(ctx context.Context, access authz.Access) (authz.Access, error) {
	user, least, ok := access.Persons()
	if !ok {
		return access, nil
	}
	key := completed{access, l.writes.Load()} // what is written from here on is another count
	if known, ok := l.bound.Get(key); ok {
		return known, nil
	}
	found := &targets{user: user, least: least, base: l.opt.Base}
	if err := l.persons(ctx, user, found); err != nil {
		return authz.Access{}, err
	}
	whole := access.Linked(found.patients, found.related)
	l.bound.Put(key, whole)
	return whole, nil
}

// persons adds what the Persons of a user link to.
func (l *Links) persons(ctx context.Context, user string, to *targets) error {
	view, err := l.store.View(ctx, 0)
	if err != nil {
		return err
	}
	defer view.Close()
	resourceType, id, _ := strings.Cut(user, "/")
	if resourceType == personType {
		v, err := view.Read(ctx, personType, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return l.add(v, to)
	}
	q, err := l.opt.Registry().Parse([]string{personType}, []search.Pair{{Name: "link", Value: user}}, search.Options{Base: l.opt.Base})
	if err != nil {
		return err
	}
	for v, err := range store.All(ctx, view, q.Plan, pageSize) {
		if err == nil {
			err = l.add(v, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Patients are the ids of the patients whom the Persons that there are now lead the
// user of an access to, each once: those that they link to, and those of the
// active RelatedPersons that they link to.
func (l *Links) Patients(ctx context.Context, access authz.Access) ([]string, error) {
	user, least, ok := access.Persons()
	if !ok {
		return nil, nil
	}
	found := &targets{user: user, least: least, base: l.opt.Base}
	if err := l.persons(ctx, user, found); err != nil {
		return nil, err
	}
	view, err := l.store.View(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	ids := found.patients
	for _, related := range found.related {
		id, err := l.patientOf(ctx, view, related)
		if err != nil {
			return nil, err
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Related is the patient of a RelatedPerson, while that is active; "" for none.
func (l *Links) Related(ctx context.Context, id string) (patient string, err error) {
	view, err := l.store.View(ctx, 0)
	if err != nil {
		return "", err
	}
	defer view.Close()
	return l.patientOf(ctx, view, id)
}

// patientOf is the patient of a RelatedPerson, "" where it is not active.
func (l *Links) patientOf(ctx context.Context, view store.View, id string) (patient string, err error) {
	v, err := view.Read(ctx, "RelatedPerson", id)
	if errors.Is(err, store.ErrNotFound) || err == nil && v.Deleted() {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	tree, err := l.opt.Read(v)
	if err != nil || tree.Root().TextOf("active") == "false" {
		return "", err
	}
	ref := fhir.ParseReference(tree.Root().Child("patient").TextOf("reference"), l.opt.Base)
	if ref.Kind != fhir.RefRelative || ref.Type != "Patient" {
		return "", nil
	}
	return ref.ID, nil
}

func (l *Links) add(v store.Version, to *targets) error {
	if v.Deleted() {
		return nil
	}
	tree, err := l.opt.Read(v)
	if err == nil {
		to.add(tree.Root())
	}
	return err
}

// pageSize is how many resources are read at a time.
const pageSize = 100
