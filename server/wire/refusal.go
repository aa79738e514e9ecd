package wire

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A Refusal is how a request is answered that never reaches the handler, for it
// is no HTTP that is understood: with a status, and as far as it was sent, the
// path that it asks for. detail is what is wrong, "" where that is all there is to
// say.
type Refusal func(status int, path, detail string) (contentType string, body []byte)

// A refuser stands in the place of a connection that net/http serves, and says
// in the server's own form what net/http writes there by itself.
type refuser struct {
	server *Server
	// answering is set while a handler's answer may be written.
	answering atomic.Bool
	// line is the beginning of the latest request.
	line atomic.Pointer[string]
}

// refusalHeaders follow the status line of what net/http writes by itself, and
// nothing else: the answers of handlers have a Date.
const refusalHeaders = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// longestLine is how much of a request is kept for its path.
const longestLine = 256

// see keeps the beginning of a request, where p is one.
func (r *refuser) see(p []byte) {
	if r.line.Load() == nil && len(p) > 0 {
		line := string(p[:min(len(p), longestLine)])
		r.line.Store(&line)
	}
}

// state follows the states that net/http has a connection in.
func (r *refuser) state(now http.ConnState) {
	switch now {
	case http.StateActive: // not where all of a request was read before
		r.answering.Store(false)
	case http.StateIdle:
		r.answering.Store(false)
		r.line.Store(nil)
	}
}

// path is what the latest request asks for, as far as it was sent.
func (r *refuser) path() string {
	line := r.line.Load()
	if line == nil {
		return ""
	}
	_, rest, _ := strings.Cut(strings.TrimLeft(*line, "\r\n"), " ")
	if at := strings.IndexAny(rest, " ?#\r\n"); at >= 0 {
		rest = rest[:at]
	}
	return rest
}

// restate is what is to be written in the place of p; p itself where that is a
// handler's.
func (r *refuser) restate(p []byte) []byte {
	if r.server.Refusal == nil || r.answering.Load() || !bytes.HasPrefix(p, []byte("HTTP/1.1 ")) {
		return p
	}
	head, text, ok := strings.Cut(string(p), refusalHeaders)
	status, err := strconv.Atoi(strings.Fields(head + " x x")[1])
	if !ok || err != nil || strings.Contains(head, "\r\n") {
		return p
	}
	return r.server.refuse(status, r.path(), detailOf(text, status))
}

// detailOf is what net/http says beside the name of a status.
func detailOf(text string, status int) string {
	named := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if rest, ok := strings.CutPrefix(text, named); ok {
		return strings.TrimPrefix(rest, ": ")
	}
	return text
}

// refuse is a whole answer, after which the connection ends.
func (s *Server) refuse(status int, path, detail string) []byte {
	contentType, body := s.Refusal(status, path, detail)
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nX-Content-Type-Options: nosniff\r\nDate: %s\r\nConnection: close\r\n\r\n",
		status, http.StatusText(status), contentType, len(body), s.dateAt(time.Now()))
	return append([]byte(head), body...)
}

// write writes what is to be written in the place of p.
func (r *refuser) write(c net.Conn, p []byte) (int, error) {
	stated := r.restate(p)
	if len(stated) > 0 && &stated[0] == &p[0] {
		return c.Write(p)
	}
	if _, err := c.Write(stated); err != nil {
		return 0, err
	}
	return len(p), nil
}

// refuserOf is that of a connection of net/http; nil for one that has none.
func refuserOf(c net.Conn) *refuser {
	switch c := c.(type) {
	case *begun:
		return c.refuser
	case *begunTCP:
		return c.begun.refuser
	}
	return nil
}
