package engine

import (
	"sync"

	lsm "github.com/cockroachdb/pebble/v2"
)

// Beside has an engine keep its memtables beside the cache of blocks that it
// shares. By itself it takes them out of it: two of 16 MB, the one that is
// written and the one that is kept to be used again, leave nothing of a cache of
// 24 MB, and every block is read from its file for every request.
//
// A cache is told of that by a reservation, so each one is answered by the
// opposite of it.
type Beside struct {
	blocks *lsm.Cache

	// mu is held while the engine is asked, which waits for its locks.
	mu sync.Mutex
	db *lsm.DB
	// answered is how much of what the engine reserved is answered.
	answered int64
}

// NewBeside is for an engine that is to be opened with o.
func NewBeside(o *lsm.Options) *Beside {
	b := &Beside{blocks: o.Cache}
	// The engine holds its locks here; what it has is known when it lets go.
	changed := func(lsm.FlushInfo) { go b.settle() }
	o.EventListener = &lsm.EventListener{FlushBegin: changed, FlushEnd: changed}
	return b
}

// Begin is called when the engine is open.
func (b *Beside) Begin(db *lsm.DB) {
	b.mu.Lock()
	b.db = db
	b.mu.Unlock()
	b.settle()
}

// End is called before the engine is closed, and not where it gave up: it may
// hold its locks for ever.
func (b *Beside) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocks.Reserve(int(b.answered))
	b.db, b.answered = nil, 0
}

func (b *Beside) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.db == nil {
		return
	}
	m := b.db.Metrics().MemTable
	reserved := int64(m.Size + m.ZombieSize)
	b.blocks.Reserve(int(b.answered - reserved))
	b.answered = reserved
}
