// Package repeat owns the rhythm of work that a server does again and again.
//
// It leaves to others: what the work is.
package repeat

import (
	"context"
	"time"
)

// Every calls work each time that the interval has passed, one call after the
// other, until ctx ends. The first call is after the first interval.
func Every(ctx context.Context, interval time.Duration, work func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			work()
		}
	}
}
