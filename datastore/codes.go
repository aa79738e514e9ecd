package datastore

import (
	"context"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/codebook"
)

// Terminologies are what a server knows of codes beside the resources of its
// data stores. Package terminology/source has one.
type Terminologies interface {
	// Book is a loaded terminology for a data store, by canonical URL; nil where
	// there is none.
	Book(store, canonical string) *codebook.Book
	// Remote is another terminology server, as a request may ask it; nil where
	// there is none.
	Remote(ctx context.Context) terminology.Remote
	// Forget is told of a data store that is gone.
	Forget(store string) error
}

func (c *Catalog) forgetTerminologies(store string) error {
	if c.opt.Terminologies == nil {
		return nil
	}
	return c.opt.Terminologies.Forget(store)
}

// Terminology answers what codes mean, from the CodeSystem, ValueSet and
// ConceptMap resources that the view's caller may read, as of the view, from
// those of FHIR R4 itself, and from what the server has loaded. It must not be
// used after the view is closed.
func (v *View) Terminology(ctx context.Context) *terminology.Service {
	f := &finder{ctx: ctx, store: v.store, access: v.access, view: v}
	return f.service()
}

func (f *finder) service() *terminology.Service {
	opt := terminology.Options{Find: f.stored, Memory: f.store.codes}
	if t := f.store.terms; t != nil {
		opt.Books = func(canonical string) *codebook.Book { return t.Book(f.store.record.ID, canonical) }
		opt.Remote = t.Remote(f.ctx)
	}
	return terminology.With(opt)
}

// stored finds a resource by what a query or another resource names.
func (f *finder) stored(resourceType, canonical string) (terminology.Stored, error) {
	v, ok, err := f.version(resourceType, canonical)
	if err != nil || !ok {
		return f.ofGuide(resourceType, canonical), err
	}
	return terminology.Stored{
		Key:  v.Type + "/" + v.ID + "/" + strconv.FormatUint(uint64(v.T), 10),
		Tree: func() (*fhir.Tree, error) { return f.store.Read(v) },
	}, nil
}
