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
	"strings"
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
		t.guides = of.Beside(t, codes)
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
	v, ok, err := t.opt.Find(resourceType, canonical)
	if err != nil || !ok {
		return nil, err
	}
	return t.opt.Read(v)
}

func (t *turn) find(resourceType, canonical string) (found, error) {
	name := resourceType + " " + canonical
	if known, ok := t.found.Get(name); ok {
		return known, nil
	}
	var f found
	v, ok, err := t.opt.Find(resourceType, canonical)
	if err != nil {
		return f, err
	}
	if ok {
		// It may be changed before it is read, so it is not called what others call
		// this version.
		f.key = "defined " + v.Type + "/" + v.ID + "/" + strconv.FormatUint(uint64(v.T), 10)
	}
	if ok && resourceType == structure {
		tree, err := t.opt.Read(v)
		if err != nil {
			return found{}, err
		}
		f.profile = conformance.IsProfile(tree.Root())
	}
	if len(name) <= longest {
		t.found.Put(strings.Clone(name), f)
	}
	return f, nil
}
