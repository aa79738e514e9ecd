package token

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// The limits of fetching what another party's URL holds.
const (
	fetchTime = 5 * time.Second
	fetchSize = 256 << 10
)

// A fetcher gets small JSON documents from URLs that others chose, without
// being led into networks that they cannot reach themselves.
type fetcher struct {
	allowPrivate, allowLoopback bool
	client                      *http.Client
}

func newFetcher(allowPrivate, allowLoopback bool, roots *x509.CertPool) *fetcher {
	f := &fetcher{allowPrivate: allowPrivate, allowLoopback: allowLoopback}
	// The address is checked as it is dialled, after the name is resolved, so
	// that no second answer of a name server can replace it.
	dialer := &net.Dialer{Timeout: fetchTime, Control: func(_, address string, _ syscall.RawConn) error { return f.checkAddress(address) }}
	f.client = &http.Client{
		Timeout: fetchTime,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           20,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return f
}

// checkURL tells what is wrong with a URL before anything is fetched.
func (f *fetcher) checkURL(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || !u.IsAbs() || u.Hostname() == "":
		return errors.New("it is no absolute URL")
	case u.User != nil || u.Fragment != "":
		return errors.New("it holds a user or a fragment")
	case u.Scheme == "http" && isLoopbackHost(u.Hostname()):
		if !f.allowLoopback {
			return errors.New("http and loopback addresses are not allowed")
		}
	case u.Scheme != "https":
		return errors.New("it must begin with https://")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return f.checkIP(ip)
	}
	if isLoopbackHost(u.Hostname()) && !f.allowLoopback {
		return errors.New("loopback addresses are not allowed")
	}
	return nil
}

func isLoopbackHost(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func (f *fetcher) checkAddress(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %q is not understood", address)
	}
	return f.checkIP(at.Addr())
}

// reserved are networks that are not of the public internet and that netip does
// not name. https://www.iana.org/assignments/iana-ipv4-special-registry and
// iana-ipv6-special-registry
var reserved = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

func (f *fetcher) checkIP(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	refused := fmt.Errorf("the address %v is not of the public internet", ip)
	switch {
	case ip.IsLoopback():
		if !f.allowLoopback {
			return refused
		}
		return nil
	case ip.IsPrivate():
		if !f.allowPrivate {
			return refused
		}
		return nil
	case !ip.IsGlobalUnicast():
		return refused // unspecified, link-local (metadata of clouds), multicast, broadcast
	}
	for _, p := range reserved {
		if p.Contains(ip) && !f.allowPrivate {
			return refused
		}
	}
	return nil
}

// get fetches a JSON document and how long it may be cached, 0 where the answer
// does not say.
func (f *fetcher) get(ctx context.Context, uri string) (body []byte, header http.Header, err error) {
	if err := f.checkURL(uri); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", uri, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Accept", "application/json")
	return exchange(f.client, r)
}

// exchange sends a request and reads the body of a 200 answer.
func exchange(client *http.Client, r *http.Request) ([]byte, http.Header, error) {
	answer, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answers with status %d", r.URL.Redacted(), answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, fetchSize+1))
	if err != nil {
		return nil, nil, err
	}
	if len(body) > fetchSize {
		return nil, nil, fmt.Errorf("%s answers with more than %d bytes", r.URL.Redacted(), fetchSize)
	}
	return body, answer.Header, nil
}
