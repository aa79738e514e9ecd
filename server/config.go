package server

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/server/backups"
	"github.com/tarnhealth/tarn/server/bulkjobs"
	"github.com/tarnhealth/tarn/server/codes"
	"github.com/tarnhealth/tarn/server/contents"
	"github.com/tarnhealth/tarn/server/guides"
	"github.com/tarnhealth/tarn/server/limits"
	"github.com/tarnhealth/tarn/server/listen"
	"github.com/tarnhealth/tarn/server/nearby"
	"github.com/tarnhealth/tarn/server/notify"
	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/server/subscribing"
	"github.com/tarnhealth/tarn/server/vault"
	"github.com/tarnhealth/tarn/smart"
)

// Config is what a server is told. Default has the values that are right
// unless said otherwise; Load reads the rest. The table settings names every
// field as it is written in tarn.yaml.
type Config struct {
	// Listen is the address to serve at, host:port; port 0 picks a free one.
	Listen string
	// MetricsListen is the address that has /metrics, host:port, by plain HTTP; ""
	// for where the FHIR API is.
	MetricsListen string
	// Data is the data folder; "" for one that is removed at the end.
	Data string
	// BaseURL is how clients reach the server, without a trailing slash; "" for
	// http:// and the listening address.
	BaseURL string
	// Auth says who may do what: AuthSMART or AuthNone.
	Auth string
	// Demo fills the data store "default" with synthetic patients, and with
	// AuthSMART adds users, clients and a sample app.
	Demo bool

	// MasterKey is the file with the key that seals secrets; "" for master.key
	// in the data folder. The variable TARN_MASTER_KEY comes before it.
	MasterKey string
	// SessionIdle and SessionAbsolute end sessions.
	SessionIdle, SessionAbsolute time.Duration
	// MinPassword is the least length of a password, in characters.
	MinPassword int
	// PasswordCost is what hashing a password takes; the zero value is the
	// standard one. It is no setting: tests need it.
	PasswordCost login.Cost
	// Tokens are how long what is issued is valid.
	Tokens smart.Lifetimes
	// RotateKeys is how old signing keys become; 0 is for ever.
	RotateKeys time.Duration
	// Providers are upstream OpenID Connect providers.
	Providers []login.Provider
	// Registration says whether apps may register themselves.
	Registration smart.Registration
	// Practitioners, Links, Persons and Roles are as in authz.Policy.
	Practitioners authz.Relations
	Links         bool
	Persons       authz.Assurance
	Roles         map[string]authz.Role
	// Origins may use the FHIR API beside those of registered apps; "*" is all.
	Origins []string
	// Proxies are believed when they say whom they speak for.
	Proxies []netip.Prefix

	// Audit is about the audit log.
	Audit AuditConfig
	// AccessConfig is about Consents and security labels.
	AccessConfig
	// Encryption is about encryption at rest.
	Encryption vault.Told
	// Guides is about implementation guides.
	Guides guides.Config
	// Bulk is about import and export jobs.
	Bulk bulkjobs.Config
	// Events is about who is told of changes.
	Events notify.Config
	// Subscriptions is about where notifications go.
	Subscriptions subscribing.Config
	// Terminology is about another terminology server.
	Terminology codes.Config
	// Contents is about large contents of resources.
	Contents contents.Config
	// Backup is about backing the data folder up all the time.
	Backup backups.Config
	// Control is about the control API.
	Control ControlConfig
	// Console is "on", "off", or "auto": on where the base URL is a loopback
	// address.
	Console string
	// TenantURLs serves the data stores of a tenant below /tenant/ID too.
	TenantURLs bool
	// TLS says how TLS ends at the server.
	TLS listen.Config
	// Lambda is where token-check functions are called that have an ARN.
	Lambda LambdaConfig
	// APIKeysRequired wants an API key with every request to a data store, and
	// not only where the data store does.
	APIKeysRequired bool

	// Limits are how much callers may do.
	limits.Limits

	// MaxBody is the greatest request body in bytes.
	MaxBody int64
	// MaxEntries is the greatest number of entries of a batch or transaction.
	MaxEntries int
	// RequestTimeout is how long one request may take.
	RequestTimeout time.Duration
	// ShutdownTimeout is how long running requests may go on after the signal
	// to stop.
	ShutdownTimeout time.Duration
	// CacheSize is the memory that storage keeps recently read blocks in, bytes.
	CacheSize int64

	LogLevel slog.Level
	// LogFormat is "text" or "json".
	LogFormat string

	// Stdout is told where the server is, Stderr takes the log; nil for the
	// process's own.
	Stdout, Stderr io.Writer
}

// The values of Config.Auth.
const (
	// AuthSMART asks every caller for an access token.
	AuthSMART = "smart"
	// AuthNone lets everybody on this machine do everything.
	AuthNone = "none"
)

