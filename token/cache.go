package token

import (
	"crypto/sha256"
	"sync"
)

// A cache remembers up to 2·limit values by the hash of a credential. What was
// not looked up for limit additions is forgotten. Safe for concurrent use.
type cache[T any] struct {
	mu         sync.Mutex
	limit      int
	young, old map[[sha256.Size]byte]T
}

func newCache[T any](limit int) *cache[T] {
	return &cache[T]{limit: limit, young: map[[sha256.Size]byte]T{}}
}

// cacheKey never keeps the credential itself.
func cacheKey(parts ...string) [sha256.Size]byte {
	if len(parts) == 1 {
		return sha256.Sum256([]byte(parts[0]))
	}
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (c *cache[T]) get(key [sha256.Size]byte) (T, bool) {
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

func (c *cache[T]) put(key [sha256.Size]byte, value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, value)
}

func (c *cache[T]) add(key [sha256.Size]byte, value T) {
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[[sha256.Size]byte]T, c.limit)
	}
	c.young[key] = value
}
