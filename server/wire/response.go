package wire

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// bufferSize is how much of a response is gathered before it is sent.
const bufferSize = 16 << 10

// buffers are for responses in the making.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}

// putBuffer gives a buffer back, which may be nil; a large one is left to the
// collector.
func putBuffer(b *[]byte) {
	if b != nil && cap(*b) <= 2*bufferSize {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// A response is an http.ResponseWriter. A small one goes to the socket with one
// call, head and body; one that is large and of unknown length goes in chunks.
type response struct {
	conn *conn
	x    *exchange
	// header is used again by the next request of the connection.
	header http.Header
	// status is 0 until WriteHeader.
	status int
	// length is the Content-Length that the handler gave, or -1.
	length  int64
	written int64
	// out is what is sent next, pending what follows it while it is not known
	// in which form.
	out, pending *[]byte
	// framed: the head in out is complete.
	framed, chunked bool
	// typed: the head has a Content-Type, or is to have none.
	typed bool
	// close: the connection ends with this response. unread: something of the
	// request's body was not read.
	close, unread bool
	// prepared: the response is whole, its head in out and the rest of its body
	// in whole. sent: and it is sent.
	prepared, sent bool
	whole          []byte
	failed         error
}

func (w *response) reset(c *conn, x *exchange) {
	header := w.header
	if header == nil {
		header = make(http.Header, 16)
	}
	clear(header)
	*w = response{conn: c, x: x, header: header, length: -1, close: x.req.Close}
}

// errAnswered is for a handler that goes on after it has returned.
var errAnswered = errors.New("wire: the request is answered")

// free gives the memory back. The response cannot be used any more.
func (w *response) free() {
	putBuffer(w.out)
	putBuffer(w.pending)
	w.out, w.pending, w.whole = nil, nil, nil
	w.x, w.failed = nil, errAnswered
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// bare reports whether the response has no body whatever the handler writes.
func (w *response) bare() bool {
	return w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

func (w *response) toHead() bool { return w.x.req.Method == http.MethodHead }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	switch {
	case w.failed != nil:
		return
	case w.status != 0:
		w.conn.server.logf("a response has two statuses: %d, then %d", w.status, status)
		return
	case status < 100 || status > 999:
		panic("invalid status code " + strconv.Itoa(status))
	case status < 200:
		w.inform(status)
		return
	}
	w.status = status
	w.out = buffers.Get().(*[]byte)
	*w.out = w.appendHead((*w.out)[:0])
}

// inform sends an interim response.
func (w *response) inform(status int) {
	b := appendStatus(nil, status)
	b = append(appendFields(b, w.header, nil), "\r\n"...)
	w.send(b, nil)
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.failed != nil:
		return 0, w.failed
	case w.prepared:
		return 0, errPrepared
	case len(b) == 0:
		return 0, nil
	case w.bare():
		return 0, http.ErrBodyNotAllowed
	}
	if w.written += int64(len(b)); w.length >= 0 && w.written > w.length {
		return 0, http.ErrContentLength
	}
	if w.toHead() {
		w.pend(b[:min(len(b), sniffed)])
	} else {
		w.body(b)
	}
	return len(b), w.failed
}

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// body takes a piece of the body.
func (w *response) body(b []byte) {
	if w.length >= 0 {
		if w.frame(b, false); len(*w.out)+len(b) <= bufferSize {
			*w.out = append(*w.out, b...)
			return
		}
		w.send(*w.out, b)
		*w.out = (*w.out)[:0]
		return
	}
	if w.pend(b) {
		return
	}
	if len(*w.pending) > 0 {
		w.frame(*w.pending, false)
	} else {
		w.frame(b, false)
	}
	w.chunk(b)
}

// sniffed is how much is looked at to tell the type of a body.
const sniffed = 512

// pend keeps a piece of the body where there is room.
func (w *response) pend(b []byte) bool {
	if w.pending == nil {
		w.pending = buffers.Get().(*[]byte)
	}
	room := len(*w.pending)+len(b) <= bufferSize
	if room {
		*w.pending = append(*w.pending, b...)
	}
	return room
}

// chunk appends what is pending, and b, as one chunk, and sends it.
func (w *response) chunk(b []byte) {
	w.beginChunk(len(b))
	w.send(*w.out, b)
	*w.out = append((*w.out)[:0], "\r\n"...)
}

// beginChunk appends what is pending to out as a chunk that goes on with more
// bytes.
func (w *response) beginChunk(more int) {
	n := more
	if w.pending != nil {
		n += len(*w.pending)
	}
	*w.out = append(strconv.AppendInt(*w.out, int64(n), 16), "\r\n"...)
	if w.pending != nil {
		*w.out = append(*w.out, *w.pending...)
		*w.pending = (*w.pending)[:0]
	}
}

// send writes to the socket, both parts with one call. After the first failure
// nothing is written.
func (w *response) send(a, b []byte) {
	if w.failed != nil {
		return
	}
	var err error
	if len(b) == 0 {
		_, err = w.conn.rwc.Write(a)
	} else {
		both := net.Buffers{a, b}
		_, err = both.WriteTo(w.conn.rwc)
	}
	if err != nil {
		w.failed = err
		w.x.ctx.gone()
	}
}

// Flush implements http.Flusher.
func (w *response) Flush() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.failed != nil || w.prepared {
		return
	}
	var first []byte
	if w.pending != nil {
		first = *w.pending
	}
	if w.frame(first, false); w.chunked && len(first) > 0 && !w.toHead() {
		w.chunk(nil)
		return
	}
	if len(*w.out) > 0 {
		w.send(*w.out, nil)
		*w.out = (*w.out)[:0]
	}
}

// finish sends what is left.
func (w *response) finish() error {
	switch {
	case w.prepared && !w.sent:
		return errPrepared // its handler did not send it: nobody may have it
	case w.prepared:
		return w.failed
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	var left []byte
	if w.pending != nil {
		left = *w.pending
	}
	w.frame(left, true)
	if w.toHead() {
		left = nil
	}
	if w.chunked {
		if len(left) > 0 {
			w.beginChunk(0)
			*w.out, left = append(*w.out, "\r\n"...), nil
		}
		*w.out = append(*w.out, "0\r\n\r\n"...)
	}
	if len(*w.out)+len(left) <= 2*bufferSize {
		*w.out, left = append(*w.out, left...), nil
	}
	if len(*w.out) > 0 {
		w.send(*w.out, left)
	}
	if w.failed == nil && w.length >= 0 && w.length != w.written && !w.toHead() && !w.bare() {
		return io.ErrShortWrite
	}
	return w.failed
}

// SetReadDeadline is for http.ResponseController: when the client must have
// sent the request's body.
func (w *response) SetReadDeadline(t time.Time) error {
	if w.x == nil {
		return errAnswered
	}
	if w.x.body.conn != nil {
		w.x.body.setDeadline(t)
	}
	return nil
}

// SetWriteDeadline is for http.ResponseController: when the client must have
// taken the response.
func (w *response) SetWriteDeadline(t time.Time) error { return w.conn.rwc.SetWriteDeadline(t) }
