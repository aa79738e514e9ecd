package wire

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// A requestContext is a request's context. It ends with the request, at the
// deadline that SetDeadline gave it, and when the client is gone. Whether the
// client is, is looked for when somebody waits for the end, or asks for it
// after a while: most requests are answered before.
type requestContext struct {
	conn     *conn
	exchange *exchange
	begin    time.Time
	deadline time.Time
	// credentials are those of the request, nil for none.
	credentials *Credentials
	// attached are values by their keys.
	attached [2]struct{ key, value any }

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelFunc
	ended  bool
	watch  *watch
}

// patience is how long a request is worked on before anybody looks whether its
// client is still there.
const patience = 20 * time.Millisecond

// Attach gives a request's context a value, and reports false where it has no
// room. It must be called before anything else has the context.
func Attach(r *http.Request, key, value any) bool {
	ctx, ok := r.Context().(*requestContext)
	return ok && ctx.Attach(key, value)
}

// SetDeadline ends a request's context at a time. It must be called before
// anything else has the context, and reports false where the request is not one
// of this package.
func SetDeadline(r *http.Request, t time.Time) bool {
	ctx, ok := r.Context().(*requestContext)
	if ok {
		ctx.deadline = t
	}
	return ok
}

// Attach gives the context a value, as context.WithValue does for another one,
// and reports false where there is no room. It must be called before anything
// else has the context.
func (x *requestContext) Attach(key, value any) bool {
	for i := range x.attached {
		if a := &x.attached[i]; a.key == nil || a.key == key {
			a.key, a.value = key, value
			return true
		}
	}
	return false
}

// Deadline implements context.Context.
func (x *requestContext) Deadline() (time.Time, bool) { return x.deadline, !x.deadline.IsZero() }

// Done implements context.Context.
func (x *requestContext) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.make()
	if x.watch == nil && !x.ended {
		x.look()
	}
	return x.inner.Done()
}

// make makes the context that can be waited for.
func (x *requestContext) make() {
	if x.inner != nil {
		return
	}
	if x.deadline.IsZero() {
		x.inner, x.cancel = context.WithCancel(x.conn.ctx)
	} else {
		x.inner, x.cancel = context.WithDeadline(x.conn.ctx, x.deadline)
	}
	if x.ended {
		x.cancel()
	}
}

// look begins to watch the connection, where nothing of the request's body is
// to come and no further request is there already.
func (x *requestContext) look() {
	c := x.conn
	if b := &x.exchange.body; b.conn != nil && !b.complete() || b.conn == nil && c.r < c.w {
		return
	}
	x.watch = newWatch(c, x.cancel)
}

// Err implements context.Context.
func (x *requestContext) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.inner == nil {
		now := time.Now()
		switch {
		case x.ended:
			return context.Canceled
		case !x.deadline.IsZero() && !now.Before(x.deadline):
			return context.DeadlineExceeded
		case now.Sub(x.begin) < patience:
			return x.conn.ctx.Err()
		}
		x.make()
		x.look()
	}
	return x.inner.Err()
}

// Value implements context.Context. It finds the context that Done has made,
// so that those made from this one need no goroutine to watch it.
func (x *requestContext) Value(key any) any {
	for i := range x.attached {
		if a := &x.attached[i]; a.key != nil && a.key == key {
			return a.value
		}
	}
	x.mu.Lock()
	ctx := x.inner
	x.mu.Unlock()
	if ctx == nil {
		ctx = x.conn.ctx
	}
	return ctx.Value(key)
}

// gone ends the context because the client cannot be reached.
func (x *requestContext) gone() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.make()
	x.cancel()
}

// end ends the context with its request.
func (x *requestContext) end() {
	x.mu.Lock()
	x.ended = true
	cancel, watch := x.cancel, x.watch
	x.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if watch != nil {
		watch.stop()
	}
}

// A watch reads one byte of a connection on which nothing is to come: what
// comes instead is the client's end, or its next request.
type watch struct {
	conn *conn
	done chan struct{}
	one  [1]byte
	n    int
}

func newWatch(c *conn, gone func()) *watch {
	w := &watch{conn: c, done: make(chan struct{})}
	_ = c.rwc.SetReadDeadline(time.Time{}) // what is closed is met by reading
	go func() {
		defer close(w.done)
		var err error
		if w.n, err = c.rwc.Read(w.one[:]); err != nil && !timedOut(err) {
			gone()
		}
	}()
	return w
}

// stop ends the watch and keeps the byte, where one came.
func (w *watch) stop() {
	c := w.conn
	c.setReadDeadline(time.Unix(1, 0))
	<-w.done
	if w.n == 0 {
		return
	}
	if c.room(); c.w == len(c.buf) { // a whole head is followed by this byte
		c.buf = append(c.buf, 0)
	}
	c.buf[c.w] = w.one[0]
	c.w++
}
