// Package defined owns the profiles that the StructureDefinition resources of a
// data store define now, with the ValueSets and CodeSystems that those name. What
// was written holds for every request that begins after the write was answered.
//
// Nothing is kept of them but in memory, and that for as long as no resource is
// written that was looked at, or is of a name that was looked for (asked.go): a
// resource that is stored is found by its canonical URL when it is first needed.
//
// It leaves to others: what profiles demand (guide/conformance), finding resources
// and refusing bad ones (datastore).
package defined

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/recall"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/terminology"
)

// Options for New. All are required.
type Options struct {
	// Find is the newest resource of a type with a canonical URL, with or without
	// a |version.
	Find func(resourceType, canonical string) (v store.Version, ok bool, err error)
	// Read parses a stored version.
	Read func(store.Version) (*fhir.Tree, error)
	// Codes is what is known of codes beside the resources.
	Codes func() terminology.Options
}

// Definitions are those of one data store. They are safe for concurrent use.
type Definitions struct {
	opt   Options
	store store.Store
	changes
	now atomic.Pointer[turn]
	// turning is held while a turn is made or kept.
	turning sync.Mutex
	list    listing
}

// A turn is what the definitions come to from one write that matters to the next.
type turn struct {
	// writes is how many there were when nothing mattered that was written.
	writes atomic.Uint64
	of     *conformance.Guides
	guides *conformance.Guides
	found  *recall.Cache[string, found]
	asked  asked
	all    *Definitions
}

// found is what is remembered of a resource that was looked for: not the resource
// itself, which may be large.
type found struct {
	// key is "" where there is none.
	key string
	// profile is set for a StructureDefinition that resources are checked against.
	profile bool
}

// remembered is how many resources, and how many that are not there, stay known.
const remembered = 5000

// longest is how long a canonical URL may be that is remembered.
const longest = 500

// New makes the Definitions of a data store.
func New(backend store.Store, opt Options) *Definitions {
	return &Definitions{opt: opt, store: backend}
}

const structure = "StructureDefinition"

// types are those of the resources that definitions are made of.
var types = []string{structure, "ValueSet", "CodeSystem"}

// Store is the data store's storage, whose writes are noticed: it must be used in
// the place of the one that New was given.
func (d *Definitions) Store() store.Store {
	return store.Watch(d.store, func(resourceType, id string) {
		if slices.Contains(types, resourceType) {
			d.notice(resourceType, id)
		}
	})
}

// Guides are the guides of the data store with what its resources define now; nil
// where there is neither. The result is the same until something is written that
// matters for what was asked of it.
func (d *Definitions) Guides(of *conformance.Guides) (*conformance.Guides, error) {
	writes := d.writes.Load() // what is written from here on is looked at later
	if t := d.now.Load(); t != nil && t.of == of && t.writes.Load() == writes && !t.asked.doubtful.Load() {
		return t.guides, nil
	}
	d.turning.Lock()
	defer d.turning.Unlock()
	writes, written := d.take()
	if t := d.now.Load(); t != nil && t.of == of && !t.matters(written) {
		t.writes.Store(writes)
		return t.guides, nil
	}
	d.now.Store(nil) // what was written is told once
	t, err := d.turn(of)
	if err != nil {
		return nil, err
	}
	t.writes.Store(writes)
	d.now.Store(t)
	return t.guides, nil
}

// turn makes the next one.
func (d *Definitions) turn(of *conformance.Guides) (*turn, error) {
	t := &turn{of: of, all: d, found: recall.New[string, found](remembered)}
	if of == nil {
		of = conformance.None()
	}
	any := !of.Empty()
	if !any {
		var err error
		if any, err = d.any(); err != nil {
			return nil, err
		}
	}
	if any {
		codes := d.opt.Codes()
		codes.Find = t.stored
		t.guides = of.Beside(t, codes)
	}
	return t, nil
}

// any reports whether there is a StructureDefinition at all.
func (d *Definitions) any() (bool, error) {
	ctx := context.Background()
	view, err := d.store.View(ctx, 0)
	if err != nil {
		return false, err
	}
	defer view.Close()
	plan := search.Plan{Parts: []search.Part{{Type: structure}}}
	for _, err := range store.All(ctx, view, plan, 1) {
		return err == nil, err
	}
	return false, nil
}

// Has implements conformance.Stored. Of what cannot be read it says yes: Find
// tells why.
func (t *turn) Has(canonical string) bool {
	f, err := t.find(structure, canonical)
	return f.profile || err != nil
}

// Find implements conformance.Stored.
func (t *turn) Find(canonical string) (*fhir.Tree, error) {
	if f, err := t.find(structure, canonical); err != nil || !f.profile {
		return nil, err
	}
	return t.read(structure, canonical)
}

// stored finds value sets and code systems.
func (t *turn) stored(resourceType, canonical string) (terminology.Stored, error) {
	f, err := t.find(resourceType, canonical)
	if err != nil || f.key == "" {
		return terminology.Stored{}, err
	}
	return terminology.Stored{Key: f.key, Tree: func() (*fhir.Tree, error) { return t.read(resourceType, canonical) }}, nil
}

// read is the resource; nil where there is none any more.
func (t *turn) read(resourceType, canonical string) (*fhir.Tree, error) {
	v, ok, err := t.all.opt.Find(resourceType, canonical)
	if err != nil || !ok {
		return nil, err
	}
	return t.all.opt.Read(v)
}

// find finds a resource, and remembers that it was looked for.
func (t *turn) find(resourceType, canonical string) (f found, err error) {
	name := resourceType + " " + canonical
	if known, ok := t.found.Get(name); ok {
		return known, nil
	}
	t.asked.of(resourceType, canonical)
	for try := 0; ; try++ {
		writes := t.all.writes.Load()
		if f, err = t.look(resourceType, canonical); err != nil {
			return f, err
		}
		if t.all.writes.Load() == writes {
			break
		}
		if try == tries { // it may be what there was before a write that was looked at already
			t.asked.doubtful.Store(true)
			break
		}
	}
	if len(name) <= longest {
		t.found.Put(strings.Clone(name), f)
	}
	return f, nil
}

// tries is how often a resource is looked for again because others are written.
const tries = 3

func (t *turn) look(resourceType, canonical string) (f found, err error) {
	v, ok, err := t.all.opt.Find(resourceType, canonical)
	if err != nil || !ok {
		return f, err
	}
	t.asked.found(v.Type, v.ID)
	// It may be changed before it is read, so it is not called what others call
	// this version.
	f.key = "defined " + v.Type + "/" + v.ID + "/" + strconv.FormatUint(uint64(v.T), 10)
	if resourceType == structure {
		tree, err := t.all.opt.Read(v)
		if err != nil {
			return found{}, err
		}
		f.profile = conformance.IsProfile(tree.Root())
	}
	return f, nil
}
