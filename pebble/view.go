package pebble

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/tarnhealth/tarn/pebble/internal/pin"
	"github.com/tarnhealth/tarn/store"
)

// A view is a store at one time. It holds nothing of the engine: versions and
// terms never change, and what is newer than its time is left out.
type view struct {
	store *Store
	at    doc
	pin   *pin.Shard
	once  sync.Once
}

func (v *view) T() store.T { return store.T(v.at) }

func (v *view) Close() { v.once.Do(func() { v.pin.Unpin(v.at) }) }

func (v *view) Read(ctx context.Context, resourceType, id string) (store.Version, error) {
	return v.read(ctx, resourceType, id, func(*current) bool { return true })
}

func (v *view) ReadVersion(ctx context.Context, resourceType, id string, number uint64) (store.Version, error) {
	version, err := v.read(ctx, resourceType, id, func(c *current) bool { return c.number <= number })
	if err == nil && version.Number != number {
		return store.Version{}, store.ErrNotFound
	}
	return version, err
}

// read returns the newest version that is wanted.
func (v *view) read(ctx context.Context, resourceType, id string, wanted func(*current) bool) (store.Version, error) {
	s := v.store
	if err := s.users.Enter(); err != nil {
		return store.Version{}, err
	}
	defer s.users.Leave()
	for {
		c, err := s.currentAt(resourceType, id, v.at)
		for err == nil && c.doc != 0 && !wanted(&c) {
			if err = ctx.Err(); err == nil {
				c, err = s.before(c)
			}
		}
		if err != nil {
			return store.Version{}, err
		}
		if c.doc == 0 {
			return store.Version{}, store.ErrNotFound
		}
		version, err := s.hotVersion(&c, resourceType, id)
		if !errors.Is(err, errErased) {
			return version, err
		}
		// The version was erased since its header was read: look again.
	}
}

func (v *view) History(ctx context.Context, q store.History) iter.Seq2[store.Version, error] {
	return v.store.sequence(ctx, func(yield func(store.Version, error) bool) error {
		return v.history(ctx, q, yield)
	})
}
