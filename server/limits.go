package server

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/throttle"
)

// limitSettings are the settings of how many requests callers may send.
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
}

func whole(to *float64, s string) error {
	var n int
	err := number(&n, s, 0, 1_000_000)
	*to = float64(n)
	return err
}

// limiter is the option of the FHIR API; nil where there is no limit. Who has
// no name is counted by address.
func (c *Config) limiter() func(*http.Request, authz.Caller) (func(), error) {
	if c.Rates.PerSecond == 0 && c.Rates.Concurrent == 0 {
		return nil
	}
	l := throttle.New(c.Rates, nil)
	return func(r *http.Request, caller authz.Caller) (func(), error) {
		key := caller.Client + "\x00" + caller.Subject
		if key == "\x00" {
			key = c.address(r)
		}
		leave, wait := l.Enter(key)
		if leave == nil {
			seconds := int(math.Ceil(wait.Seconds()))
			return nil, fhir.Errorf(fhir.KindThrottled, "too many requests: this server takes so many from one user and client; wait %s", time.Duration(seconds)*time.Second).With("Retry-After", strconv.Itoa(seconds))
		}
		return leave, nil
	}
}
