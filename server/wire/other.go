package wire

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

type (
	tlsKey     struct{}
	refuserKey struct{}
)

// adapt makes net/http serve the connections that were handed over in the middle
// as they are: it sees only what it is given, and so not how they are secured.
func adapt(other *http.Server) {
	connContext, handler, connState := other.ConnContext, other.Handler, other.ConnState
	other.ConnState = func(c net.Conn, now http.ConnState) {
		if says := refuserOf(c); says != nil {
			says.state(now)
		}
		if connState != nil {
			connState(c, now)
		}
	}
	other.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if connContext != nil {
			ctx = connContext(ctx, c)
		}
		if b, ok := c.(*begun); ok && b.tls != nil {
			ctx = context.WithValue(ctx, tlsKey{}, b.tls)
		}
		if says := refuserOf(c); says != nil {
			ctx = context.WithValue(ctx, refuserKey{}, says)
		}
		return ctx
	}
	other.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(tlsKey{}).(*tls.ConnectionState); ok {
			r.TLS = state
		}
		if says, ok := r.Context().Value(refuserKey{}).(*refuser); ok {
			says.answering.Store(true)
		}
		lastIfCoded(w, r)
		handler.ServeHTTP(w, r)
	})
}

// lastIfCoded ends a connection of HTTP/1.1 with the answer to a request that came
// in chunks. It may have had a Content-Length too, which net/http removes: what a
// proxy before this server takes for the rest of its body must not be answered as
// a request of somebody else. https://www.rfc-editor.org/rfc/rfc9112#section-6.3
func lastIfCoded(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}
