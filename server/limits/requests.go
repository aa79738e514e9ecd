package limits

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/throttle"
)

// Requests counts the requests of callers to the FHIR API; its methods are
// options of package rest. Safe for concurrent use.
type Requests struct {
	address func(*http.Request) string
	// each and clients are nil where there is no limit.
	each, clients *throttle.Limiter
	gate          throttle.Gate
}

// Requests makes the counting; nil, which lets all in, where there is no limit. Who has no name is
// counted by address. now is the clock, nil for time.Now.
func (l *Limits) Requests(address func(*http.Request) string, now func() time.Time) *Requests {
	r := &Requests{address: address, each: limited(l.Rates, now), clients: limited(l.ClientRates, now), gate: throttle.Gate{Most: int64(l.Served)}}
	if r.each == nil && r.clients == nil && l.Served == 0 {
		return nil
	}
	return r
}

// Enter lets a request in, or returns an error of KindThrottled or
// KindUnavailable. What it returns is to be called when the request has ended.
func (l *Requests) Enter(r *http.Request, caller authz.Caller) (func(), error) {
	if l == nil {
		return entered, nil
	}
	leave, err := enter(l.each, l.key(r, caller), "one user and client")
	if err != nil {
		return nil, err
	}
	leaveClient, err := enter(l.clients, caller.Client, "one client")
	if err != nil {
		leave()
		return nil, err
	}
	if !l.gate.Enter() {
		leave()
		leaveClient()
		return nil, fhir.Errorf(fhir.KindUnavailable, "this server serves as many requests as it may; try again in a second").With("Retry-After", "1")
	}
	return func() { leave(); leaveClient(); l.gate.Leave() }, nil
}

// Charge counts a request that was let in as n more. What there is no room for is
// a debt: the caller's next request waits until it is paid off.
func (l *Requests) Charge(r *http.Request, caller authz.Caller, n int) {
	if l == nil {
		return
	}
	if l.each != nil {
		l.each.Charge(l.key(r, caller), n)
	}
	if l.clients != nil && caller.Client != "" {
		l.clients.Charge(caller.Client, n)
	}
}

func (l *Requests) key(r *http.Request, caller authz.Caller) string {
	if caller.Client == "" && caller.Subject == "" {
		return throttle.Network(l.address(r))
	}
	return caller.Client + "\x00" + caller.Subject
}

// entered is the leave of those that nobody counts.
func entered() {}

// limited is a limiter; nil where the rates set no limit.
func limited(rates throttle.Rates, now func() time.Time) *throttle.Limiter {
	if rates.PerSecond == 0 && rates.Concurrent == 0 {
		return nil
	}
	return throttle.New(rates, now)
}

// enter lets a request of somebody in; leave is never nil where it does. Who has
// no name is not counted.
func enter(l *throttle.Limiter, key, whom string) (leave func(), err error) {
	if l == nil || key == "" {
		return entered, nil
	}
	leave, wait := l.Enter(key)
	if leave == nil {
		seconds := int(math.Ceil(wait.Seconds()))
		return nil, fhir.Errorf(fhir.KindThrottled, "too many requests: this server takes so many from %s, and each entry of a Bundle counts; wait %s", whom, time.Duration(seconds)*time.Second).With("Retry-After", strconv.Itoa(seconds))
	}
	return leave, nil
}
