package smart

import (
	"net"
	"net/http"
	"net/netip"
)

// Limits say how often one caller may ask. Zero fields take the defaults. They
// are counted by each server process alone.
type Limits struct {
	// Requests is how many authorization requests, launches, registrations and
	// patient searches one address or user may make per minute; an EHR may
	// issue ten times as many launches. 0 means 600.
	Requests int
	// Failures is how many failed client authentications and wrong codes,
	// refresh tokens and launch tokens are allowed per minute, for a client at
	// one address; an address may fail five times as often. 0 means 20.
	Failures int
}

func (l *Limits) fill() {
	if l.Requests == 0 {
		l.Requests = 600
	}
	if l.Failures == 0 {
		l.Failures = 20
	}
}

func tooMany(seconds int) *oauthError {
	return &oauthError{code: codeTooManyRequests, description: "too many requests; wait before the next", status: http.StatusTooManyRequests, retry: seconds}
}

// takeRequest counts a request of an address or user that is not a failure.
func (s *Service) takeRequest(what, who string) error {
	most := s.cfg.Limits.Requests
	if what == "launch" {
		most *= 10 // of all its users
	}
	if wait := s.limits.Take(what+" "+who, most); wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// mayFail refuses where a client at an address, or the address, has failed too
// often.
func (s *Service) mayFail(r *http.Request, clientID string) error {
	address := s.address(r)
	wait := max(s.limits.Full("fail "+address, 5*s.cfg.Limits.Failures),
		s.limits.Full("fail "+address+" "+clientID, s.cfg.Limits.Failures))
	if wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// failed counts a failure.
func (s *Service) failed(r *http.Request, clientID string) {
	address := s.address(r)
	s.limits.Count("fail "+address, 5*s.cfg.Limits.Failures)
	s.limits.Count("fail "+address+" "+clientID, s.cfg.Limits.Failures)
}

// address is who the caller is to the limits.
func (s *Service) address(r *http.Request) string {
	if s.cfg.Address != nil {
		return s.cfg.Address(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Unmap().Is4() {
		return host
	}
	prefix, _ := ip.WithZone("").Prefix(64) // one customer has a whole /64
	return prefix.String()
}
