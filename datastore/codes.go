package datastore

import (
	"context"
	"errors"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/closure"
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
	// Books are the loaded terminologies for a data store, in the order in which
	// Book prefers them.
	Books(store string) []*codebook.Book
	// External are the code systems that Remote is asked about.
	External() []string
	// Forget is told of a data store that is gone.
	Forget(store string) error
}

// Loaded are the terminologies that are loaded for the data store, and the code
// systems that another server is asked about.
func (s *Store) Loaded() (books []*codebook.Book, external []string) {
	if s.terms == nil {
		return nil, nil
	}
	return s.terms.Books(s.record.ID), s.terms.External()
}

// Closures are the closure tables of the data store's clients.
func (s *Store) Closures() *closure.Tables { return s.closures }

// forgetTerminologies removes what is kept of codes for a data store that is
// gone.
func (c *Catalog) forgetTerminologies(store string) error {
	err := closure.New(c.opt.Backend.Records(), store).Forget(context.Background())
	if c.opt.Terminologies != nil {
		err = errors.Join(err, c.opt.Terminologies.Forget(store))
	}
	return err
}

// Terminology answers what codes mean, from the CodeSystem, ValueSet and
// ConceptMap resources that the view's caller may read, as of the view, from
// those of FHIR R4 itself, and from what the server has loaded. It must not be
// used after the view is closed.
func (v *View) Terminology(ctx context.Context) *terminology.Service {
	f := &finder{ctx: ctx, store: v.store, access: v.access, view: v}
	return f.service()
}

// knownCodes are the sources of codes that are not resources; those of another
// server wait no longer than ctx.
func (s *Store) knownCodes(ctx context.Context) (opt terminology.Options) {
	if t := s.terms; t != nil {
		opt.Books = func(canonical string) *codebook.Book { return t.Book(s.record.ID, canonical) }
		opt.Remote = t.Remote(ctx)
	}
	return opt
}

func (f *finder) service() *terminology.Service {
	opt := f.store.knownCodes(f.ctx)
	opt.Find, opt.Memory = f.stored, f.store.codes
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
