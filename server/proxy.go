package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// address is the network address of the client that a request comes from: of
// the connection, unless that is a trusted proxy, which says whom it speaks for
// in X-Forwarded-For. Of a chain of proxies the first that is not trusted counts:
// what it says itself anybody could say.
func (c *Config) address(r *http.Request) string {
	host := connected(r)
	forwarded := r.Header["X-Forwarded-For"]
	if len(forwarded) == 0 {
		return host
	}
	chain := strings.Split(strings.Join(forwarded, ","), ",")
	for _, next := range slices.Backward(chain) {
		said := forwardedHost(next)
		if said == "" || !c.trusts(host) {
			break
		}
		host = said
	}
	return host
}

// connected is the network address that a request's connection comes from.
func connected(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// forwardedHost is the address that an entry of X-Forwarded-For names; "" for
// none. Some proxies add the client's port, which is another one for each
// connection: limits would count each as a client of its own.
func forwardedHost(entry string) string {
	entry = strings.TrimSpace(entry)
	if at, err := netip.ParseAddrPort(entry); err == nil {
		return at.Addr().String()
	}
	return strings.TrimSuffix(strings.TrimPrefix(entry, "["), "]")
}

func (c *Config) trusts(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap()
	return slices.ContainsFunc(c.Proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// strictTransport asks browsers to come by https alone for a year. It is shared
// by all answers and not changed. https://www.rfc-editor.org/rfc/rfc6797
var strictTransport = []string{"max-age=31536000"}

// askForTLS adds strictTransport to the answers to requests that came over TLS,
// to this server or to a trusted proxy: where they did not, it would mean
// nothing. Names of this machine are left out, which belong to other programs as
// well.
func (s *Server) askForTLS(w http.ResponseWriter, r *http.Request) {
	if !s.public || r.TLS == nil && !s.cfg.proxiedTLS(r) {
		return
	}
	w.Header()["Strict-Transport-Security"] = strictTransport
}

// proxiedTLS reports whether a trusted proxy says that its client speaks https.
func (c *Config) proxiedTLS(r *http.Request) bool {
	said := r.Header["X-Forwarded-Proto"]
	if len(c.Proxies) == 0 || len(said) == 0 {
		return false
	}
	first, _, _ := strings.Cut(said[len(said)-1], ",")
	return strings.EqualFold(strings.TrimSpace(first), "https") && c.trusts(connected(r))
}
