package datastore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
)

// A Backup is the continuous backup of a data store: what it holds can be
// restored as of any time, and what it held when it was deleted for some days
// after that. Until then its keys and files stay.
type Backup struct {
	// Days is how long, 1 to 30.
	Days int `json:"days"`
	// Tags is set where what is restored from it gets its tags.
	Tags bool `json:"tags,omitempty"`
	// Since is when it was turned on.
	Since time.Time `json:"since"`
}

// keepDays is how many days a data store is kept when it is deleted.
func (r *Record) keepDays() int {
	if r.Control == nil || r.Control.Backup == nil {
		return 0
	}
	return r.Control.Backup.Days
}

// HasStorage reports whether there may be files of the data store.
func (r *Record) HasStorage() bool { return r.Status != StatusDeleted || !r.Kept.IsZero() }

// past is a store.Store that has the resources as of any time; see
// pebble.Store.Past.
type past interface {
	Past(ctx context.Context, t store.T, afterType, afterID string) iter.Seq2[store.Version, error]
}

// Past yields the resources that the data store had at a logical time, however
// long ago, in the order of their types and ids, behind one of a type and an id.
// It asks nobody who may see them: it is for restoring a data store whole.
func (s *Store) Past(ctx context.Context, t store.T, afterType, afterID string) (iter.Seq2[store.Version, error], error) {
	if s.past == nil {
		return nil, fhir.Errorf(fhir.KindNotSupported, "this server's storage does not restore data stores to a time")
	}
	versions := s.whole(ctx, s.past.Past(ctx, t, afterType, afterID))
	return func(yield func(store.Version, error) bool) {
		for v, err := range versions {
			if !yield(v, storeError(err)) {
				return
			}
		}
	}, nil
}

// keptStores are the deleted data stores that are open to be restored.
type keptStores struct {
	mu   sync.Mutex
	open map[string]bool
}

// take marks one as open; false where it is.
func (k *keptStores) take(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open[id] {
		return false
	}
	if k.open == nil {
		k.open = map[string]bool{}
	}
	k.open[id] = true
	return true
}

func (k *keptStores) free(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, id)
}

// OpenKept opens a data store that was deleted and is kept, to read from it until
// done is called. It is not served meanwhile. It fails with KindNotFound where
// there is none, and with KindConflict where somebody else has it open.
func (c *Catalog) OpenKept(ctx context.Context, id string) (s *Store, done func() error, err error) {
	if !c.restoring.take(id) {
		return nil, nil, fhir.Errorf(fhir.KindConflict, "the data store %q is being restored already", id)
	}
	r, err := c.Describe(ctx, id)
	if err == nil && (r.Status != StatusDeleted || r.Kept.IsZero()) {
		err = fhir.Errorf(fhir.KindNotFound, "there is no deleted data store %q that is kept", id)
	}
	if err == nil {
		s, err = c.openStore(ctx, r)
	}
	if err != nil {
		c.restoring.free(id)
		return nil, nil, err
	}
	return s, func() error {
		defer c.restoring.free(id)
		return s.close()
	}, nil
}

// Expire removes what deleted data stores held whose time is over: keys first,
// so that what is left of their files is unreadable at once. It returns their
// ids.
func (c *Catalog) Expire(ctx context.Context) (ids []string, err error) {
	list, err := c.List(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, r := range list {
		if r.Status != StatusDeleted || r.Kept.IsZero() || c.opt.Now().Before(r.Kept) || !c.restoring.take(r.ID) {
			continue
		}
		err := c.removeAll(ctx, r.ID)
		if err == nil {
			r.Kept = time.Time{}
			err = c.put(ctx, r)
		}
		c.restoring.free(r.ID)
		if err != nil {
			errs = append(errs, fmt.Errorf("data store %s: %w", r.ID, err))
			continue
		}
		ids = append(ids, r.ID)
	}
	return ids, errors.Join(errs...)
}

// PageKey is the secret of a data store in the records of a data folder, which
// what is kept beside its versions is bound to.
func PageKey(ctx context.Context, records kv.DB, id string) ([]byte, error) {
	var found secret
	err := records.View(ctx, func(tx kv.Tx) (err error) {
		found, err = kv.NewTable[secret](secretTable).Get(tx, id)
		return err
	})
	return found.PageKey, err
}
