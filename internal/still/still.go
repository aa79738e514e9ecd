// Package still owns the clock of tests: it stands still until a test moves it.
package still

import (
	"sync"
	"time"
)

// A Clock is safe for concurrent use.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// At is a clock that stands at a time.
func At(t time.Time) *Clock { return &Clock{at: t} }

// Now is the time where it stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Pass moves it.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
