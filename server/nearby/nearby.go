// Package nearby tells what is on this machine: hosts, and the requests that are
// of it from those that the pages of other sites make a browser on it send.
//
// It leaves to others: where that counts.
package nearby

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// Check is an error of KindForbidden for what comes from pages of other sites,
// where everybody on this machine may do everything; nil for all else. Such a page
// is told by its Origin, which is neither of this machine or the base URL nor
// among origins ("*" is all), and by the name that it made lead here (DNS
// rebinding).
func Check(r *http.Request, base string, origins []string) *fhir.Error {
	if r.Host != "" && !names(r.Host, base) { // a browser always says it, HTTP/1.0 need not
		return fhir.Errorf(fhir.KindForbidden, "without authorization this server answers at its own address alone, not at %.200q; base_url may name another", r.Host)
	}
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(origins, "*") || slices.Contains(origins, origin) {
		return nil
	}
	if u, err := url.Parse(origin); err == nil && names(u.Host, base) {
		return nil
	}
	return fhir.Errorf(fhir.KindForbidden, "without authorization this server answers no pages of other sites; cors.origins may name %.200q", origin)
}

// names reports whether a host, with or without a port, is this machine or that of
// the base URL.
func names(host, base string) bool {
	host = Name(host)
	if Loopback(host) {
		return true
	}
	u, err := url.Parse(base)
	return err == nil && host != "" && strings.EqualFold(host, u.Hostname())
}

// Name is the name or address in a host that may have a port.
func Name(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.Trim(host, "[]")
}

// Loopback reports whether only this machine can reach a name or address. A name
// other than localhost may come to mean anything.
func Loopback(name string) bool {
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}
