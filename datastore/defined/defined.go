// Package defined owns the profiles that the StructureDefinition resources of a
// data store define now, with the ValueSets and CodeSystems that those name. What
// was written holds for every request that begins after the write was answered.
//
// Nothing is kept of them but in memory, and that for as long as none of them is
// written: a resource that is stored is found by its canonical URL when it is
// first needed.
//
// It leaves to others: what profiles demand (guide/conformance), finding resources
// and refusing bad ones (datastore).
package defined

import (
	"context"
	"slices"
	"strconv"
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
	// writes counts the commits that may have changed a definition.
	writes atomic.Uint64
	now    atomic.Pointer[turn]
}

// A turn is what the definitions come to after a number of writes.
type turn struct {
	writes uint64
	of     *conformance.Guides
	guides *conformance.Guides
	found  *recall.Cache[string, found]
	opt    *Options
}

// found is a resource that was looked for; without a tree there is none.
type found struct {
	tree *fhir.Tree
	key  string
}

// remembered is how many resources, and how many that are not there, stay known.
const remembered = 500

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
	return store.Watch(d.store, func(resourceType, _ string) {
		if slices.Contains(types, resourceType) {
			d.writes.Add(1)
		}
	})
}

// Guides are the guides of the data store with what its resources define now; nil
// where there is neither. The result is the same until something is written.
func (d *Definitions) Guides(of *conformance.Guides) (*conformance.Guides, error) {
	writes := d.writes.Load() // what is written from here on is another turn
	if t := d.now.Load(); t != nil && t.writes == writes && t.of == of {
		return t.guides, nil
	}
	t := &turn{writes: writes, of: of, opt: &d.opt, found: recall.New[string, found](remembered)}
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
		t.guides = of.Beside(t.profile, codes)
	}
	d.now.Store(t)
	return t.guides, nil
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

// profile implements conformance.Stored.
func (t *turn) profile(resourceType, canonical string) (*fhir.Tree, error) {
	f, err := t.find(resourceType, canonical)
	if err != nil || f.tree == nil || !conformance.IsProfile(f.tree.Root()) {
		return nil, err
	}
	return f.tree, nil
}

// stored finds value sets and code systems.
func (t *turn) stored(resourceType, canonical string) (terminology.Stored, error) {
	f, err := t.find(resourceType, canonical)
	if err != nil || f.tree == nil {
		return terminology.Stored{}, err
	}
	return terminology.Stored{Key: f.key, Tree: func() (*fhir.Tree, error) { return f.tree, nil }}, nil
}

func (t *turn) find(resourceType, canonical string) (found, error) {
	name := resourceType + " " + canonical
	if known, ok := t.found.Get(name); ok {
		return known, nil
	}
	v, ok, err := t.opt.Find(resourceType, canonical)
	if err != nil {
		return found{}, err
	}
	var f found
	if ok {
		f.key = v.Type + "/" + v.ID + "/" + strconv.FormatUint(uint64(v.T), 10)
		if f.tree, err = t.opt.Read(v); err != nil {
			return found{}, err
		}
	}
	if len(name) <= longest {
		t.found.Put(name, f)
	}
	return f, nil
}
