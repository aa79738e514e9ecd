package bulk

import (
	"errors"
	"hash/maphash"
	"io"
	"sync"
)

// inFlight are the resources that chunks on their way are about.
type inFlight struct {
	seed maphash.Seed
	mu   sync.Mutex
	last map[uint64]*chunk
}

func newInFlight() *inFlight {
	return &inFlight{seed: maphash.MakeSeed(), last: map[uint64]*chunk{}}
}

// key stands for a resource. That two have one key costs time, no more.
func (f *inFlight) key(resourceType, id string) uint64 {
	var h maphash.Hash
	h.SetSeed(f.seed)
	_, _ = h.WriteString(resourceType)
	_ = h.WriteByte('/')
	_, _ = h.WriteString(id)
	return h.Sum64()
}

// add notes a chunk, and returns those before it that are about one of its
// resources.
func (f *inFlight) add(c *chunk) (before []*chunk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range c.keys {
		if b := f.last[key]; b != nil && b != c {
			before = append(before, b)
		}
		f.last[key] = c
	}
	return before
}

// remove forgets a chunk that is done.
func (f *inFlight) remove(c *chunk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range c.keys {
		if f.last[key] == c {
			delete(f.last, key)
		}
	}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
