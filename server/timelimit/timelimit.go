// Package timelimit owns how long a request may take: a context with a deadline
// that costs nothing until somebody waits for it, and the deadlines of the
// connection under it.
//
// It leaves to others: what happens to a request that took too long.
package timelimit

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A Context is a request's context with its time limit. One of
// context.WithDeadline takes six allocations and a timer, and most requests are
// answered before anybody waits for theirs: this one makes it at the first call
// of Done.
type Context struct {
	context.Context // the connection's
	deadline        time.Time

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelFunc
}

// Deadline is the time limit.
func (l *Context) Deadline() (time.Time, bool) { return l.deadline, true }

// Done is closed at the time limit, or when the client is gone.
func (l *Context) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner == nil {
		l.inner, l.cancel = context.WithDeadline(l.Context, l.deadline)
	}
	return l.inner.Done()
}

// known is the context that Done has made, or the connection's.
func (l *Context) known() (ctx context.Context, made bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner != nil {
		return l.inner, true
	}
	return l.Context, false
}

// Err is nil while the request may go on.
func (l *Context) Err() error {
	ctx, made := l.known()
	if err := ctx.Err(); err != nil || made || time.Now().Before(l.deadline) {
		return err
	}
	return context.DeadlineExceeded
}

// Value finds the context that Done has made, so that those made from this one
// need no goroutine to watch it.
func (l *Context) Value(key any) any {
	ctx, _ := l.known()
	return ctx.Value(key)
}

// With is the parent, which is the connection's context, until a deadline. The
// caller ends it.
func With(parent context.Context, deadline time.Time) *Context {
	return &Context{Context: parent, deadline: deadline}
}

// End frees what Done has made.
func (l *Context) End() {
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

// WithConnection is the ConnContext of a server whose requests Limit is called
// for.
func WithConnection(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, new(connection))
}

// Limit gives a request's connection its time: a client that does not send its
// body within the time limit, or does not take the answer within twice as much,
// is cut off. The deadline for writing is moved only when less than the time
// limit is left of it, for moving one costs more than parsing the request.
func Limit(w http.ResponseWriter, r *http.Request, now time.Time, timeout time.Duration) {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	// Of HTTP/2, each request has deadlines of its own.
	unset := c == nil || r.ProtoMajor > 1 || c.writeUntil.Load()-now.UnixNano() < int64(timeout)
	if !unset && r.Body == http.NoBody {
		return
	}
	control := http.NewResponseController(w)
	if r.Body != http.NoBody {
		_ = control.SetReadDeadline(now.Add(timeout)) // fails only for what is no connection
	}
	if unset {
		_ = control.SetWriteDeadline(now.Add(2 * timeout))
		if c != nil && r.ProtoMajor == 1 {
			c.writeUntil.Store(now.Add(2 * timeout).UnixNano())
		}
	}
}
