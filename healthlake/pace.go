package healthlake

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Quotas limit what callers may have and do; 0 is no limit.
type Quotas struct {
	// DataStores is how many data stores there may be, deleted ones not
	// counted.
	DataStores int
	// ReadsPerSecond and ChangesPerMinute are for each access key; as many may
	// come at once.
	ReadsPerSecond, ChangesPerMinute int
}

// A pace counts the requests of access keys. Its memory is bounded by the keys
// that there are: only requests that were authenticated are counted.
type pace struct {
	quotas Quotas
	now    func() time.Time

	mu       *sync.Mutex
	limiters map[paceKey]*rate.Limiter
}

type paceKey struct {
	key     string
	changes bool
}

func newPace(quotas Quotas, now func() time.Time) pace {
	return pace{quotas: quotas, now: now, mu: &sync.Mutex{}, limiters: map[paceKey]*rate.Limiter{}}
}

// take counts a request, or refuses it.
func (p pace) take(key string, changes bool) error {
	limit, burst, unit := rate.Limit(p.quotas.ReadsPerSecond), p.quotas.ReadsPerSecond, "second"
	if changes {
		limit, burst, unit = rate.Limit(p.quotas.ChangesPerMinute)/60, p.quotas.ChangesPerMinute, "minute"
	}
	if burst <= 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	limiter := p.limiters[paceKey{key, changes}]
	if limiter == nil {
		limiter = rate.NewLimiter(limit, burst)
		p.limiters[paceKey{key, changes}] = limiter
	}
	if !limiter.AllowN(p.now(), 1) {
		return failed(codeThrottling, "Rate exceeded: %d such requests a %s are allowed.", burst, unit)
	}
	return nil
}
