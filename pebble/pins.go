package pebble

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/store"
)

// pins are the times of open views, and how far back new ones may go.
//
// Every request opens a view, nearly all of them at the same time. They are
// spread over shards, so that they do not wait for each other; who wants to
// know of all of them locks all shards.
type pins struct {
	shards [pinShards]pinShard
	// floor is the oldest time that can be shown exactly. It is raised while
	// all shards are locked.
	floor atomic.Uint32
	// checked is when the floor was computed last.
	checked atomic.Int64
	raising sync.Mutex
}

// pinShards is enough for any number of processors.
const pinShards = 16

type pinShard struct {
	mu   sync.Mutex
	open map[doc]int
	_    [64]byte // a cache line of its own
}

// pin resolves a view's time and keeps what it needs until unpin with the same
// shard.
func (s *Store) pin(t store.T) (at doc, shard *pinShard, err error) {
	if now := s.now.Load(); t != 0 && t != store.T(now) {
		if t > store.T(now) {
			return 0, nil, store.ErrExpired
		}
		if err := s.raiseFloor(); err != nil {
			return 0, nil, err
		}
	}
	shard = &s.pins.shards[rand.Uint32()%pinShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	// The floor is not above the time that is read here: it was raised before
	// the shard was locked, or sees the view.
	if at = doc(t); t == 0 {
		at = doc(s.now.Load())
	}
	if at < doc(s.pins.floor.Load()) {
		return 0, nil, store.ErrExpired
	}
	if shard.open == nil {
		shard.open = map[doc]int{}
	}
	shard.open[at]++
	return at, shard, nil
}

func (p *pinShard) unpin(at doc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[at]--; p.open[at] == 0 {
		delete(p.open, at)
	}
}

// raiseFloor moves the floor to the time that was current one retention ago,
// about every second.
func (s *Store) raiseFloor() error {
	p := &s.pins
	p.raising.Lock()
	defer p.raising.Unlock()
	clock := s.opt.Now()
	since := clock.Sub(time.Unix(0, p.checked.Load()))
	if p.checked.Load() != 0 && since >= 0 && since < min(time.Second, s.opt.Retention/8) {
		return nil
	}
	floor, err := s.docsBefore(clock.Add(-s.opt.Retention).UnixMicro(), doc(s.now.Load()))
	if err != nil {
		return err
	}
	p.lock()
	p.floor.Store(max(p.floor.Load(), uint32(floor)))
	p.unlock()
	p.checked.Store(clock.UnixNano())
	return nil
}

// forget drops what neither an open view nor a new one can need.
func (s *Store) forget() error {
	if err := s.raiseFloor(); err != nil {
		return err
	}
	s.pins.lock()
	defer s.pins.unlock()
	s.lives.Forget(s.pins.oldest())
	return nil
}

// oldest is the oldest time that a view is at or may be opened at.
func (s *Store) oldest() (doc, error) {
	err := s.raiseFloor()
	s.pins.lock()
	defer s.pins.unlock()
	return s.pins.oldest(), err
}

func (p *pins) oldest() doc {
	oldest := doc(p.floor.Load())
	for i := range p.shards {
		for at := range p.shards[i].open {
			oldest = min(oldest, at)
		}
	}
	return oldest
}

// views is the number of open views.
func (p *pins) views() (n int) {
	p.lock()
	defer p.unlock()
	for i := range p.shards {
		for _, open := range p.shards[i].open {
			n += open
		}
	}
	return n
}

func (p *pins) lock() {
	for i := range p.shards {
		p.shards[i].mu.Lock()
	}
}

func (p *pins) unlock() {
	for i := range p.shards {
		p.shards[i].mu.Unlock()
	}
}