// Default returns the configuration of a server that was told nothing.
func Default() Config {
	return Config{
		Listen:          "127.0.0.1:8080",
		Data:            "tarn-data",
		Auth:            AuthSMART,
		SessionIdle:     30 * time.Minute,
		SessionAbsolute: 12 * time.Hour,
		MinPassword:     12,
		Tokens:          smart.Lifetimes{Access: time.Hour, Service: 5 * time.Minute, Refresh: 180 * 24 * time.Hour},
		RotateKeys:      90 * 24 * time.Hour,
		Audit:           AuditConfig{Mode: AuditAuto, Durability: AuditDisk},
		Encryption:      vault.Told{AtRest: vault.AtRestAuto, Check: time.Minute, Timeout: 10 * time.Second},
		Limits:          limits.Default(),
		TenantURLs:      true,
		Console:         auto,
		Subscriptions:   subscribing.Default(),
		Control:         ControlConfig{Region: "us-east-1", Account: "000000000000"},
		Practitioners:   authz.Relations{GeneralPractitioner: true, CareTeam: true, Encounter: true},
		Persons:         3,
		AccessConfig:    AccessConfig{Consent: authz.ConsentPolicy{Exempt: []string{authz.RoleAdmin}}, Labels: authz.LabelPolicy{Unlabelled: "N"}},
		MaxBody:         50 << 20,
		MaxEntries:      100_000,
		RequestTimeout:  2 * time.Minute,
		ShutdownTimeout: 30 * time.Second,
		CacheSize:       256 << 20,
		LogLevel:        slog.LevelInfo,
		LogFormat:       "text",
	}
}

// A Problem is one thing that is wrong with a configuration.
type Problem = settings.Problem

// Check returns what is wrong with the configuration as a whole: what no
// single setting shows.
func (c *Config) Check() []Problem {
	var problems []Problem
	for _, check := range checks {
		if text := check(c); text != "" {
			problems = append(problems, Problem{Text: text})
		}
	}
	return problems
}

// checks are the rules between settings; each returns "" where it is kept.
var checks = []func(*Config) string{
	func(c *Config) string {
		if c.Auth == AuthNone || c.Auth == AuthSMART {
			return ""
		}
		return fmt.Sprintf("auth is %q; allowed is %s or %s", c.Auth, AuthSMART, AuthNone)
	},
	func(c *Config) string {
		if c.Auth != AuthNone || c.local() {
			return ""
		}
		return "listen is " + c.Listen + ", which other machines can reach, and --auth none gives everybody everything; listen on 127.0.0.1, [::1] or localhost"
	},
	func(c *Config) string {
		if c.Auth != AuthSMART || c.local() || c.BaseURL != "" {
			return ""
		}
		return "listen is " + c.Listen + ", which other machines can reach, and base_url does not say how; set base_url to what clients call the server by, such as https://fhir.example.org"
	},
	func(c *Config) string {
		u, err := url.Parse(c.BaseURL)
		if c.Auth != AuthSMART || c.BaseURL == "" || err != nil || u.Scheme == "https" || nearby.Loopback(u.Hostname()) {
			return ""
		}
		return "base_url is " + c.BaseURL + ", where passwords and tokens would travel in the clear; use https:// with a certificate (tls.cert_file) or a TLS proxy in front, or a loopback address"
	},
	func(c *Config) string {
		if c.Contents.Bucket == "" || c.Bulk.Endpoint != "" {
			return ""
		}
		return "binary.bucket is " + c.Contents.Bucket + ", and bulk.s3_endpoint does not say of which service; set that to the URL of an S3-compatible service, or to aws"
	},
	func(c *Config) string {
		if c.SessionIdle <= c.SessionAbsolute {
			return ""
		}
		return fmt.Sprintf("session.idle is %s, longer than session.absolute (%s)", c.SessionIdle, c.SessionAbsolute)
	},
	func(c *Config) string {
		if c.Registration.RequireStatement && len(c.Registration.StatementKeys) == 0 {
			return "registration.require_statement is true, but registration.statement_issuers names nobody"
		}
		return ""
	},
	checkRoles, checkAccess, checkTLS,
	func(c *Config) string { return c.Events.Check() },
	func(c *Config) string { return c.Terminology.Check() },
}

// checkRoles reads the rules of roles against the definitions.
func checkRoles(c *Config) string {
	if len(c.Roles) == 0 {
		return ""
	}
	registry, err := search.New(definition.R4())
	if err == nil {
		err = authz.CheckRoles(registry, authz.Policy{Roles: c.Roles})
	}
	if err != nil {
		return "access.roles: " + err.Error()
	}
	return ""
}

// local reports whether only this machine can reach the server.
func (c *Config) local() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err != nil || nearby.Loopback(host)
}
