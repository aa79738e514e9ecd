package pebble

import (
	"sync"

	lsm "github.com/cockroachdb/pebble/v2"
)

// A memory is what the open data stores of a folder may keep of what they
// read, in bytes: three eighths for blocks of files, which all share, and as
// much for what is read by id, and a quarter for dates in memory, of both of
// which each store has an equal part.
type memory struct {
	bytes  int64
	blocks *lsm.Cache
	// release gives the folder's reference to the blocks back, once.
	release func()

	mu     sync.Mutex
	stores map[*Store]bool
}

func newMemory(bytes int64) *memory {
	if bytes == 0 {
		bytes = DefaultCacheBytes
	}
	blocks := lsm.NewCache(bytes / 8 * 3)
	return &memory{bytes: bytes, blocks: blocks, release: sync.OnceFunc(blocks.Unref), stores: map[*Store]bool{}}
}

// join gives a store its part, and others less.
func (m *memory) join(s *Store) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stores[s] = true
	m.divide()
}

// leave gives the others the part of a store that is closed.
func (m *memory) leave(s *Store) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.stores, s)
	m.divide()
}

// leave gives back what a store that is to be closed has of the memory.
func (s *Store) leave() {
	s.opt.memory.leave(s)
	if !s.failure.Fatal() {
		s.beside.End()
	}
}

func (m *memory) divide() {
	for s := range m.stores {
		part := int(m.bytes) / len(m.stores)
		s.hot.limit(part / 8 * 3)
		s.columns.SetLimit(part / 4)
	}
}
