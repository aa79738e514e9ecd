package smart

import (
	"net"
	"net/http"
	"time"

	"github.com/tarnhealth/tarn/throttle"
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
// often. Others at its address do not count against a client that got a token
// there a short time ago.
func (s *Service) mayFail(r *http.Request, clientID string) error {
	network := s.network(r)
	wait := s.limits.Full("fail "+network+" "+clientID, s.cfg.Limits.Failures)
	if until, _ := s.proven.Get(network + " " + clientID); !s.now().Before(until) {
		wait = max(wait, s.limits.Full("fail "+network, 5*s.cfg.Limits.Failures))
	}
	if wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// provenFor is how long a client is known that got a token.
const provenFor = time.Hour

// succeeded notes that a client got a token.
func (s *Service) succeeded(r *http.Request, clientID string) {
	s.proven.Put(s.network(r)+" "+clientID, s.now().Add(provenFor))
}

// failed counts a failure.
func (s *Service) failed(r *http.Request, clientID string) {
	network := s.network(r)
	s.limits.Count("fail "+network, 5*s.cfg.Limits.Failures)
	s.limits.Count("fail "+network+" "+clientID, s.cfg.Limits.Failures)
}

// network is who the caller is to the limits.
func (s *Service) network(r *http.Request) string { return throttle.Network(s.address(r)) }

// address is the caller's network address.
func (s *Service) address(r *http.Request) string {
	if s.cfg.Address != nil {
		return s.cfg.Address(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
