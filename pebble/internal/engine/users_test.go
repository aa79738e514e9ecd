package engine

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tarnhealth/tarn/store"
)

// TestCloseWaitsForUsers closes while calls come and go: none runs afterwards,
// and one of two closers is told that it came second.
func TestCloseWaitsForUsers(t *testing.T) {
	var u Users
	var running, closed atomic.Int64
	var wg sync.WaitGroup
	entered := make(chan struct{}, 64)
	for range 8 {
		wg.Go(func() {
			for {
				if err := u.Enter(); err != nil {
					if !errors.Is(err, store.ErrClosed) {
						t.Error(err)
					}
					return
				}
				running.Add(1)
				select {
				case entered <- struct{}{}:
				default:
				}
				running.Add(-1)
				u.Leave()
			}
		})
	}
	for range cap(entered) {
		<-entered
	}
	for range 2 {
		wg.Go(func() {
			if u.Close() {
				closed.Add(1)
				if n := running.Load(); n != 0 {
					t.Errorf("%d calls run after closing", n)
				}
			}
		})
	}
	wg.Wait()
	if closed.Load() != 1 || u.Closing() == nil {
		t.Errorf("closed %d times, %v", closed.Load(), u.Closing())
	}
}
