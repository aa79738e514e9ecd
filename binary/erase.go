package binary

import (
	"context"
	"errors"
	"time"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
)

// Erase calls erase, which erases versions for good, and removes the contents
// that no version has any more. It is put down before which may be such, so that
// a crash leaves none.
func (c *Contents) Erase(ctx context.Context, erasures []store.Erasure, erase func() (int, error)) (int, error) {
	var owners []Owner
	if c.Some() {
		var err error
		if owners, err = c.doubt(ctx, erasures); err != nil {
			return 0, err
		}
	}
	n, err := erase()
	if len(owners) == 0 {
		return n, err
	}
	ctx = context.WithoutCancel(ctx)
	if failed := c.verifyAll(ctx, owners); failed != nil {
		// The versions are gone. What their contents were goes as soon as it can.
		c.opt.Logger.Error("contents of erased resources could not be removed; it is tried again", "store", c.opt.Store, "error", failed)
		c.again()
	}
	return n, err
}

// doubt puts down that contents may not be needed any more, and returns the
// resources that have any.
func (c *Contents) doubt(ctx context.Context, erasures []store.Erasure) (owners []Owner, err error) {
	var keys []string
	for _, e := range erasures {
		of := Owner{e.Type, e.ID}
		found, err := c.allOwned(ctx, of)
		if err != nil {
			return nil, err
		}
		for _, k := range found {
			keys = append(keys, k.Key)
		}
		if len(found) > 0 {
			owners = append(owners, of)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return owners, c.records.db.Update(ctx, func(tx kv.Tx) error {
		var errs []error
		for _, key := range keys {
			errs = append(errs, c.records.doubts.Put(tx, key, struct{}{}, time.Time{}))
		}
		return errors.Join(errs...)
	})
}

// allOwned are the contents of a resource, those too whose records are missing.
func (c *Contents) allOwned(ctx context.Context, of Owner) ([]kv.Keyed[record], error) {
	found, err := c.records.owned(ctx, of)
	if err != nil {
		return nil, err
	}
	used, err := c.usedBy(ctx, of)
	if err != nil {
		return nil, err
	}
	for _, k := range found {
		delete(used, k.Key)
	}
	if len(used) == 0 {
		return found, nil
	}
	if _, err := c.recover(ctx); err != nil {
		return nil, err
	}
	return c.records.owned(ctx, of)
}

// verify looks up which of a resource's contents its versions have, and removes
// the others but for those that are being written.
func (c *Contents) verify(ctx context.Context, of Owner) error {
	owned, err := c.records.owned(ctx, of)
	if err != nil || len(owned) == 0 {
		return err
	}
	var errs []error
	for _, k := range owned {
		errs = append(errs, c.verifyOne(ctx, of, k.Key))
	}
	return errors.Join(errs...)
}

// verifyOne removes a content that no version has.
func (c *Contents) verifyOne(ctx context.Context, of Owner, key string) error {
	h := c.hold(key)
	defer c.release(key, h)
	h.work.Lock()
	defer h.work.Unlock()
	if c.heldByOthers(h) {
		return nil // who writes it says what becomes of it
	}
	known, err := c.records.get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	used, err := c.usedBy(ctx, of)
	switch {
	case err != nil:
		return err
	case used[key]:
		return c.settle(ctx, []string{key})
	}
	h.whole = false
	if err := c.remove(ctx, known.Blob); err != nil {
		return err
	}
	return c.records.db.Update(ctx, func(tx kv.Tx) error {
		return errors.Join(c.records.known.Delete(tx, key), c.records.doubts.Delete(tx, key))
	})
}

func (c *Contents) heldByOthers(h *hold) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return h.refs > 1
}

// usedBy are the keys of the contents that the versions of a resource have.
func (c *Contents) usedBy(ctx context.Context, of Owner) (map[string]bool, error) {
	view, err := c.opt.Backend.View(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	used := map[string]bool{}
	for v, err := range view.History(ctx, store.History{Type: of.Type, ID: of.ID}) {
		if err != nil {
			return nil, err
		}
		for _, p := range c.find(of, v.Body.JSON) {
			used[c.records.contentKey(of, &p.StandIn)] = true
		}
	}
	return used, nil
}

// again asks for another look at what is left.
func (c *Contents) again() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// tend removes what is left: at first what there was at the start, and after a
// failure what there is then.
func (c *Contents) tend(ctx context.Context, doubts, uploads []string) {
	defer close(c.ended)
	err := c.sweep(ctx, doubts, uploads)
	for {
		var retry <-chan time.Time
		if err != nil {
			c.opt.Logger.Error("contents that nothing refers to could not be removed; it is tried again", "store", c.opt.Store, "error", err)
			retry = time.After(c.opt.Retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-retry:
		case <-c.wake:
			select {
			case <-ctx.Done():
				return
			case <-time.After(c.opt.Retry):
			}
		}
		err = c.Sweep(ctx)
	}
}

// Sweep removes what nothing refers to: contents in doubt that no version has,
// and uploads that came to nothing. What is being written is left alone.
func (c *Contents) Sweep(ctx context.Context) error {
	doubts, uploads, err := c.records.left(ctx)
	if err != nil {
		return err
	}
	return c.sweep(ctx, doubts, uploads)
}

func (c *Contents) sweep(ctx context.Context, doubts, uploads []string) error {
	c.sweeping.Lock()
	defer c.sweeping.Unlock()
	var errs []error
	for _, key := range uploads {
		errs = append(errs, c.sweepUpload(ctx, key))
	}
	for _, key := range doubts {
		if of, ok := c.records.ownerOf(key); ok {
			errs = append(errs, c.verifyOne(ctx, of, key))
		}
	}
	return errors.Join(errs...)
}

// sweepUpload removes a blob that belongs to no resource, unless somebody is
// about to say to which.
func (c *Contents) sweepUpload(ctx context.Context, key string) error {
	c.mu.Lock()
	busy := c.busy[key]
	c.mu.Unlock()
	if busy {
		return nil
	}
	// It may have found its resource since the list was made; from here on it
	// cannot.
	err := c.records.db.View(ctx, func(tx kv.Tx) error {
		_, err := c.records.uploads.Get(tx, c.records.uploadKey(key))
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	l, err := c.readLabel(ctx, key)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return c.removeBlob(ctx, key)
	case err != nil:
		return err
	}
	// It was to become a content, and by records that are older than the versions
	// nobody can tell whether it has.
	if err := c.adopt(ctx, key, true); err != nil {
		return err
	}
	of := Owner{l.Type, l.ID}
	return c.settleBlob(ctx, of, c.records.ownerKey(of)+l.Content, key)
}

// settleBlob verifies a content that was found by its label, and removes the blob
// where another is the content's.
func (c *Contents) settleBlob(ctx context.Context, of Owner, key, blobKey string) error {
	known, err := c.records.get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil // somebody else has done it
	}
	if err != nil {
		return err
	}
	if known.Blob != blobKey {
		return c.remove(ctx, blobKey)
	}
	return c.verifyOne(ctx, of, key)
}
