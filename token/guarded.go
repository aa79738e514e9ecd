package token

import (
	"fmt"
	"net/http"
	"time"
)

// Guarded returns a client for URLs that others chose: https only, without
// redirects, and not into networks that they cannot reach themselves. The
// addresses are checked as they are dialled. allowPrivate allows private
// networks, allowLoopback http and loopback addresses. How much it reads, and
// for how long, is for who uses it to limit.
func Guarded(allowPrivate, allowLoopback bool) *http.Client {
	f := newFetcher(allowPrivate, allowLoopback, nil)
	f.client.Timeout = 0
	transport := f.client.Transport.(*http.Transport)
	transport.ResponseHeaderTimeout = time.Minute
	f.client.Transport = guarded{f, transport}
	return f.client
}

// guarded checks the URL of each request.
type guarded struct {
	fetcher *fetcher
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.fetcher.checkURL(r.URL.String()); err != nil {
		return nil, fmt.Errorf("token: %s: %w", r.URL.Redacted(), err)
	}
	return g.next.RoundTrip(r)
}
