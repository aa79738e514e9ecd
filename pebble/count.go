package pebble

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/store"
)

// live counts the resources of each type at the newest visible time.
type live struct {
	mu     sync.RWMutex
	at     doc
	counts map[string]int
}

func (l *live) publish(group []written, at doc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = map[string]int{}
	}
	for i := range group {
		if w := &group[i]; w.change != 0 {
			l.counts[w.resourceType] += w.change
		}
	}
	l.at = at
}

// add changes the number of resources of a type, at any time.
func (l *live) add(resourceType string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[resourceType] += n
}

// count is the number of resources of a type where at is the newest time; ok
// is false otherwise.
func (l *live) count(resourceType string, at doc) (n int, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.counts[resourceType], l.at == at
}

func (l *live) snapshot() map[string]int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return maps.Clone(l.counts)
}

func sortedKeys[K string | uint16, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}

// counters are what Stats adds up.
type counters struct {
	commits, versions, groups, syncNanos, sealed, erased atomic.Uint64
}

func (c *counters) group(g *group, sync time.Duration) {
	for i := range g.results {
		if g.results[i].err == nil {
			c.commits.Add(1)
		}
	}
	c.versions.Add(uint64(len(g.written)))
	c.groups.Add(1)
	c.syncNanos.Add(uint64(sync))
}

// Stats describes a store for metrics. Counters are since Open.
type Stats struct {
	// T is the newest visible time: the number of versions ever stored.
	T store.T
	// Commits that wrote, Versions that they wrote, and Syncs, the fsyncs
	// that they shared; SyncTime is what they waited for those.
	Commits, Versions, Syncs uint64
	SyncTime                 time.Duration
	// Seals is how often terms in memory were written to a file; Unsealed is
	// the number of versions whose terms are in memory, which take about
	// UnsealedBytes.
	Seals         uint64
	Unsealed      int
	UnsealedBytes int64
	// DiskBytes is the size of all files.
	DiskBytes uint64
	// Live is the number of resources by type.
	Live map[string]int
	// Views is the number of open views.
	Views int
	// Scrubs is the number of key ranges whose files still hold bytes of what
	// was erased, and are being written anew.
	Scrubs int
	// ReadOnly is 1 since the disk failed, otherwise 0.
	ReadOnly int
}

// Stats returns the store's numbers, or the zero Stats after Close.
func (s *Store) Stats() Stats {
	if s.users.Enter() != nil {
		return Stats{}
	}
	defer s.users.Leave()
	st := Stats{
		T:         store.T(s.now.Load()),
		Commits:   s.stats.commits.Load(),
		Versions:  s.stats.versions.Load(),
		Syncs:     s.stats.groups.Load(),
		SyncTime:  time.Duration(s.stats.syncNanos.Load()),
		Seals:     s.stats.sealed.Load(),
		DiskBytes: s.db.Metrics().DiskSpaceUsage(),
		Live:      s.live.snapshot(),
		Scrubs:    s.scrubs.Left(),
		Views:     s.pins.Views(),
	}
	if s.failure.Get() != nil {
		st.ReadOnly = 1
	}
	for _, h := range s.index.Load().heads {
		st.Unsealed += h.Docs()
		st.UnsealedBytes += h.Bytes.Load()
	}
	return st
}
