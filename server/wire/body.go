package wire

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// A body is a request's body of known length.
type body struct {
	conn *conn
	mu   sync.Mutex
	// left is how many bytes were not read yet.
	left   int64
	closed bool
	// until is the deadline for reading that was asked for. It is set when
	// the connection has to be waited for: most bodies are here already.
	until  time.Time
	moved  bool
	failed error
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case b.left == 0:
		return 0, io.EOF
	case b.failed != nil:
		return 0, b.failed
	}
	return b.read(p)
}

func (b *body) read(p []byte) (n int, err error) {
	p = p[:min(int64(len(p)), b.left)]
	c := b.conn
	if c.r < c.w {
		n = copy(p, c.buf[c.r:c.w])
		c.r += n
	} else if n, err = b.wait(p); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		b.failed = err
	}
	if b.left -= int64(n); b.left == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (b *body) wait(p []byte) (int, error) {
	if !b.moved {
		b.moved = true
		b.conn.setReadDeadline(b.until)
	}
	return b.conn.rwc.Read(p)
}

// Close implements io.Closer. What is left is read by skip.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// setDeadline sets until when the client must have sent the body.
func (b *body) setDeadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until, b.moved = t, false
}

// complete reports whether all of the body was read off the connection.
func (b *body) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left <= int64(b.conn.w-b.conn.r)
}

// maxSkip is how much of a body that nobody read is read to keep the
// connection, as in net/http.
const maxSkip = 256 << 10

// skip reads what is left, where it is little, and reports whether the
// connection stands at the next request.
func (b *body) skip() bool {
	if b.conn == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.failed != nil || b.left > maxSkip {
		return false
	}
	if b.left == 0 {
		return true // as nearly always: without memory for it
	}
	space := make([]byte, 4096)
	for b.left > 0 {
		if _, err := b.read(space); err != nil && err != io.EOF {
			return false
		}
	}
	return true
}
