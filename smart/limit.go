package smart

import (
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limits say how often one caller may ask. Zero fields take the defaults. They
// are counted by each server process alone.
type Limits struct {
	// Requests is how many authorization requests, launches, registrations and
	// patient searches one address or user may make per minute; an EHR may
	// issue ten times as many launches. 0 means 600.
	Requests int
	// Failures is how many failed client authentications and wrong codes,
	// refresh tokens and launch tokens are allowed per minute, for a client at
	// one address; an address may fail five times as often. 0 means 20.
	Failures int
}

func (l *Limits) fill() {
	if l.Requests == 0 {
		l.Requests = 600
	}
	if l.Failures == 0 {
		l.Failures = 20
	}
}

// maxBuckets bounds the memory of a limiter.
const maxBuckets = 100_000

// A limiter counts events by key in leaky buckets: each holds perMinute events
// and leaks as many in a minute.
type limiter struct {
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

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, buckets: map[string]bucket{}}
}

// full returns how many seconds a key has to wait, 0 where it may go on. It
// counts nothing.
func (l *limiter) full(key string, perMinute int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	level := l.level(key, perMinute)
	if level+1 <= float64(perMinute) {
		return 0
	}
	return int(math.Ceil((level + 1 - float64(perMinute)) * 60 / float64(perMinute)))
}

// count records an event.
func (l *limiter) count(key string, perMinute int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buckets) >= maxBuckets {
		l.sweep()
	}
	level := min(l.level(key, perMinute)+1, float64(perMinute))
	l.buckets[key] = bucket{level: level, at: l.now(), perMinute: float64(perMinute)}
}

// take counts an event where there is room, and otherwise says how many
// seconds to wait.
func (l *limiter) take(key string, perMinute int) int {
	wait := l.full(key, perMinute)
	if wait == 0 {
		l.count(key, perMinute)
	}
	return wait
}

func (l *limiter) level(key string, perMinute int) float64 {
	b, ok := l.buckets[key]
	if !ok {
		return 0
	}
	return max(0, b.level-l.now().Sub(b.at).Minutes()*float64(perMinute))
}

// sweep forgets the buckets that have run empty, and all of them where none
// has: memory is bounded, whatever comes.
func (l *limiter) sweep() {
	for key, b := range l.buckets {
		if l.now().Sub(b.at).Minutes()*b.perMinute >= b.level {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

func tooMany(seconds int) *oauthError {
	return &oauthError{code: codeTooManyRequests, description: "too many requests; wait before the next", status: http.StatusTooManyRequests, retry: seconds}
}

// takeRequest counts a request of an address or user that is not a failure.
func (s *Service) takeRequest(what, who string) error {
	most := s.cfg.Limits.Requests
	if what == "launch" {
		most *= 10 // of all its users
	}
	if wait := s.limits.take(what+" "+who, most); wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// mayFail refuses where a client at an address, or the address, has failed too
// often.
func (s *Service) mayFail(r *http.Request, clientID string) error {
	address := s.address(r)
	wait := max(s.limits.full("fail "+address, 5*s.cfg.Limits.Failures),
		s.limits.full("fail "+address+" "+clientID, s.cfg.Limits.Failures))
	if wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// failed counts a failure.
func (s *Service) failed(r *http.Request, clientID string) {
	address := s.address(r)
	s.limits.count("fail "+address, 5*s.cfg.Limits.Failures)
	s.limits.count("fail "+address+" "+clientID, s.cfg.Limits.Failures)
}

// address is who the caller is to the limits.
func (s *Service) address(r *http.Request) string {
	if s.cfg.Address != nil {
		return s.cfg.Address(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Unmap().Is4() {
		return host
	}
	prefix, _ := ip.WithZone("").Prefix(64) // one customer has a whole /64
	return prefix.String()
}
