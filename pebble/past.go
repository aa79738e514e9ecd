package pebble

import (
	"bytes"
	"context"
	"errors"
	"iter"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/store"
)

// pastKeys is how many resources are looked up with one iterator: as long as one
// is open, the engine keeps the files that it replaces.
const pastKeys = 1024

// Past yields the resources as they were at any time t, however long ago, in the
// order of their types and ids, behind one of a type and an id. Unlike a view it
// finds nothing and is not kept: what is erased meanwhile is left out.
func (s *Store) Past(ctx context.Context, t store.T, afterType, afterID string) iter.Seq2[store.Version, error] {
	return s.sequence(ctx, func(yield func(store.Version, error) bool) error {
		after := resourceKey(nil, afterType, afterID)
		for {
			names, err := s.namesAfter(after)
			if err != nil || len(names) == 0 {
				return err
			}
			for _, name := range names {
				v, found, err := s.pastOne(name, doc(min(t, store.T(maxDoc))))
				if err != nil {
					return err
				}
				if found && !yield(v, nil) {
					return nil
				}
			}
			last := names[len(names)-1]
			after = resourceKey(nil, last.resourceType, last.id)
		}
	})
}

// namesAfter are the next resources behind a key.
func (s *Store) namesAfter(after []byte) (names []resource, err error) {
	it, err := s.db.NewIter(&lsm.IterOptions{LowerBound: append(after, 0), UpperBound: []byte{tagResource + 1}})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok && len(names) < pastKeys; ok = it.Next() {
		resourceType, id, _ := bytes.Cut(it.Key()[1:], []byte{0})
		names = append(names, resource{string(resourceType), string(id)})
	}
	return names, errors.Join(it.Error(), it.Close())
}

// pastOne is a resource as it was at a time.
func (s *Store) pastOne(name resource, at doc) (v store.Version, found bool, err error) {
	for {
		c, err := s.current(name.resourceType, name.id)
		for err == nil && c.doc > at {
			c, err = s.before(c)
		}
		if err != nil || c.doc == 0 || c.deleted() {
			return v, false, err
		}
		v, err = s.withBody(c.doc, &c.header, name.resourceType, name.id)
		if !errors.Is(err, errErased) {
			return v, err == nil, err
		}
		// It was erased since: look again.
	}
}
