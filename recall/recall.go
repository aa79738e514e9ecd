// Package recall owns the memory of answers that cost something to find: a
// bounded map that forgets what is not asked for.
//
// It leaves to others: what is remembered, and whether it still holds.
package recall

import "sync"

// A Cache remembers up to 2·limit values. What was not looked up for limit
// additions is forgotten. Safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu         sync.Mutex
	limit      int
	young, old map[K]V
}

// New makes a Cache. Memory is taken as values come.
func New[K comparable, V any](limit int) *Cache[K, V] {
	return &Cache[K, V]{limit: limit, young: map[K]V{}}
}

// Get is the value that was put under a key, if it is still remembered.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value, ok := c.young[key]; ok {
		return value, true
	}
	value, ok := c.old[key]
	if ok {
		c.add(key, value)
	}
	return value, ok
}

// Put remembers a value.
func (c *Cache[K, V]) Put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, value)
}

func (c *Cache[K, V]) add(key K, value V) {
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, map[K]V{}
	}
	c.young[key] = value
}
