package wire

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"
)

// wantsTLS answers who speaks HTTP where HTTPS is spoken.
func (c *conn) wantsTLS(plain net.Conn) {
	const why = "this server speaks HTTPS; send https:// requests"
	answer := []byte("HTTP/1.0 400 Bad Request\r\n\r\n" + why + "\n")
	if c.server.Refusal != nil {
		answer = c.server.refuse(http.StatusBadRequest, "", why)
	}
	_, _ = plain.Write(answer)
}

// handshake is what comes first on a TLS connection. It reports false where the
// connection is not to be served here: it failed, or speaks HTTP/2 and was
// handed over.
func (c *conn) handshake(conn *tls.Conn) (ok, over bool) {
	c.setReadDeadline(time.Now().Add(c.server.ReadHeaderTimeout))
	_ = conn.SetWriteDeadline(c.readUntil)
	if err := conn.HandshakeContext(c.ctx); err != nil {
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil && plain.RecordHeader[0] >= 'A' && plain.RecordHeader[0] <= 'Z' {
			c.wantsTLS(plain.Conn)
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
