// Package wire serves plain HTTP/1.1 requests on kept-alive connections, and
// leaves what is not plain to net/http: a connection whose next request it does
// not take, it hands over whole, before anything of that request is answered.
//
// Plain is what FHIR clients send nearly always: one of seven methods, a path,
// one Host, a body of a Content-Length or none. Not plain are chunked bodies,
// Expect, Upgrade, HTTP/1.0, HTTP/2, bare line feeds, and whatever is wrong.
// https://www.rfc-editor.org/rfc/rfc9112
//
// Handlers see what they would see in net/http, an *http.Request and an
// http.ResponseWriter. A read costs 13 µs of CPU here beside its handler, of
// which 10 are the kernel's, and 34 to 43 µs in net/http: there each request
// starts a goroutine that looks out for the client's end, moves two deadlines,
// and clones and sorts the headers.
//
// A listener may be one of TLS. HTTP/2 over it is net/http's too.
//
// It leaves to others: certificates, and how long a request may take
// (server/timelimit).
package wire

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A Server answers the connections of one listener, with TLS where that is
// tls.NewListener's. Set the fields before Serve. All but ConnContext, Refusal
// and ErrorLog are required.
type Server struct {
	// Handler answers requests.
	Handler http.Handler
	// Other answers on the connections that have sent something that is not
	// plain. It has the same handler. Serve wraps its handler and ConnContext.
	Other *http.Server
	// ReadHeaderTimeout is how long a client may take to send a request's head,
	// IdleTimeout how long it may be silent between two requests. A silent one
	// may be borne with for a quarter longer.
	ReadHeaderTimeout, IdleTimeout time.Duration
	// MaxHeaderBytes is how long a head may be that is read here.
	MaxHeaderBytes int
	// Context is what the contexts of all requests come from.
	Context context.Context
	// ConnContext, if not nil, makes a connection's context.
	ConnContext func(context.Context, net.Conn) context.Context
	// Refusal says how requests are answered that are no HTTP that is understood;
	// nil leaves that to net/http.
	Refusal Refusal
	// ErrorLog is told of handlers that panic; nil for the standard logger.
	ErrorLog *log.Logger

	date    atomic.Pointer[date]
	closing atomic.Bool
	handed  *handedOver

	mu       sync.Mutex
	listener net.Listener
	conns    map[*conn]struct{}
}

// Serve answers the connections of a listener until Shutdown or Close, and
// returns http.ErrServerClosed then.
func (s *Server) Serve(listener net.Listener) error {
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		return errors.Join(http.ErrServerClosed, listener.Close())
	}
	s.listener, s.conns, s.handed = listener, map[*conn]struct{}{}, newHandedOver(listener.Addr())
	s.mu.Unlock()
	adapt(s.Other)
	go func() { _ = s.Other.Serve(s.handed) }() // ends with ErrServerClosed
	for delay := time.Duration(0); ; {
		rwc, err := listener.Accept()
		if err == nil {
			delay = 0
			s.open(rwc)
			continue
		}
		if s.closing.Load() {
			return http.ErrServerClosed
		}
		var temporary net.Error
		//lint:ignore SA1019 being out of files is temporary, and net/http asks in the same way
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return err
		}
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.logf("accepting a connection: %v; trying again in %s", err, delay)
		time.Sleep(delay)
	}
}

// open serves a connection in a goroutine of its own.
func (s *Server) open(rwc net.Conn) {
	c := &conn{server: s, rwc: rwc, remote: rwc.RemoteAddr().String(), opened: time.Now()}
	c.ctx = context.WithValue(s.Context, http.LocalAddrContextKey, rwc.LocalAddr())
	if s.ConnContext != nil {
		c.ctx = s.ConnContext(c.ctx, rwc)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		_ = rwc.Close()
		return
	}
	s.conns[c] = struct{}{}
	go c.serve()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// newGrace is how long a connection that has sent nothing yet is waited for in
// a shutdown, as in net/http.
const newGrace = 5 * time.Second

// Shutdown takes no more connections, closes those that are silent, and waits
// for the others until their requests are answered or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.stop()
	other := make(chan error, 1)
	go func() { other <- s.Other.Shutdown(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for s.closeIdle() > 0 {
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err(), <-other)
		case <-tick.C:
		}
	}
	return errors.Join(err, <-other)
}

// Close closes all connections.
func (s *Server) Close() error {
	err := s.stop()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.rwc.Close()
	}
	s.mu.Unlock()
	return errors.Join(err, s.Other.Close())
}

// stop takes no more connections.
func (s *Server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Swap(true) || s.listener == nil {
		return nil
	}
	return errors.Join(s.listener.Close(), s.handed.Close())
}

// closeIdle closes the connections that are silent, and returns how many are
// left.
func (s *Server) closeIdle() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		fresh := time.Since(c.opened) < newGrace
		if c.state.CompareAndSwap(stateIdle, stateClosed) || !fresh && c.state.CompareAndSwap(stateNew, stateClosed) {
			_ = c.rwc.Close()
			delete(s.conns, c)
		}
	}
	return len(s.conns)
}

func (s *Server) logf(format string, args ...any) {
	if s.ErrorLog != nil {
		s.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}

// A date is the Date header of one second.
type date struct {
	second int64
	text   string
}

// dateAt is the Date header of a time.
func (s *Server) dateAt(now time.Time) string {
	if d := s.date.Load(); d != nil && d.second == now.Unix() {
		return d.text
	}
	d := &date{second: now.Unix(), text: now.UTC().Format(http.TimeFormat)}
	s.date.Store(d)
	return d.text
}
