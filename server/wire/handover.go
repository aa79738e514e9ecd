package wire

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// handedOver is the listener of net/http: it accepts the connections that are
// handed over.
type handedOver struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newHandedOver(addr net.Addr) *handedOver {
	return &handedOver{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *handedOver) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, http.ErrServerClosed
	}
}

// Close implements net.Listener.
func (l *handedOver) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *handedOver) Addr() net.Addr { return l.addr }

// give hands a connection over with what was read of it, or closes it where the
// server is closing.
func (l *handedOver) give(c net.Conn, read []byte, state *tls.ConnectionState, says *refuser) {
	says.see(read)
	var whole net.Conn = &begun{Conn: c, read: read, tls: state, refuser: says}
	if tcp, ok := c.(*net.TCPConn); ok {
		whole = &begunTCP{TCPConn: tcp, begun: begun{Conn: c, read: read, refuser: says}}
	}
	l.pass(whole)
}

func (l *handedOver) pass(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

// A begun is a connection of which something was read already.
type begun struct {
	net.Conn
	read []byte
	tls  *tls.ConnectionState
	*refuser
}

// Read implements net.Conn.
func (c *begun) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		n, err := c.Conn.Read(p)
		c.see(p[:n])
		return n, err
	}
	n := copy(p, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

// Write implements net.Conn.
func (c *begun) Write(p []byte) (int, error) { return c.write(c.Conn, p) }

// A begunTCP keeps what a TCP connection can do beside.
type begunTCP struct {
	*net.TCPConn
	begun begun
}

// Read implements net.Conn.
func (c *begunTCP) Read(p []byte) (int, error) { return c.begun.Read(p) }

// Write implements net.Conn.
func (c *begunTCP) Write(p []byte) (int, error) { return c.begun.Write(p) }
