package throttle

import (
	"net/netip"
	"strings"
	"time"
)

// Failures slow down who fails too often, as with wrong passwords: so many
// failures a minute are met with their own answer, more with a request to wait.
// A nil Failures sets no limit. Safe for concurrent use.
type Failures struct{ limiter *Limiter }

// NewFailures makes Failures; 0 a minute is nil. now is the clock, nil for
// time.Now.
func NewFailures(perMinute int, now func() time.Time) *Failures {
	if perMinute <= 0 {
		return nil
	}
	return &Failures{New(Rates{PerSecond: float64(perMinute) / 60, Burst: perMinute}, now)}
}

// Wait is how long a key has to wait until it may fail once more, 0 where it may
// now. It counts nothing.
func (f *Failures) Wait(key string) time.Duration {
	if f == nil {
		return 0
	}
	return f.limiter.Wait(key)
}

// Count counts a failure where there is room for one, and otherwise says how
// long to wait: who fails on does not have to wait longer and longer.
func (f *Failures) Count(key string) (wait time.Duration) {
	if f == nil {
		return 0
	}
	leave, wait := f.limiter.Enter(key)
	if leave != nil {
		leave()
	}
	return wait
}

// Network is what limits count a network address by: itself, or the /64 of an
// IPv6 address, which one customer has.
func Network(address string) string {
	ip, err := netip.ParseAddr(strings.TrimSpace(address))
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	prefix, _ := ip.WithZone("").Prefix(64) // fits
	return prefix.String()
}
