// Package login owns how a person proves who they are: the directory of users,
// passwords, second factors, passkeys, upstream OpenID Connect and SAML providers,
// sessions, and the pages for them.
//
// It leaves to others: what a signed-in person may do (authz), and which
// applications they use (smart).
package login

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login/saml"
	"github.com/tarnhealth/tarn/page"
)

//go:embed pages messages
var files embed.FS

// Config for New. DB, Box and BaseURL are needed.
type Config struct {
	DB  kv.DB
	Box *crypt.Box
	// BaseURL is what clients call the server by, without a final slash.
	BaseURL string
	// Product is the name on the pages; "" is Tarn.
	Product string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log gets what happened, without names, addresses and secrets; nil is
	// slog.Default.
	Log *slog.Logger
	// Idle ends a session that was not used so long; 0 is 30 minutes.
	Idle time.Duration
	// Absolute ends every session after so long; 0 is 12 hours.
	Absolute time.Duration
	// Cost is what hashing a password takes; the zero value is RFC 9106's
	// second recommended option.
	Cost Cost
	// MinPassword is the least length of new passwords in characters, where it
	// is more than 12.
	MinPassword int
	// Providers are the upstream providers at first; see
	// Service.SetProviders.
	Providers []Provider
	// HTTP calls the providers; nil is a client with a time limit.
	HTTP *http.Client
	// Metadata fetches that of SAML providers; nil is a client that refuses
	// redirects.
	Metadata *http.Client
	// Address is the network address of the client, which rate limits count
	// by; nil takes it from the connection. Set it behind a reverse proxy.
	Address func(*http.Request) string
	// Apps is the path of the page where people see which applications have
	// access; "" is none.
	Apps string
	// Event is told of each sign-in, sign-out and change of credentials, for
	// the audit log; nil is nobody.
	Event func(context.Context, Event)
}

// An Event is something to audit.
type Event struct {
	Kind      string // sign-in, sign-in-failed, locked, sign-out, password-changed, factor-added, factor-removed, linked, unlinked, user-created
	UserID    string // "" where nobody is known by the name that was given
	SessionID string
	Provider  string   // upstream provider, "" where Tarn itself checked
	AMR       []string // of a sign-in
	Address   string
	Time      time.Time
}

// A Service signs people in and serves the pages for it: /login…, /logout and
// /account…. Safe for concurrent use, and by several processes on one
// database.
type Service struct {
	cfg       Config
	directory *Directory
	pages     *page.Set
	mux       *http.ServeMux
	passkeys  *passkeys
	saml      *saml.Party
	upstream  atomic.Pointer[upstreams]
}

// New makes the service. It fails where the configuration is not complete.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Box == nil {
		return nil, fmt.Errorf("login: the configuration has no database or no box")
	}
	cfg.Idle = cmp.Or(cfg.Idle, 30*time.Minute)
	cfg.Absolute = cmp.Or(cfg.Absolute, 12*time.Hour)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Address == nil {
		cfg.Address = remoteHost
	}
	directory, err := OpenDirectory(DirectoryConfig{DB: cfg.DB, Box: cfg.Box, Now: cfg.Now, Cost: cfg.Cost, MinPassword: cfg.MinPassword})
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, directory: directory}
	if s.pages, err = page.New(page.Config{BaseURL: cfg.BaseURL, Product: cfg.Product, Log: cfg.Log}, files); err != nil {
		return nil, err
	}
	if s.passkeys, err = newPasskeys(cfg); err != nil {
		return nil, err
	}
	s.saml = saml.New(saml.Config{DB: cfg.DB, Box: cfg.Box, BaseURL: cfg.BaseURL, Now: cfg.Now, HTTP: cfg.Metadata})
	if err = s.SetProviders(cfg.Providers); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}

// Directory is the users that the service signs in.
func (s *Service) Directory() *Directory { return s.directory }

// ServeHTTP serves /login…, /logout and /account….
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// remoteHost is the address of the connection, without the port.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// network is what rate limits count by: an IPv4 address, or the /64 of an
// IPv6 address, which one customer has.
func network(address string) string {
	ip, err := netip.ParseAddr(strings.TrimSpace(address))
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, _ := ip.Prefix(64)
	return prefix.String()
}

// event tells the audit log and the program's log. Neither gets names.
func (s *Service) event(r *http.Request, e Event) {
	e.Time, e.Address = s.cfg.Now(), s.cfg.Address(r)
	s.cfg.Log.InfoContext(r.Context(), "login", "event", e.Kind, "user", e.UserID, "session", e.SessionID, "provider", e.Provider, "amr", e.AMR)
	if s.cfg.Event != nil {
		s.cfg.Event(r.Context(), e)
	}
}
