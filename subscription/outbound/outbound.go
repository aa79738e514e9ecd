// Package outbound owns requests to endpoints that others name: to which URLs
// they may go, to which network addresses, and within which bounds.
//
// An endpoint must be on the operator's list. Whatever its name resolves to, the
// connection is made to public addresses only, and to those private ones that the
// operator allows: the address is checked when it is dialled, so that a name
// cannot mean one thing when it is checked and another when it is used. No proxy
// of the environment is used, redirects are not followed, certificates are
// checked.
//
// It leaves to others: what is sent, and when again.
package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Policy says where requests may go. The zero Policy allows nothing.
type Policy struct {
	// Allowed are the endpoints that may be named.
	Allowed []Pattern
	// Private are networks that may be reached beside the public ones.
	Private []netip.Prefix
}

// A Pattern is a set of endpoints: all below a URL, or all with https.
type Pattern struct {
	any          bool
	scheme, host string
	port         string
	// below is set where the host stands for the hosts below it.
	below bool
	path  string // with a slash at its end
}

// ParsePattern reads a Pattern: "https://hooks.example.org",
// "https://*.example.org/fhir/", or "*" for every URL with https.
func ParsePattern(text string) (Pattern, error) {
	if text == "*" {
		return Pattern{any: true}, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return Pattern{}, fmt.Errorf("%q is not a URL", text)
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || dotted(u.Path):
		return Pattern{}, fmt.Errorf("%q is not allowed; write *, or a URL that endpoints begin with, such as https://hooks.example.org/fhir", text)
	}
	p := Pattern{scheme: u.Scheme, port: portOf(u), path: strings.TrimSuffix(u.EscapedPath(), "/") + "/"}
	p.host, p.below = strings.CutPrefix(strings.ToLower(u.Hostname()), "*.")
	if p.host == "" || strings.Contains(p.host, "*") {
		return Pattern{}, fmt.Errorf("%q is not allowed: a star stands for the beginning of a host, as in https://*.example.org", text)
	}
	return p, nil
}

func (p *Pattern) holds(u *url.URL) bool {
	if p.any {
		return u.Scheme == "https"
	}
	host := strings.ToLower(u.Hostname())
	named := host == p.host && !p.below || p.below && strings.HasSuffix(host, "."+p.host)
	return named && u.Scheme == p.scheme && portOf(u) == p.port && strings.HasPrefix(strings.TrimSuffix(u.EscapedPath(), "/")+"/", p.path)
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return map[string]string{"https": "443", "http": "80"}[u.Scheme]
}

// dotted reports whether a path has segments that others may resolve.
func dotted(path string) bool {
	return strings.Contains(path, `\`) || slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." })
}

// maxURL bounds the length of an endpoint.
const maxURL = 2048

// Check says why an endpoint may not be used, in words for who named it; nil
// where it may.
func (p *Policy) Check(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case len(endpoint) > maxURL:
		return fmt.Errorf("the URL has %d bytes, and at most %d are taken", len(endpoint), maxURL)
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("this is not an absolute URL with https")
	case u.User != nil:
		return errors.New("a URL must not hold a user name or password; use channel.header")
	case u.Fragment != "" || dotted(u.Path):
		return errors.New("a URL must not have a fragment, or . and .. in its path")
	case !slices.ContainsFunc(p.Allowed, func(a Pattern) bool { return a.holds(u) }):
		return errors.New("the operator of this server does not allow notifications to this URL")
	}
	if at, err := netip.ParseAddr(u.Hostname()); err == nil && !p.reaches(at) {
		return errors.New("this is an address of a network that notifications are not sent to")
	}
	return nil
}

// special are networks that are not the public Internet, beside those that
// package netip knows. https://www.iana.org/assignments/iana-ipv4-special-registry
var special = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10")

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// reaches reports whether requests may go to an address.
func (p *Policy) reaches(at netip.Addr) bool {
	at = at.Unmap().WithZone("")
	within := func(n netip.Prefix) bool { return n.Contains(at) }
	if slices.ContainsFunc(p.Private, within) {
		return true
	}
	return at.IsGlobalUnicast() && !at.IsPrivate() && !slices.ContainsFunc(special, within)
}

// errAddress is the failure to reach an address that is not allowed. It names
// none: what names resolve to inside is nobody's business.
var errAddress = errors.New("its host is not at a public address")

// Client makes requests within the policy, each in at most timeout. A response's
// body is the caller's to bound.
func (p *Policy) Client(timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: timeout, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !p.reaches(to.Addr()) {
			return errAddress
		}
		return nil
	}}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: timeout,
			ForceAttemptHTTP2: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns: 100, MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second,
		},
	}
}

// Why is the reason of a failed request, in words that may be shown to who named
// the endpoint.
func Why(err error) string {
	var timeout interface{ Timeout() bool }
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errAddress):
		return errAddress.Error()
	case errors.As(err, &certificate):
		return "its certificate is not valid"
	case errors.As(err, &name):
		return "its host name cannot be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses connections"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it does not answer in time"
	}
	return "it cannot be reached"
}
