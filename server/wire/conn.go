package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"sync/atomic"
	"time"
)

// A conn is one connection. All but state belongs to its goroutine, and while
// a handler runs, to that.
type conn struct {
	server *Server
	rwc    net.Conn
	tls    *tls.ConnectionState // nil without TLS
	remote string
	ctx    context.Context
	opened time.Time
	state  atomic.Int32

	// buf[r:w] was read and is not used yet.
	buf  []byte
	r, w int
	// readUntil is the deadline for reading.
	readUntil time.Time
	response  response
	// credentials are those of the latest request, nil where it had none.
	credentials *Credentials
}

// The states of a connection: it has sent nothing yet, it may send another
// request, it is answered, it was closed by Shutdown.
const (
	stateNew = iota
	stateIdle
	stateActive
	stateClosed
)

const (
	firstBuffer = 4 << 10
	// keptBuffer is how large a buffer may be to be kept between requests.
	keptBuffer = 16 << 10
)

// serve answers requests until the connection ends or is handed over.
func (c *conn) serve() {
	over := false
	defer func() {
		c.server.forget(c)
		if !over {
			_ = c.rwc.Close()
		}
	}()
	if conn, ok := c.rwc.(*tls.Conn); ok {
		if ok, over = c.handshake(conn); !ok {
			return
		}
	}
	for {
		before := c.state.Load()
		end, plain, err := c.readHead()
		if err != nil || !c.state.CompareAndSwap(before, stateActive) {
			return
		}
		x := &exchange{}
		if !plain || !c.parse(end, x) {
			over = true
			c.handOver()
			return
		}
		c.r += end
		if !c.answer(x) || c.server.closing.Load() {
			return
		}
		c.state.Store(stateIdle)
	}
}

// readHead waits for a request and reads its head, or so much of it that it can
// be told not to be plain.
func (c *conn) readHead() (end int, plain bool, err error) {
	for begun, limited := false, false; ; begun = true {
		end, plain := headEnd(c.buf[c.r:c.w])
		if end > 0 || !plain {
			return end, plain, nil
		}
		if !c.room() {
			return 0, false, nil
		}
		if !limited { // once for a head: it may not come byte by byte, each just in time
			limited = c.limitWait(begun)
		}
		n, err := c.rwc.Read(c.buf[c.w:])
		if c.w += n; n == 0 && err != nil {
			return 0, false, err
		}
	}
}

// room makes room in the buffer, and reports false where the head is too long.
func (c *conn) room() bool {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
		if len(c.buf) == 0 || len(c.buf) > keptBuffer {
			c.buf = make([]byte, firstBuffer)
		}
	case c.w < len(c.buf):
	case c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	case len(c.buf) >= c.server.MaxHeaderBytes:
		return false
	default:
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	return true
}

// limitWait sets how long the client may be silent, or, where it reports true,
// how long the head that has begun may take. Moving a deadline costs as much as
// parsing a request, so that of an idle connection is moved when less than the
// idle timeout is left.
func (c *conn) limitWait(begun bool) bool {
	now := time.Now()
	if begun || c.r < c.w || c.state.Load() == stateNew {
		c.setReadDeadline(now.Add(c.server.ReadHeaderTimeout))
		return true
	}
	idle := c.server.IdleTimeout
	if left := c.readUntil.Sub(now); left < idle || left > idle+idle/4 {
		c.setReadDeadline(now.Add(idle + idle/4))
	}
	return false
}

func (c *conn) setReadDeadline(t time.Time) {
	c.readUntil = t
	_ = c.rwc.SetReadDeadline(t) // a closed connection is met when it is read
}

// An exchange is a request and what belongs to it, in one piece of memory.
type exchange struct {
	req  *http.Request
	url  url.URL
	body body
	ctx  requestContext
}

// parse makes the request whose head is the next end bytes.
func (c *conn) parse(end int, x *exchange) bool {
	var req http.Request
	if !c.parseHead(end, x, &req) {
		return false
	}
	req.RemoteAddr, req.Body, req.TLS = c.remote, http.NoBody, c.tls
	if req.ContentLength > 0 {
		x.body.conn, x.body.left = c, req.ContentLength
		req.Body = &x.body
	}
	x.ctx.conn, x.ctx.exchange, x.ctx.begin = c, x, time.Now()
	x.req = req.WithContext(&x.ctx)
	return true
}

func (c *conn) handOver() {
	c.setReadDeadline(time.Time{})
	c.server.handed.give(c.rwc, c.buf[c.r:c.w], c.tls, &refuser{server: c.server})
}

// answer calls the handler and reports whether the connection can be kept.
func (c *conn) answer(x *exchange) bool {
	w := &c.response
	w.reset(c, x)
	ok := c.call(w, x.req)
	x.ctx.end()
	if !ok {
		w.free()
		return false
	}
	err := w.finish()
	w.free()
	if w.unread {
		c.linger()
	}
	return err == nil && !w.close
}

// call calls the handler. It reports false where the handler panicked.
func (c *conn) call(w *response, r *http.Request) (ok bool) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			stack := make([]byte, 64<<10)
			c.server.logf("panic while answering: %v\n%s", p, stack[:runtime.Stack(stack, false)])
		}
	}()
	c.server.Handler.ServeHTTP(w, r)
	return true
}

// lingering is how long a connection is kept half open whose client was
// answered while it still sends: closed at once, the answer might not reach it.
const lingering = 500 * time.Millisecond

func (c *conn) linger() {
	if half, ok := c.rwc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		time.Sleep(lingering)
	}
}

// timedOut reports whether reading ended with a deadline.
func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
