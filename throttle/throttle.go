// Package throttle owns how many requests somebody may send: so many in a time,
// and so many at once. It counts in the memory of one process.
//
// It leaves to others: who is counted (server), and how a refusal looks (rest).
package throttle

import (
	"sync"
	"sync/atomic"
	"time"
)

// Rates are limits; a field of zero sets none.
type Rates struct {
	// PerSecond is how many requests may come in a second on average, and Burst
	// how many may come at once after a rest; at least 1.
	PerSecond float64
	Burst     int
	// Concurrent is how many may be served at a time.
	Concurrent int
}

// maxKeys bounds the memory of a Limiter: those who have been quiet are
// forgotten first.
const maxKeys = 100_000

// A Limiter counts requests by key. Safe for concurrent use.
type Limiter struct {
	rates Rates
	now   func() time.Time

	mu   sync.Mutex
	keys map[string]*state
}

// state is one key's: due is when it has its whole burst again, inside how many
// of its requests are being served.
type state struct {
	due    time.Time
	inside int
}

// New makes a Limiter; now is the clock, nil for time.Now.
func New(rates Rates, now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	rates.Burst = max(rates.Burst, 1)
	return &Limiter{rates: rates, now: now, keys: map[string]*state{}}
}

// Enter lets a request in, or says how long to wait before the next. leave,
// which is not nil where the request is let in, ends it and must be called once.
func (l *Limiter) Enter(key string) (leave func(), wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	s := l.state(key, now)
	if l.rates.Concurrent > 0 && s.inside >= l.rates.Concurrent {
		return nil, time.Second
	}
	if over := l.over(s, now); over > 0 {
		return nil, over
	}
	l.charge(s, now, 1)
	s.inside++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		s.inside--
	}, 0
}

// Wait is how long a key has to wait until it may send one more, 0 where it may.
// It counts nothing.
func (l *Limiter) Wait(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.keys[key]; s != nil {
		return l.over(s, l.now())
	}
	return 0
}

// Charge counts n more, whether or not there is room: what there is not is a
// debt, and whoever has one waits until it is paid off by the rate.
func (l *Limiter) Charge(key string, n int) {
	if n <= 0 || l.rates.PerSecond == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	s := l.state(key, now)
	l.charge(s, now, n)
}

// state is that of a key, which is new where it is not known.
func (l *Limiter) state(key string, now time.Time) *state {
	s := l.keys[key]
	if s == nil {
		l.forget(now)
		s = &state{}
		l.keys[key] = s
	}
	return s
}

// over is how long it takes until there is room for one.
func (l *Limiter) over(s *state, now time.Time) time.Duration {
	if l.rates.PerSecond == 0 {
		return 0
	}
	// A bucket as the time at which it is empty: RFC 2697 has the idea.
	each := l.each()
	return max(0, max(0, s.due.Sub(now))+each-each*time.Duration(l.rates.Burst))
}

func (l *Limiter) charge(s *state, now time.Time, n int) {
	if l.rates.PerSecond == 0 {
		return
	}
	if s.due.Before(now) {
		s.due = now
	}
	each := l.each()
	s.due = s.due.Add(each * time.Duration(min(n, int(longest/each))))
}

// longest bounds what one charge costs.
const longest = 30 * 24 * time.Hour

// each is what one costs. Bursts of up to a million do not overflow by it.
func (l *Limiter) each() time.Duration {
	return max(1, min(time.Duration(float64(time.Second)/l.rates.PerSecond), time.Hour))
}

// forget makes room for other keys, a tenth of all at once: to look for each one
// would take longer than to serve it.
func (l *Limiter) forget(now time.Time) {
	if len(l.keys) < maxKeys {
		return
	}
	for key, s := range l.keys {
		if s.inside == 0 && !s.due.After(now) {
			delete(l.keys, key)
		}
	}
	for key, s := range l.keys {
		if len(l.keys) < maxKeys-maxKeys/10 {
			return
		}
		if s.inside == 0 {
			delete(l.keys, key)
		}
	}
}

// A Gate lets so many in at a time, whoever they are. The zero Gate lets
// everybody in. Safe for concurrent use.
type Gate struct {
	// Most is how many may be inside; 0 is any number.
	Most   int64
	inside atomic.Int64
}

// Enter reports whether there is room. Who is let in calls Leave.
func (g *Gate) Enter() bool {
	if g.inside.Add(1) <= g.Most || g.Most == 0 {
		return true
	}
	g.inside.Add(-1)
	return false
}

// Leave makes room.
func (g *Gate) Leave() { g.inside.Add(-1) }
