package server

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/server/backups"
	"github.com/tarnhealth/tarn/server/bulkjobs"
	"github.com/tarnhealth/tarn/server/codes"
	"github.com/tarnhealth/tarn/server/contents"
	"github.com/tarnhealth/tarn/server/guides"
	"github.com/tarnhealth/tarn/server/limits"
	"github.com/tarnhealth/tarn/server/notify"
	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/server/subscribing"
	"github.com/tarnhealth/tarn/server/vault"
)

// A setting is one line of tarn.yaml, or a list there.
type setting = settings.Setting[Config]

func flat(name, help string, set func(*Config, string) error, get func(*Config) string) setting {
	return settings.Flat(name, help, set, get)
}

func list(name, help string, set func(*Config, []string) error, get func(*Config) []string) setting {
	return settings.List(name, help, set, get)
}

// The readers of values, by short names for the tables.
var (
	text     = settings.Text
	oneOf    = settings.OneOf
	number   = settings.Number
	duration = settings.Duration
	size     = settings.Size
	sizeText = settings.SizeText
	boolean  = settings.Boolean
)

// allSettings is every setting, in the order of the documentation.
var allSettings = slices.Concat([]setting{
	flat("listen", "the address to serve at, host:port",
		func(c *Config, s string) error { return settings.Address(&c.Listen, s) },
		func(c *Config) string { return c.Listen }),
	flat("metrics.listen", "an address that has /metrics instead, host:port; health is at both",
		func(c *Config, s string) error {
			if c.MetricsListen = ""; s == "" {
				return nil
			}
			return settings.Address(&c.MetricsListen, s)
		},
		func(c *Config) string { return c.MetricsListen }),
	flat("data", "the data folder, made where it is not there",
		func(c *Config, s string) error { return text(&c.Data, s) },
		func(c *Config) string { return c.Data }),
	flat("base_url", "how clients reach the server; http:// and the listening address where empty",
		func(c *Config, s string) error { return settings.BaseURL(&c.BaseURL, s) },
		func(c *Config) string { return c.BaseURL }),
	flat("auth", "smart: callers have access tokens; none: everybody may do everything, on a loopback address only",
		func(c *Config, s string) error { return oneOf(&c.Auth, s, AuthSMART, AuthNone) },
		func(c *Config) string { return c.Auth }),
	flat("limits.max_body", "the greatest request body",
		func(c *Config, s string) error { return size(&c.MaxBody, s, 1<<10, 1<<30) },
		func(c *Config) string { return sizeText(c.MaxBody) }),
	flat("limits.max_entries", "the greatest number of entries in a batch or transaction",
		func(c *Config, s string) error { return number(&c.MaxEntries, s, 1, 1_000_000) },
		func(c *Config) string { return strconv.Itoa(c.MaxEntries) }),
	flat("limits.request_timeout", "how long one request may take",
		func(c *Config, s string) error { return duration(&c.RequestTimeout, s, time.Second, time.Hour) },
		func(c *Config) string { return c.RequestTimeout.String() }),
	flat("shutdown_timeout", "how long running requests may go on after the signal to stop",
		func(c *Config, s string) error { return duration(&c.ShutdownTimeout, s, 0, time.Hour) },
		func(c *Config) string { return c.ShutdownTimeout.String() }),
	flat("cache_size", "the memory that storage keeps what it has read in, for all data stores together",
		func(c *Config, s string) error { return size(&c.CacheSize, s, 1<<20, 1<<40) },
		func(c *Config) string { return sizeText(c.CacheSize) }),
	flat("log.level", "debug (every request), info, warn or error",
		func(c *Config, s string) error { return settings.Level(&c.LogLevel, s) },
		func(c *Config) string { return strings.ToLower(c.LogLevel.String()) }),
	flat("log.format", "text or json",
		func(c *Config, s string) error { return oneOf(&c.LogFormat, s, "text", "json") },
		func(c *Config) string { return c.LogFormat }),
}, tlsSettings, authSettings, vault.Settings(func(c *Config) *vault.Told { return &c.Encryption }), accessSettings, auditSettings, limits.Settings(func(c *Config) *limits.Limits { return &c.Limits }), controlSettings, consoleSettings,
	guides.Settings(func(c *Config) *guides.Config { return &c.Guides }),
	backups.Settings(func(c *Config) *backups.Config { return &c.Backup }),
	bulkjobs.Settings(func(c *Config) *bulkjobs.Config { return &c.Bulk }),
	codes.Settings(func(c *Config) *codes.Config { return &c.Terminology }),
	notify.Settings(func(c *Config) *notify.Config { return &c.Events }), subscribing.Settings(func(c *Config) *subscribing.Config { return &c.Subscriptions }), contents.Settings(func(c *Config) *contents.Config { return &c.Contents }))
