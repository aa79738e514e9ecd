package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// limited is a request's context with its time limit. One of
// context.WithDeadline takes six allocations and a timer, and most requests are
// answered before anybody waits for theirs: this one makes it at the first call
// of Done.
type limited struct {
	context.Context // the connection's
	deadline        time.Time

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelFunc
}

// Deadline is the time limit.
func (l *limited) Deadline() (time.Time, bool) { return l.deadline, true }

// Done is closed at the time limit, or when the client is gone.
func (l *limited) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner == nil {
		l.inner, l.cancel = context.WithDeadline(l.Context, l.deadline)
	}
	return l.inner.Done()
}

// known is the context that Done has made, or the connection's.
func (l *limited) known() (ctx context.Context, made bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner != nil {
		return l.inner, true
	}
	return l.Context, false
}

// Err is nil while the request may go on.
func (l *limited) Err() error {
	ctx, made := l.known()
	if err := ctx.Err(); err != nil || made || time.Now().Before(l.deadline) {
		return err
	}
	return context.DeadlineExceeded
}

// Value finds the context that Done has made, so that those made from this one
// need no goroutine to watch it.
func (l *limited) Value(key any) any {
	ctx, _ := l.known()
	return ctx.Value(key)
}

// end frees what Done has made.
func (l *limited) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
	}
}

// connection is what is kept of a connection between its requests.
type connection struct {
	// writeUntil is the write deadline, in nanoseconds since 1970.
	writeUntil atomic.Int64
}

type connectionKey struct{}

func withConnection(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, new(connection))
}

// limit gives a request's connection its time: a client that does not send its
// body within the time limit, or does not take the answer within twice as much,
// is cut off. The deadline for writing is moved only when less than the time
// limit is left of it, for moving one costs more than parsing the request.
func limit(w http.ResponseWriter, r *http.Request, now time.Time, timeout time.Duration) {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	unset := c == nil || c.writeUntil.Load()-now.UnixNano() < int64(timeout)
	if !unset && r.Body == http.NoBody {
		return
	}
	control := http.NewResponseController(w)
	if r.Body != http.NoBody {
		_ = control.SetReadDeadline(now.Add(timeout)) // fails only for what is no connection
	}
	if unset {
		_ = control.SetWriteDeadline(now.Add(2 * timeout))
		if c != nil {
			c.writeUntil.Store(now.Add(2 * timeout).UnixNano())
		}
	}
}
