// Package inflight knows which lots of resources that are on their way into a
// data store have a resource in common, so that of two lines with one id the
// later one is stored later.
//
// It leaves to others: what a lot is, and the waiting.
package inflight

import (
	"hash/maphash"
	"sync"
)

// A Set holds the lots on their way. It is safe for concurrent use.
type Set[Lot comparable] struct {
	seed maphash.Seed
	mu   sync.Mutex
	// last is the last lot with a resource, by its key.
	last map[uint64]Lot
}

// New makes an empty set.
func New[Lot comparable]() *Set[Lot] {
	return &Set[Lot]{seed: maphash.MakeSeed(), last: map[uint64]Lot{}}
}

// Key stands for a resource. That two have one key costs time, no more.
func (s *Set[Lot]) Key(resourceType, id string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(resourceType)
	_ = h.WriteByte('/')
	_, _ = h.WriteString(id)
	return h.Sum64()
}

// Add puts a lot with the resources of keys in, and returns those before it that
// have one of them; the same one may come several times.
func (s *Set[Lot]) Add(lot Lot, keys []uint64) (before []Lot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if b, there := s.last[key]; there && b != lot {
			before = append(before, b)
		}
		s.last[key] = lot
	}
	return before
}

// Remove takes a lot out that is stored. keys are those of Add.
func (s *Set[Lot]) Remove(lot Lot, keys []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if b, there := s.last[key]; there && b == lot {
			delete(s.last, key)
		}
	}
}
