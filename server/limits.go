package server

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/graphql"
	"github.com/tarnhealth/tarn/throttle"
)

// limitSettings are the settings of how many requests callers may send, and of
// what one of them may cost.
var limitSettings = []setting{
	flat("limits.requests_per_second", "how many requests to the FHIR API each user and client may send in a second; 0 is any number",
		func(c *Config, s string) error { return whole(&c.Rates.PerSecond, s) },
		func(c *Config) string { return strconv.FormatFloat(c.Rates.PerSecond, 'f', -1, 64) }),
	flat("limits.burst", "how many of these may come at once",
		func(c *Config, s string) error { return number(&c.Rates.Burst, s, 1, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.Rates.Burst) }),
	flat("limits.concurrent", "how many requests of each user and client are served at a time; 0 is any number",
		func(c *Config, s string) error { return number(&c.Rates.Concurrent, s, 0, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.Rates.Concurrent) }),
	flat("limits.client_requests_per_second", "how many requests each client may send in a second, for all its users; 0 is any number",
		func(c *Config, s string) error { return whole(&c.ClientRates.PerSecond, s) },
		func(c *Config) string { return strconv.FormatFloat(c.ClientRates.PerSecond, 'f', -1, 64) }),
	flat("limits.client_burst", "how many of these may come at once",
		func(c *Config, s string) error { return number(&c.ClientRates.Burst, s, 1, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.ClientRates.Burst) }),
	flat("limits.client_concurrent", "how many requests of each client are served at a time, for all its users; 0 is any number",
		func(c *Config, s string) error { return number(&c.ClientRates.Concurrent, s, 0, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.ClientRates.Concurrent) }),
	flat("limits.served", "how many requests to the FHIR API are served at a time, whoever sends them; 0 is any number",
		func(c *Config, s string) error { return number(&c.Served, s, 0, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.Served) }),
	flat("limits.includes", "how many resources _include and _revinclude may add to a page",
		func(c *Config, s string) error { return number(&c.MaxIncludes, s, 1, 100_000) },
		func(c *Config) string { return strconv.Itoa(c.MaxIncludes) }),
	flat("limits.graphql_fields", "how many fields a GraphQL query may have, those of fragments counted wherever they are used",
		func(c *Config, s string) error { return number(&c.GraphQL.Fields, s, 1, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.GraphQL.Fields) }),
	flat("limits.graphql_depth", "how deep the fields of a GraphQL query may be nested",
		func(c *Config, s string) error { return number(&c.GraphQL.Depth, s, 1, 200) },
		func(c *Config) string { return strconv.Itoa(c.GraphQL.Depth) }),
	flat("limits.graphql_resources", "how many resources a GraphQL query may read, and searches make",
		func(c *Config, s string) error { return number(&c.GraphQL.Resources, s, 1, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.GraphQL.Resources) }),
}

// defaultIncludes is limits.includes unless said otherwise.
const defaultIncludes = 1000

// defaultGraphQL are the limits of queries unless said otherwise.
func defaultGraphQL() graphql.Limits { return graphql.DefaultLimits }

func whole(to *float64, s string) error {
	var n int
	err := number(&n, s, 0, 1_000_000)
	*to = float64(n)
	return err
}

// limiter is the option of the FHIR API; nil where there is no limit. Who has
// no name is counted by address.
func (c *Config) limiter() func(*http.Request, authz.Caller) (func(), error) {
	each, clients := limited(c.Rates), limited(c.ClientRates)
	gate := &throttle.Gate{Most: int64(c.Served)}
	if each == nil && clients == nil && c.Served == 0 {
		return nil
	}
	return func(r *http.Request, caller authz.Caller) (func(), error) {
		key := caller.Client + "\x00" + caller.Subject
		if key == "\x00" {
			key = c.address(r)
		}
		leave, err := enter(each, key, "one user and client")
		if err != nil {
			return nil, err
		}
		leaveClient, err := enter(clients, caller.Client, "one client")
		if err != nil {
			leave()
			return nil, err
		}
		if !gate.Enter() {
			leave()
			leaveClient()
			return nil, fhir.Errorf(fhir.KindUnavailable, "this server serves as many requests as it may; try again in a second").With("Retry-After", "1")
		}
		return func() { leave(); leaveClient(); gate.Leave() }, nil
	}
}

// limited is a limiter; nil where the rates set no limit.
func limited(rates throttle.Rates) *throttle.Limiter {
	if rates.PerSecond == 0 && rates.Concurrent == 0 {
		return nil
	}
	return throttle.New(rates, nil)
}

// enter lets a request of somebody in; leave is never nil where it does. Who has
// no name is not counted.
func enter(l *throttle.Limiter, key, whom string) (leave func(), err error) {
	if l == nil || key == "" {
		return func() {}, nil
	}
	leave, wait := l.Enter(key)
	if leave == nil {
		seconds := int(math.Ceil(wait.Seconds()))
		return nil, fhir.Errorf(fhir.KindThrottled, "too many requests: this server takes so many from %s; wait %s", whom, time.Duration(seconds)*time.Second).With("Retry-After", strconv.Itoa(seconds))
	}
	return leave, nil
}
