// Package hot owns memory of what is read often: values under keys, up to a
// number of bytes, that never outlive what they were read from.
//
// It leaves to others: what a value is, and to call Remove or Set whenever one
// changes.
package hot

import (
	"hash/maphash"
	"sync"
)

// A Cache holds values in two generations: what is not asked for while a
// generation fills is forgotten. It is spread over shards, each with a lock of
// its own; a look-up takes some 60 ns. The zero value holds nothing: see Limit.
type Cache[K comparable, V any] struct {
	shards [shards]shard[K, V]
}

// seed is that of all caches.
var seed = maphash.MakeSeed()

// shards is enough for any number of processors.
const shards = 32

type shard[K comparable, V any] struct {
	mu         sync.Mutex
	young, old map[K]item[V]
	// bytes are those of the young, limit is how many they may be.
	bytes, limit int
	// changes counts Set and Remove.
	changes uint64
	_       [64]byte // a cache line of its own
}

type item[V any] struct {
	value V
	size  int
}

// overhead is what an entry costs beside its value.
const overhead = 64

// Limit sets how many bytes are held at most, by the sizes given for values. It
// may be changed at any time.
func (c *Cache[K, V]) Limit(bytes int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		if limit := bytes / shards / 2; limit < s.limit {
			s.old, s.young, s.bytes, s.limit = nil, nil, 0, limit
		} else {
			s.limit = limit
		}
		s.mu.Unlock()
	}
}

// A Ticket says when a value was looked for in vain.
type Ticket uint64

func (c *Cache[K, V]) shard(key K) *shard[K, V] {
	return &c.shards[maphash.Comparable(seed, key)%shards]
}

// Get returns the value of a key. Where there is none, the ticket is for Put,
// with what is read from where values come from after that.
func (c *Cache[K, V]) Get(key K) (value V, ticket Ticket, ok bool) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.young[key]; ok {
		return i.value, 0, true
	}
	if i, ok := s.old[key]; ok {
		s.add(key, i)
		return i.value, 0, true
	}
	return value, Ticket(s.changes), false
}

// Put holds a value, unless something was changed since the ticket: it may have
// been this value, read before the change. The key must not be cut from more
// memory than it is, and the size is that of all that the value holds.
func (c *Cache[K, V]) Put(key K, value V, size int, ticket Ticket) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if Ticket(s.changes) == ticket {
		s.add(key, item[V]{value, size + overhead})
	}
}

// Set holds the value that a key has from now on.
func (c *Cache[K, V]) Set(key K, value V, size int) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
	s.add(key, item[V]{value, size + overhead})
}

// Remove forgets the value of a key, which has changed.
func (c *Cache[K, V]) Remove(key K) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
}

func (s *shard[K, V]) remove(key K) {
	s.changes++
	if i, ok := s.young[key]; ok {
		s.bytes -= i.size
		delete(s.young, key)
	}
	delete(s.old, key)
}

func (s *shard[K, V]) add(key K, i item[V]) {
	if i.size > s.limit {
		return
	}
	if before, ok := s.young[key]; ok {
		s.bytes -= before.size
	}
	if s.bytes+i.size > s.limit || s.young == nil {
		s.old, s.young, s.bytes = s.young, make(map[K]item[V], len(s.young)), 0
	}
	s.young[key] = i
	s.bytes += i.size
}
