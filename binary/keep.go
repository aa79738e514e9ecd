package binary

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// A hold keeps a content from being removed while somebody writes it.
type hold struct {
	// work is held by who writes or removes the blob.
	work sync.Mutex
	// refs are those who hold it; Contents.mu guards it.
	refs int
	// whole is set once the blob is known to be there; work guards it.
	whole bool
}

func (c *Contents) hold(key string) *hold {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.held[key]
	if h == nil {
		h = new(hold)
		c.held[key] = h
	}
	h.refs++
	return h
}

func (c *Contents) release(key string, h *hold) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.refs--; h.refs == 0 {
		delete(c.held, key)
	}
}

// Kept are the contents of resources that are about to be committed, through all
// attempts at that. A nil Kept has none; Done ends another.
type Kept struct {
	contents *Contents
	pieces   map[string]*kept
	// now are the keys of those that the last attempt has.
	now []string
}

type kept struct {
	of   Owner
	hold *hold
}

// Begin begins to keep contents.
func (c *Contents) Begin() *Kept { return &Kept{contents: c, pieces: map[string]*kept{}} }

// Keep makes the contents of one attempt durable, and keeps them from being
// removed until Done.
func (k *Kept) Keep(ctx context.Context, all []*Parts) error {
	k.now = nil
	for _, parts := range all {
		for i := range parts.pieces {
			if err := k.add(ctx, parts.of, &parts.pieces[i]); err != nil {
				return err
			}
		}
	}
	k.contents.some.Store(true)
	return nil
}

// add makes one content durable.
func (k *Kept) add(ctx context.Context, of Owner, p *part) error {
	c := k.contents
	key := c.records.contentKey(of, &p.StandIn)
	k.now = append(k.now, key)
	one := k.pieces[key]
	if one == nil {
		one = &kept{of, c.hold(key)}
		k.pieces[key] = one
	}
	one.hold.work.Lock()
	defer one.hold.work.Unlock()
	known, err := c.records.get(ctx, key)
	switch {
	case err == nil && (known.Stored || one.hold.whole):
		return nil
	case err != nil && !errors.Is(err, kv.ErrNotFound):
		return err
	}
	if err := c.bring(ctx, key, known.Blob, of, p); err != nil {
		return err
	}
	one.hold.whole = true
	return nil
}

// bring writes the blob of a content, or takes the one that was uploaded, and
// records it, in doubt. before is a blob that a try before has left.
func (c *Contents) bring(ctx context.Context, key, before string, of Owner, p *part) error {
	blob := ""
	if p.upload != nil {
		blob = p.upload.blob
	}
	if blob == "" {
		from, err := p.open(ctx)
		if err != nil {
			return err
		}
		blob, _, err = c.write(ctx, from)
		if err = errors.Join(err, from.Close()); err != nil {
			return err
		}
	}
	if err := c.writeLabel(ctx, blob, of, p); err != nil {
		if p.upload == nil || p.upload.blob == "" {
			c.discard(ctx, blob)
		}
		return err
	}
	if err := c.record(ctx, key, before, record{Blob: blob, SHA1: p.sha1}); err != nil {
		if p.upload == nil || p.upload.blob == "" {
			c.discard(ctx, blob)
		}
		return err
	}
	if p.upload != nil {
		p.upload.blob, p.upload.placed = "", &source{p.StandIn, of, c}
	}
	c.idle(blob)
	return nil
}

// record records a content whose blob is there.
func (c *Contents) record(ctx context.Context, key, before string, now record) error {
	r := c.records
	err := r.db.Update(ctx, func(tx kv.Tx) error {
		err := errors.Join(r.uploads.Delete(tx, r.uploadKey(now.Blob)),
			r.known.Put(tx, key, now, time.Time{}), r.doubts.Put(tx, key, struct{}{}, time.Time{}))
		if before != "" && before != now.Blob {
			err = errors.Join(err, r.uploads.Put(tx, r.uploadKey(before), upload{Begun: c.opt.Now().UTC()}, time.Time{}))
		}
		return err
	})
	if err == nil && before != "" {
		c.again()
	}
	return err
}

// An Ending is how a commit ended.
type Ending uint8

// The endings.
const (
	// Refused is that nothing was committed.
	Refused Ending = iota
	// Committed is that what the last attempt had was.
	Committed
	// Unknown is that nobody can say; the next start will.
	Unknown
)

// Done ends the writing. Contents that no version has are removed.
func (k *Kept) Done(ctx context.Context, end Ending) {
	if k == nil {
		return
	}
	c := k.contents
	var others []Owner
	for key, one := range k.pieces {
		c.release(key, one.hold)
		if end == Refused || end == Committed && !slices.Contains(k.now, key) {
			others = append(others, one.of)
		}
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if end == Committed {
		err = c.settle(ctx, k.now)
	}
	if err = errors.Join(err, c.verifyAll(ctx, others)); err != nil {
		c.opt.Logger.Error("what contents belong to could not be recorded; it is tried again", "store", c.opt.Store, "error", err)
		c.again()
	}
}

// settle records that versions have contents.
func (c *Contents) settle(ctx context.Context, keys []string) error {
	var open []string
	err := c.records.db.View(ctx, func(tx kv.Tx) error {
		open = nil
		for _, key := range keys {
			if _, err := c.records.doubts.Get(tx, key); err == nil {
				open = append(open, key)
			}
		}
		return nil
	})
	if len(open) == 0 || err != nil {
		return err
	}
	return c.records.db.Update(ctx, func(tx kv.Tx) error {
		for _, key := range open {
			known, err := c.records.known.Get(tx, key)
			if err != nil {
				return err
			}
			known.Stored = true
			if err := errors.Join(c.records.known.Put(tx, key, known, time.Time{}), c.records.doubts.Delete(tx, key)); err != nil {
				return err
			}
		}
		return nil
	})
}

// verifyAll verifies the contents of some resources, each once.
func (c *Contents) verifyAll(ctx context.Context, owners []Owner) error {
	slices.SortFunc(owners, func(a, b Owner) int { return strings.Compare(a.String(), b.String()) })
	var errs []error
	for _, of := range slices.Compact(owners) {
		errs = append(errs, c.verify(ctx, of))
	}
	return errors.Join(errs...)
}
