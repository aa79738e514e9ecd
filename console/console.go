// Package console owns the web console of administrators at /console: data
// stores, their implementation guides and jobs, who may sign in and call, and the
// audit log, as pages that need no JavaScript.
//
// Everything that it changes goes through the administration of the data folder
// (server/admin, server/guides), as the commands and operations do, and is
// recorded like that. It leaves to others: who somebody is (login), layout and
// forged forms (page), and what is done (server/admin).
package console

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/server/admin"
)

// Prefix is the path of the console.
const Prefix = "/console"

//go:embed pages messages console.css console.js
var files embed.FS

// A Login knows who is signed in, and signs people in. *login.Service is one.
type Login interface {
	Session(r *http.Request) (*login.Session, *login.User, error)
	SignIn(w http.ResponseWriter, r *http.Request, q login.SignInRequest)
}

// Config for New. All members are needed but those that say otherwise.
type Config struct {
	// BaseURL is what clients call the server by, without a final slash.
	BaseURL string
	// Login signs administrators in; nil where everybody may do everything.
	Login Login
	// Folder is what is administered; its Record is not used.
	Folder *admin.Folder
	// Record runs a change and records who made it.
	Record func(by audit.Agent, c admin.Change, run func() (any, error)) (any, error)
	// Address is the network address of a client; nil takes that of the
	// connection.
	Address func(*http.Request) string
	// Storage describes the storage of an open data store; false for others.
	Storage func(id string) (Storage, bool)
	// Jobs are import and export jobs.
	Jobs *bulk.Service
	// Audit is the audit log; nil where there is none.
	Audit *audit.Log
	// FHIR answers a request to the FHIR API with the access of a user, nil for
	// every access; nil where nothing can be searched from the console.
	FHIR func(user *login.User) http.Handler
	// Log gets what fails; nil is slog.Default.
	Log *slog.Logger
}

// Storage says how much a data store holds.
type Storage struct {
	// Resources is how many there are, by type.
	Resources map[string]int
	// Bytes is the size of all files.
	Bytes uint64
	// ReadOnly is set since the disk failed.
	ReadOnly bool
}

// A Console serves the pages. It is safe for concurrent use.
type Console struct {
	cfg   Config
	pages *page.Set
	mux   *http.ServeMux
	// reads answers what changes nothing.
	reads *admin.Admin
	host  string // of the base URL
	tasks tasks
	// life ends with Close.
	life context.Context
	end  context.CancelFunc
}

// errReadOnly is for a change that would not be recorded.
var errReadOnly = errors.New("console: a change is not recorded")

// New makes a console. It fails where the base URL is none.
func New(cfg Config) (*Console, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Address == nil {
		cfg.Address = func(r *http.Request) string { return r.RemoteAddr }
	}
	style, err := fs.ReadFile(files, "console.css")
	if err != nil {
		return nil, err
	}
	s := &Console{cfg: cfg}
	if s.pages, err = page.New(page.Config{BaseURL: cfg.BaseURL, Style: string(style), Log: cfg.Log}, files); err != nil {
		return nil, err
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	s.host = base.Hostname()
	s.reads = s.administers(func(admin.Change, func() (any, error)) (any, error) { return nil, errReadOnly })
	s.life, s.end = context.WithCancel(context.Background())
	s.routes()
	return s, nil
}

// administers works on the folder; changes are recorded by record.
func (s *Console) administers(record func(admin.Change, func() (any, error)) (any, error)) *admin.Admin {
	folder := *s.cfg.Folder
	folder.Record = record
	return admin.InProcess(admin.Handler(&folder, s.cfg.Log), nil)
}

// ServeHTTP serves /console and what is below.
func (s *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close waits for what was begun to add guides: what is being fetched is given
// up.
func (s *Console) Close() error {
	s.end()
	s.tasks.close()
	return nil
}

// A handler answers a request of somebody who may use the console.
type handler func(w http.ResponseWriter, r *http.Request, c *caller) error

func (s *Console) routes() {
	s.mux = http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /console/{$}":                        s.showStores,
		"GET /console":                            s.showStores,
		"GET /console/stores/{id}":                s.showStore,
		"GET /console/stores/{id}/guides":         s.showGuides,
		"GET /console/jobs":                       s.showJobs,
		"GET /console/users":                      s.showUsers,
		"GET /console/apps":                       s.showApps,
		"GET /console/keys":                       s.showKeys,
		"GET /console/audit":                      s.showAudit,
		"GET /console/stores/{id}/browse":         s.browse,
		"POST /console/stores/{id}/guides/upload": s.upload, // reads its form itself
	} {
		s.mux.HandleFunc(pattern, s.admit(h))
	}
	for pattern, h := range map[string]handler{
		"POST /console/stores":                      s.createStore,
		"POST /console/stores/{id}/delete":          s.deleteStore,
		"POST /console/stores/{id}/guides/fetch":    s.fetch,
		"POST /console/stores/{id}/guides/remove":   s.remove,
		"POST /console/stores/{id}/guides/settings": s.changeSettings,
		"POST /console/jobs/cancel":                 s.cancelJob,
	} {
		s.mux.HandleFunc(pattern, s.admit(s.form(h)))
	}
	s.mux.HandleFunc("GET /console/console.js", script)
	s.mux.HandleFunc("/", s.admit(missing))
}

// script serves the script of the pages, which tells nobody anything.
func script(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, files, "console.js")
}
