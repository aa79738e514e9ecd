package datastore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// A ContentKeeper opens what keeps the large contents of data stores apart from
// their resources.
type ContentKeeper interface {
	// OpenContents opens the contents of a data store whose versions are in
	// backend; key is a secret of the data store.
	OpenContents(ctx context.Context, id string, backend store.Store, key []byte) (*binary.Contents, error)
	// RemoveContents removes all contents of a data store that is closed.
	RemoveContents(ctx context.Context, id string) error
}

// Contents are what is kept apart from the data store's resources; nil where
// nothing is. What a View or a Commit returns has its contents again: in memory
// or, for a context with a binary.Filler, as it is sent.
func (s *Store) Contents() *binary.Contents { return s.contents }

// errContents says that contents of a deleted data store are left.
var errContents = errors.New("datastore: contents are left")

// remove removes the storage and the contents of a data store.
func (c *Catalog) remove(ctx context.Context, id string) error {
	if err := c.opt.Backend.RemoveStore(ctx, id); err != nil || c.opt.Contents == nil {
		return err
	}
	if err := c.opt.Contents.RemoveContents(ctx, id); err != nil {
		return fmt.Errorf("%w: %w", errContents, err)
	}
	return nil
}

// apart is a context in which contents stay where they are: the data store
// itself needs none.
func apart(ctx context.Context) context.Context {
	if binary.Fills(ctx) {
		return ctx
	}
	return binary.With(ctx, new(binary.Filler))
}

// whole gives versions their contents back.
func (s *Store) whole(ctx context.Context, versions iter.Seq2[store.Version, error]) iter.Seq2[store.Version, error] {
	if !s.contents.Some() || versions == nil {
		return versions
	}
	return func(yield func(store.Version, error) bool) {
		for v, err := range versions {
			if err == nil {
				err = s.contents.Restore(ctx, &v)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// wholeOutcomes gives what was committed its contents back. That it is committed
// is not changed by contents that cannot be read: the bodies are empty then.
func (s *Store) wholeOutcomes(ctx context.Context, outcomes []Outcome) {
	for i := range outcomes {
		if err := s.contents.Restore(ctx, &outcomes[i].Version); err != nil {
			outcomes[i].Version.Body = fhir.Body{}
		}
	}
}

// patchable is a version as a patch sees it: whole, but for contents that are
// larger than any patch could name; those stay apart.
func (s *Store) patchable(ctx context.Context, v store.Version) (store.Version, error) {
	whole := v
	err := s.contents.Restore(binary.Whole(ctx), &whole)
	if err != nil && fhir.KindOf(err) == fhir.KindTooCostly {
		return v, s.contents.Restore(ctx, &v)
	}
	return whole, err
}

// keepContents makes the contents of what is to be committed durable.
func (x *expansion) keepContents(ctx context.Context) error {
	var all []*binary.Parts
	for i := range x.steps {
		if x.steps[i].write && x.steps[i].parts != nil {
			all = append(all, x.steps[i].parts)
		}
	}
	c := x.commit
	if all == nil && c.kept == nil {
		return nil
	}
	if c.kept == nil {
		c.kept = c.store.contents.Begin()
	}
	return c.kept.Keep(ctx, all)
}

// keepContents makes the contents of what is to be loaded durable.
func (b *bulkBatch) keepContents(ctx context.Context) (*binary.Kept, error) {
	if b.parts == nil {
		return nil, nil
	}
	kept := b.BulkWriter.store.contents.Begin()
	if err := kept.Keep(ctx, b.parts); err != nil {
		kept.Done(ctx, binary.Refused)
		return nil, err
	}
	return kept, nil
}

// endingOf is what an error of the backend says of a commit.
func endingOf(err error) binary.Ending {
	var failed *store.OpError
	switch {
	case err == nil:
		return binary.Committed
	case errors.As(err, &failed):
		return binary.Refused
	}
	return binary.Unknown
}
