package engine

import (
	"sync"
	"sync/atomic"

	"github.com/tarnhealth/tarn/store"
)

// Users counts the calls that run, so that closing can wait for them. Entering
// and leaving are one atomic addition each: every read does both, and a mutex
// here held 64 clients up for most of their time.
type Users struct {
	// n is how many calls run, and usersClosed once there may be no more.
	n    atomic.Int64
	mu   sync.Mutex
	idle chan struct{}
	done sync.Once
}

// usersClosed is above any number of calls.
const usersClosed = 1 << 40

// Enter is called before a call, which must Leave where there is no error.
func (u *Users) Enter() error {
	if u.n.Add(1) >= usersClosed {
		u.Leave()
		return store.ErrClosed
	}
	return nil
}

// Leave ends a call.
func (u *Users) Leave() {
	// Who enters too late leaves too, and may be last a second time.
	if u.n.Add(-1) == usersClosed {
		u.done.Do(func() { close(u.idle) })
	}
}

// Closing is store.ErrClosed once Close was called: what takes long ends early.
func (u *Users) Closing() error {
	if u.n.Load() >= usersClosed {
		return store.ErrClosed
	}
	return nil
}

// Close refuses new calls and waits for the running ones. It reports false
// where it was called before.
func (u *Users) Close() bool {
	u.mu.Lock()
	if u.Closing() != nil {
		u.mu.Unlock()
		return false
	}
	u.idle = make(chan struct{})
	u.n.Add(usersClosed + 1)
	u.mu.Unlock()
	u.Leave()
	<-u.idle
	return true
}
