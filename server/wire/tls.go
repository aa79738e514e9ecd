package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// handshake is what comes first on a TLS connection. It reports false where the
// connection is not to be served here: it failed, or speaks HTTP/2 and was
// handed over.
func (c *conn) handshake(conn *tls.Conn) (ok, over bool) {
	c.setReadDeadline(time.Now().Add(c.server.ReadHeaderTimeout))
	_ = conn.SetWriteDeadline(c.readUntil)
	if err := conn.HandshakeContext(c.ctx); err != nil {
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil && plain.RecordHeader[0] >= 'A' && plain.RecordHeader[0] <= 'Z' {
			_, _ = io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nThis server speaks HTTPS; send https:// requests.\n")
		}
		c.server.logf("TLS handshake with %s: %v", c.remote, err)
		return false, false
	}
	_ = conn.SetWriteDeadline(time.Time{})
	state := conn.ConnectionState()
	if state.NegotiatedProtocol == "h2" {
		c.setReadDeadline(time.Time{})
		c.server.handed.pass(conn)
		return false, true
	}
	c.tls = &state
	return true, false
}

type tlsKey struct{}

// showTLS lets the requests of connections that were handed over in the middle
// say how they are secured, as net/http sees only what it is given.
func showTLS(other *http.Server) {
	connContext, handler := other.ConnContext, other.Handler
	other.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if connContext != nil {
			ctx = connContext(ctx, c)
		}
		if b, ok := c.(*begun); ok && b.tls != nil {
			ctx = context.WithValue(ctx, tlsKey{}, b.tls)
		}
		return ctx
	}
	other.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(tlsKey{}).(*tls.ConnectionState); ok {
			r.TLS = state
		}
		handler.ServeHTTP(w, r)
	})
}
