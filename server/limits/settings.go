// Package limits owns how much callers of a server may do: how many requests
// they may send, how often their credentials may be wrong, and what one request
// may cost.
//
// It leaves to others: counting (throttle), who callers are (bearer), and what
// requests cost (rest, graphql).
package limits

import (
	"strconv"

	"github.com/tarnhealth/tarn/graphql"
	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/throttle"
	"github.com/tarnhealth/tarn/token"
)

// Limits are what a server is told about limits; see Default.
type Limits struct {
	// Rates are how many requests each user and client may send, ClientRates
	// how many each client may for all its users, and Served how many are served
	// at a time, whoever sends them; 0 is no limit. The entries of a Bundle and
	// what a GraphQL query asks for count as requests.
	Rates, ClientRates throttle.Rates
	Served             int
	// Failures is how often credentials from one network may be wrong in a
	// minute, StoreFailures how often those may be about which other servers are
	// asked, for one data store and from everywhere; 0 is no limit. Calls is how
	// many such questions are asked of a server at a time.
	Failures, StoreFailures, Calls int
	// MaxIncludes is how many resources includes may add to a page; 0 for what is
	// usual. GraphQL bounds what a query may cost.
	MaxIncludes int
	GraphQL     graphql.Limits
}

// Default is what holds unless something else is said.
func Default() Limits {
	return Limits{
		Rates: throttle.Rates{Burst: 100}, ClientRates: throttle.Rates{Burst: 1000},
		Failures: 60, StoreFailures: 600, Calls: token.DefaultCalls,
		MaxIncludes: 1000, GraphQL: graphql.DefaultLimits,
	}
}

// million is the greatest number of most settings.
const million = 1_000_000

// Settings are the settings; of finds the Limits in a whole configuration.
func Settings[C any](of func(*C) *Limits) []settings.Setting[C] {
	number := func(name, help string, field func(*Limits) *int, least, most int) settings.Setting[C] {
		return settings.Flat(name, help,
			func(c *C, s string) error { return settings.Number(field(of(c)), s, least, most) },
			func(c *C) string { return strconv.Itoa(*field(of(c))) })
	}
	rate := func(name, help string, field func(*Limits) *float64) settings.Setting[C] {
		return settings.Flat(name, help,
			func(c *C, s string) error { return whole(field(of(c)), s) },
			func(c *C) string { return strconv.FormatFloat(*field(of(c)), 'f', -1, 64) })
	}
	return []settings.Setting[C]{
		rate("limits.requests_per_second", "how many requests to the FHIR API each user and client may send in a second; 0 is any number",
			func(l *Limits) *float64 { return &l.Rates.PerSecond }),
		number("limits.burst", "how many of these may come at once",
			func(l *Limits) *int { return &l.Rates.Burst }, 1, million),
		number("limits.concurrent", "how many requests of each user and client are served at a time; 0 is any number",
			func(l *Limits) *int { return &l.Rates.Concurrent }, 0, million),
		rate("limits.client_requests_per_second", "how many requests each client may send in a second, for all its users; 0 is any number",
			func(l *Limits) *float64 { return &l.ClientRates.PerSecond }),
		number("limits.client_burst", "how many of these may come at once",
			func(l *Limits) *int { return &l.ClientRates.Burst }, 1, million),
		number("limits.client_concurrent", "how many requests of each client are served at a time, for all its users; 0 is any number",
			func(l *Limits) *int { return &l.ClientRates.Concurrent }, 0, million),
		number("limits.served", "how many requests to the FHIR API are served at a time, whoever sends them; 0 is any number",
			func(l *Limits) *int { return &l.Served }, 0, million),
		number("limits.failures_per_minute", "how many requests with wrong credentials one network address may send in a minute; 0 is any number",
			func(l *Limits) *int { return &l.Failures }, 0, million),
		number("limits.store_failures_per_minute", "how many wrong tokens other servers are asked about in a minute for one data store, wherever they come from; 0 is any number",
			func(l *Limits) *int { return &l.StoreFailures }, 0, million),
		number("limits.token_calls", "how many questions about tokens an introspection endpoint or token-check function is asked at a time",
			func(l *Limits) *int { return &l.Calls }, 1, 10_000),
		number("limits.includes", "how many resources _include and _revinclude may add to a page",
			func(l *Limits) *int { return &l.MaxIncludes }, 1, 100_000),
		number("limits.graphql_fields", "how many fields a GraphQL query may have, those of fragments counted wherever they are used",
			func(l *Limits) *int { return &l.GraphQL.Fields }, 1, million),
		number("limits.graphql_depth", "how deep the fields of a GraphQL query may be nested",
			func(l *Limits) *int { return &l.GraphQL.Depth }, 1, 200),
		number("limits.graphql_resources", "how many resources a GraphQL query may read, and searches make",
			func(l *Limits) *int { return &l.GraphQL.Resources }, 1, million),
	}
}

func whole(to *float64, s string) error {
	var n int
	err := settings.Number(&n, s, 0, million)
	*to = float64(n)
	return err
}
