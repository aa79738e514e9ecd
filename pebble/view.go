package pebble

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/store"
)

// A view is a store at one time. It holds nothing of the engine: versions and
// terms never change, and what is newer than its time is left out.
type view struct {
	store *Store
	at    doc
	once  sync.Once
}

func (v *view) T() store.T { return store.T(v.at) }

func (v *view) Close() { v.once.Do(func() { v.store.unpin(v.at) }) }

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
	if err := s.users.enter(); err != nil {
		return store.Version{}, err
	}
	defer s.users.leave()
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
		version, err := s.withBody(c.doc, &c.header, resourceType, id)
		if !errors.Is(err, errErased) {
			return version, err
		}
		// The version was erased since its header was read: look again.
	}
}

func (v *view) History(ctx context.Context, q store.History) iter.Seq2[store.Version, error] {
	return v.store.sequence(ctx, func(yield func(store.Version, error) bool) error {
		return v.history(q, yield)
	})
}

// pins are the times of open views, and how far back new ones may go.
type pins struct {
	mu   sync.Mutex
	open map[doc]int
	// floor is the oldest time that can be shown exactly.
	floor doc
	// checked is when the floor was computed last.
	checked time.Time
}

// pin resolves a view's time and keeps what it needs until unpin.
func (s *Store) pin(t store.T) (doc, error) {
	s.pins.mu.Lock()
	defer s.pins.mu.Unlock()
	now := doc(s.now.Load())
	at := now
	if t != 0 && t != store.T(now) {
		if t > store.T(now) {
			return 0, store.ErrExpired
		}
		if err := s.raiseFloor(now); err != nil {
			return 0, err
		}
		if at = doc(t); at < s.pins.floor {
			return 0, store.ErrExpired
		}
	}
	if s.pins.open == nil {
		s.pins.open = map[doc]int{}
	}
	s.pins.open[at]++
	return at, nil
}

func (s *Store) unpin(at doc) {
	s.pins.mu.Lock()
	defer s.pins.mu.Unlock()
	if s.pins.open[at]--; s.pins.open[at] == 0 {
		delete(s.pins.open, at)
	}
}

// raiseFloor moves the floor to the time that was current one retention ago,
// about every second. The caller holds the pins.
func (s *Store) raiseFloor(now doc) error {
	clock := s.opt.Now()
	if since := clock.Sub(s.pins.checked); since >= 0 && since < min(time.Second, s.opt.Retention/8) {
		return nil
	}
	floor, err := s.docsBefore(clock.Add(-s.opt.Retention).UnixMicro(), now)
	if err != nil {
		return err
	}
	s.pins.floor = max(s.pins.floor, floor)
	s.pins.checked = clock
	return nil
}

// forget drops what neither an open view nor a new one can need.
func (s *Store) forget() error {
	s.pins.mu.Lock()
	defer s.pins.mu.Unlock()
	if err := s.raiseFloor(doc(s.now.Load())); err != nil {
		return err
	}
	s.lives.Forget(s.pins.oldest())
	return nil
}

// oldest is the oldest time that a view is at or may be opened at.
func (s *Store) oldest() (doc, error) {
	s.pins.mu.Lock()
	defer s.pins.mu.Unlock()
	err := s.raiseFloor(doc(s.now.Load()))
	return s.pins.oldest(), err
}

func (p *pins) oldest() doc {
	oldest := p.floor
	for at := range p.open {
		oldest = min(oldest, at)
	}
	return oldest
}
