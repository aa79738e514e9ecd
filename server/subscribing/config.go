// Package subscribing owns what a server is told about Subscriptions, and who is
// still welcome of those who asked for some.
//
// It leaves to others: Subscriptions themselves (subscription), and who callers
// are (server).
package subscribing

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/subscription"
	"github.com/tarnhealth/tarn/subscription/outbound"
)

// Config is what a server is told about Subscriptions. The zero value refuses
// them all, and is completed by Default.
type Config struct {
	// Endpoints are patterns of the endpoints that notifications may go to, as
	// outbound.ParsePattern reads them.
	Endpoints []string
	// PrivateNetworks may be reached beside public addresses: CIDRs.
	PrivateNetworks []string
	// Max is how many Subscriptions of a data store may be requested or active.
	Max int
	// Timeout is how long an endpoint may take to answer, GiveUp how long it may
	// fail before its Subscription comes to status error.
	Timeout, GiveUp time.Duration
}

// Default is what holds unless something else is said.
func Default() Config { return Config{Max: 50, Timeout: 10 * time.Second, GiveUp: 24 * time.Hour} }

// Settings are the settings; of finds the Config in a whole configuration.
func Settings[C any](of func(*C) *Config) []settings.Setting[C] {
	return []settings.Setting[C]{
		settings.List("subscriptions.endpoints", "where notifications of Subscriptions may go: URLs that endpoints begin with, https://*.example.org for hosts below one, or * for every URL with https; empty turns Subscriptions off",
			func(c *C, list []string) error { return patterns(&of(c).Endpoints, list) }, func(c *C) []string { return of(c).Endpoints }),
		settings.List("subscriptions.private_networks", "networks that notifications may go to beside public addresses, such as 10.1.0.0/16",
			func(c *C, list []string) error { return networks(&of(c).PrivateNetworks, list) }, func(c *C) []string { return of(c).PrivateNetworks }),
		settings.Flat("subscriptions.max", "how many Subscriptions of a data store may be requested or active",
			func(c *C, s string) error { return settings.Number(&of(c).Max, s, 1, 10_000) }, func(c *C) string { return strconv.Itoa(of(c).Max) }),
		settings.Flat("subscriptions.timeout", "how long an endpoint may take to answer a notification",
			func(c *C, s string) error { return settings.Duration(&of(c).Timeout, s, time.Second, 5*time.Minute) }, func(c *C) string { return of(c).Timeout.String() }),
		settings.Flat("subscriptions.give_up", "how long an endpoint may fail before its Subscription comes to status error",
			func(c *C, s string) error {
				return settings.Duration(&of(c).GiveUp, s, time.Minute, 30*24*time.Hour)
			}, func(c *C) string { return of(c).GiveUp.String() }),
	}
}

func patterns(to *[]string, list []string) error {
	for _, text := range list {
		if _, err := outbound.ParsePattern(text); err != nil {
			return err
		}
	}
	*to = list
	return nil
}

func networks(to *[]string, list []string) error {
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err != nil || p != p.Masked() {
			return fmt.Errorf("%q is not a network; write one as 10.1.0.0/16 or fd00:1::/64", text)
		}
	}
	*to = list
	return nil
}

// Options are the options of the Service; what was not checked by Settings is
// left out.
func (c *Config) Options() subscription.Options {
	opt := subscription.Options{MaxPerStore: c.Max, Timeout: c.Timeout, GiveUp: c.GiveUp}
	for _, text := range c.Endpoints {
		if p, err := outbound.ParsePattern(text); err == nil {
			opt.Endpoints.Allowed = append(opt.Endpoints.Allowed, p)
		}
	}
	for _, text := range c.PrivateNetworks {
		if p, err := netip.ParsePrefix(text); err == nil {
			opt.Endpoints.Private = append(opt.Endpoints.Private, p)
		}
	}
	return opt
}
