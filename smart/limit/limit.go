// Package limit owns the counting of how often somebody does something, in the
// memory of one process.
package limit

import (
	"math"
	"sync"
	"time"
)

// maxBuckets bounds the memory of a Limiter.
const maxBuckets = 100_000

// A Limiter counts events by key in leaky buckets: each holds perMinute events
// and leaks as many in a minute.
type Limiter struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	level float64
	at    time.Time
	// perMinute is the size it was last asked with, for sweeping.
	perMinute float64
}

// New makes a limiter that has counted nothing.
func New(now func() time.Time) *Limiter {
	return &Limiter{now: now, buckets: map[string]bucket{}}
}

// Full returns how many seconds a key has to wait, 0 where it may go on. It
// counts nothing.
func (l *Limiter) Full(key string, perMinute int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	level := l.level(key, perMinute)
	if level+1 <= float64(perMinute) {
		return 0
	}
	return int(math.Ceil((level + 1 - float64(perMinute)) * 60 / float64(perMinute)))
}

// Count records an event.
func (l *Limiter) Count(key string, perMinute int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buckets) >= maxBuckets {
		l.sweep()
	}
	level := min(l.level(key, perMinute)+1, float64(perMinute))
	l.buckets[key] = bucket{level: level, at: l.now(), perMinute: float64(perMinute)}
}

// Take counts an event where there is room, and otherwise says how many
// seconds to wait.
func (l *Limiter) Take(key string, perMinute int) int {
	wait := l.Full(key, perMinute)
	if wait == 0 {
		l.Count(key, perMinute)
	}
	return wait
}

func (l *Limiter) level(key string, perMinute int) float64 {
	b, ok := l.buckets[key]
	if !ok {
		return 0
	}
	return max(0, b.level-l.now().Sub(b.at).Minutes()*float64(perMinute))
}

// sweep forgets the buckets that have run empty, and all of them where none
// has: memory is bounded, whatever comes.
func (l *Limiter) sweep() {
	for key, b := range l.buckets {
		if l.now().Sub(b.at).Minutes()*b.perMinute >= b.level {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

// Len is how many keys are remembered.
func (l *Limiter) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buckets)
}
