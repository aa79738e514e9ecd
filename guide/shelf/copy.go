package shelf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/kv"
)

// bytesOf are the package's own bytes.
func bytesOf(tx kv.Tx, digest string, r record) (all []byte, err error) {
	for i := range r.Chunks {
		chunk, err := tx.Get(chunkKey(digest, i))
		if err != nil {
			return nil, err
		}
		all = append(all, chunk...)
	}
	return all, nil
}

// Loaded is a package that a data store of the server uses already, named
// name#version; nil where none does. Where several have that name with other
// content, the error is of KindConflict.
func (s *Shelf) Loaded(ctx context.Context, text string) (data []byte, err error) {
	name, version := splitName(text)
	err = s.db.View(ctx, func(tx kv.Tx) error {
		var found []kv.Keyed[record]
		for k, err := range s.packages.All(tx) {
			if err != nil {
				return err
			}
			if k.Value.Name == name+"#"+version {
				found = append(found, k)
			}
		}
		switch len(found) {
		case 0:
			return nil
		case 1:
			data, err = bytesOf(tx, found[0].Key, found[0].Value)
			return err
		}
		return fhir.Errorf(fhir.KindConflict, "the server has %s with %d contents; add the one that is meant by its file", text, len(found))
	})
	return data, err
}

// Copy makes a data store, which uses none yet, use the guides that one of
// another shelf uses of its own, in the same way. Where they cannot be used here
// it uses none, and the error says why.
func (s *Shelf) Copy(ctx context.Context, from *Shelf, source, storeID string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	used, settings, err := from.own(ctx, source)
	if err != nil || len(used) == 0 && len(settings.Defaults)+len(settings.Demanded) == 0 && !settings.RefuseUnknown {
		return err
	}
	for _, u := range used {
		if err := s.take(ctx, from, storeID, u); err != nil {
			return err
		}
	}
	there, _, err := s.used(ctx, storeID)
	if err != nil {
		return err
	}
	if _, err := s.make(ctx, there, settings); err != nil {
		return fhir.Errorf(fhir.KindConflict, "the guides of the data store cannot be used here (%v); give the server those that all data stores had where it was (guides.load)", err)
	}
	return s.db.Update(ctx, func(tx kv.Tx) error { return s.settings.Put(tx, storeID, settings, time.Time{}) })
}

// own are the uses of a data store without those of all data stores.
func (s *Shelf) own(ctx context.Context, storeID string) (used []kv.Keyed[use], settings conformance.Settings, err error) {
	err = s.db.View(ctx, func(tx kv.Tx) error {
		used = nil
		for k, err := range uses(storeID).All(tx) {
			if err != nil {
				return err
			}
			used = append(used, k)
		}
		settings, err = s.settings.Get(tx, storeID)
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		return err
	})
	return used, settings, err
}

// take copies one package, where it is not there, and that a data store uses it.
func (s *Shelf) take(ctx context.Context, from *Shelf, storeID string, u kv.Keyed[use]) error {
	known, err := s.known(ctx, u.Value.Digest)
	if err != nil {
		return err
	}
	var p pack
	if !known {
		err := from.db.View(ctx, func(tx kv.Tx) error {
			r, err := from.packages.Get(tx, u.Value.Digest)
			if err == nil {
				p.data, err = bytesOf(tx, u.Value.Digest, r)
			}
			return err
		})
		if err == nil {
			p.digest = digestOf(p.data)
			p.guide, err = guide.Reread(bytes.NewReader(p.data), guide.DefaultLimits)
		}
		if err != nil {
			return fmt.Errorf("the guide %s: %w", u.Key, err)
		}
	}
	return s.db.Update(ctx, func(tx kv.Tx) error {
		if !known {
			if err := s.keep(tx, p); err != nil {
				return err
			}
		}
		return uses(storeID).Put(tx, u.Key, u.Value, time.Time{})
	})
}
