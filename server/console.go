package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/console"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/server/nearby"
)

// consoleSettings say whether there is a console.
var consoleSettings = []setting{
	flat("console", "the web console for administrators at /console: on, off, or auto: on where base_url is a loopback address",
		func(c *Config, s string) error { return oneOf(&c.Console, s, on, off, auto) },
		func(c *Config) string { return c.Console }),
}

// Values of settings.
const (
	on   = "on"
	auto = "auto"
)

// consoleOn reports whether there is a console. The base URL is known.
func (c *Config) consoleOn() bool {
	return c.Console == on || c.Console == auto && c.atHome()
}

// atHome reports whether clients are on this machine: a server that listens at
// a loopback address may have a proxy in front and be called from everywhere. The
// base URL is known.
func (c *Config) atHome() bool {
	base, err := url.Parse(c.BaseURL)
	return err == nil && nearby.Loopback(base.Hostname())
}

func isConsole(path string) bool {
	rest, ok := strings.CutPrefix(path, console.Prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// openConsole opens the console of a folder, or what says that there is none.
func (s *Server) openConsole(f *folder, g *guard, recorded *auditLog) error {
	if !s.cfg.consoleOn() {
		none := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			status(w, http.StatusNotFound, "The console is off here; the setting console: on turns it on.\n")
		}))
		s.console.Store(&none)
		return nil
	}
	cfg := console.Config{
		BaseURL: s.cfg.BaseURL, Folder: f.administered(f.keyRole), Record: f.recordedBy, Address: s.cfg.address,
		Storage: f.storage.held, Jobs: f.jobs.bulk.Service, FHIR: s.consoleAPI(f, g, recorded), Log: s.log,
	}
	if g.authority != nil {
		cfg.Login = g.authority.login
	}
	if recorded != nil {
		cfg.Audit = recorded.log
	}
	opened, err := console.New(cfg)
	if err != nil {
		return err
	}
	f.tend(func(ctx context.Context, _ *slog.Logger) {
		<-ctx.Done()
		_ = opened.Close() // it has no error
	}, s.log)
	pages := http.Handler(opened)
	s.console.Store(&pages)
	return nil
}

// held is what the console tells of a data store.
func (s *storage) held(id string) (console.Storage, bool) {
	p := s.open(id)
	if p == nil {
		return console.Storage{}, false
	}
	stats := p.Stats()
	return console.Storage{Resources: stats.Live, Bytes: stats.DiskBytes, ReadOnly: stats.ReadOnly > 0}, true
}

type consoleUser struct{}

// consoleAPI is a FHIR API that knows its callers by who is signed in at the
// console. It is apart from that of other callers, who are not asked whether they
// are such.
func (s *Server) consoleAPI(f *folder, g *guard, recorded *auditLog) func(*login.User) http.Handler {
	api := rest.New(rest.Options{
		Stores: openStores{f.catalog, f.jobs.bulk.Service}, Logger: s.log, Observe: s.metrics.observe, Version: Version(), Audit: recorded.rest(&s.cfg),
		Authorize: func(r *http.Request, store *datastore.Store) (authz.Access, error) {
			user, _ := r.Context().Value(consoleUser{}).(*login.User)
			switch {
			case g.authority == nil:
				return authz.Unrestricted(), nil
			case user == nil || !store.Identity().Own():
				return authz.Access{}, fhir.Errorf(fhir.KindForbidden, "the users of this server may do nothing in this data store: others say who its callers are")
			}
			return g.authority.pickerAccess(r.Context(), user, store)
		},
	})
	return func(user *login.User) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			api.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), consoleUser{}, user)))
		})
	}
}
