// Package pin owns the times of open views, and how far back new ones may go.
//
// It leaves to others: what a view needs to be shown at its time (posting), and
// when versions were written (Pins.Before).
package pin

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/store"
)

// Pins are the times of open views.
//
// Every request opens a view, nearly all of them at the same time. They are
// spread over shards, so that they do not wait for each other; who wants to
// know of all of them locks all shards.
//
// Set the fields before the first call.
type Pins struct {
	// Clock tells the time.
	Clock func() time.Time
	// Retention is how long a time that was current can be viewed.
	Retention time.Duration
	// Now is the newest doc that is visible.
	Now func() posting.Doc
	// Before is the newest doc up to last that was written before a time, in
	// microseconds since 1970.
	Before func(micros int64, last posting.Doc) (posting.Doc, error)
	// Reach makes it possible to show times from to on, where those from floor
	// on can be shown.
	Reach func(to, floor posting.Doc) error

	shards [shards]Shard
	// floor is the oldest time that can be shown exactly. It is changed while
	// all shards are locked.
	floor atomic.Uint32
	// limit is the time that was current one retention ago: how far back the
	// floor may be taken. checked is when it was computed last.
	limit   atomic.Uint32
	checked atomic.Int64
	// raising is held while floor or limit change.
	raising sync.Mutex
}

// maxReach bounds how many versions Reach looks at. It takes about a
// microsecond for each.
const maxReach = 200_000

// shards is enough for any number of processors.
const shards = 16

// A Shard holds some of the open views.
type Shard struct {
	mu   sync.Mutex
	open map[posting.Doc]int
	_    [64]byte // a cache line of its own
}

// Reset says that times before floor cannot be shown yet.
func (p *Pins) Reset(floor posting.Doc) { p.floor.Store(uint32(floor)) }

// Pin resolves a view's time, 0 for now, and keeps what it needs until Unpin
// with the same shard. The error is store.ErrExpired where t is too old, or in
// the future.
func (p *Pins) Pin(t store.T) (at posting.Doc, shard *Shard, err error) {
	if now := store.T(p.Now()); t != 0 && t != now {
		if t > now {
			return 0, nil, store.ErrExpired
		}
		if err := p.lower(posting.Doc(t)); err != nil {
			return 0, nil, err
		}
	}
	shard = &p.shards[rand.Uint32()%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	// The floor is not above the time that is read here: it was raised before
	// the shard was locked, or sees the view.
	if at = posting.Doc(t); t == 0 {
		at = p.Now()
	}
	if at < posting.Doc(p.floor.Load()) {
		return 0, nil, store.ErrExpired
	}
	if shard.open == nil {
		shard.open = map[posting.Doc]int{}
	}
	shard.open[at]++
	return at, shard, nil
}

// Unpin ends a view.
func (s *Shard) Unpin(at posting.Doc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[at]--; s.open[at] == 0 {
		delete(s.open, at)
	}
}

// lower takes the floor back to a time within the retention, where it is above
// it since the store was opened.
func (p *Pins) lower(t posting.Doc) error {
	p.raising.Lock()
	defer p.raising.Unlock()
	if err := p.raise(); err != nil {
		return err
	}
	floor := posting.Doc(p.floor.Load())
	if t >= floor || t < posting.Doc(p.limit.Load()) || floor-t > maxReach {
		return nil
	}
	if err := p.Reach(t, floor); err != nil {
		return err
	}
	p.lock()
	p.floor.Store(uint32(t))
	p.unlock()
	return nil
}

// raise moves limit and floor to the time that was current one retention ago,
// about every second. The caller holds raising.
func (p *Pins) raise() error {
	clock := p.Clock()
	since := clock.Sub(time.Unix(0, p.checked.Load()))
	if p.checked.Load() != 0 && since >= 0 && since < min(time.Second, p.Retention/8) {
		return nil
	}
	floor, err := p.Before(clock.Add(-p.Retention).UnixMicro(), p.Now())
	if err != nil {
		return err
	}
	p.lock()
	p.limit.Store(max(p.limit.Load(), uint32(floor)))
	p.floor.Store(max(p.floor.Load(), uint32(floor)))
	p.unlock()
	p.checked.Store(clock.UnixNano())
	return nil
}

// Forget calls drop with the oldest time that a view is at or may be opened at.
// No view is opened meanwhile.
func (p *Pins) Forget(drop func(oldest posting.Doc)) error {
	p.raising.Lock()
	defer p.raising.Unlock()
	if err := p.raise(); err != nil {
		return err
	}
	p.lock()
	defer p.unlock()
	drop(p.oldest())
	return nil
}

// Oldest is the oldest time that a view is at or may be opened at.
func (p *Pins) Oldest() (posting.Doc, error) {
	p.raising.Lock()
	defer p.raising.Unlock()
	err := p.raise()
	p.lock()
	defer p.unlock()
	return p.oldest(), err
}

func (p *Pins) oldest() posting.Doc {
	oldest := posting.Doc(p.limit.Load())
	for i := range p.shards {
		for at := range p.shards[i].open {
			oldest = min(oldest, at)
		}
	}
	return oldest
}

// Views is the number of open views.
func (p *Pins) Views() (n int) {
	p.lock()
	defer p.unlock()
	for i := range p.shards {
		for _, open := range p.shards[i].open {
			n += open
		}
	}
	return n
}

func (p *Pins) lock() {
	for i := range p.shards {
		p.shards[i].mu.Lock()
	}
}

func (p *Pins) unlock() {
	for i := range p.shards {
		p.shards[i].mu.Unlock()
	}
}
