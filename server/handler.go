package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/server/nearby"
	"github.com/tarnhealth/tarn/server/timelimit"
	"github.com/tarnhealth/tarn/server/wire"
)

// ServeHTTP sends a request where its path belongs. It is no ServeMux, for that
// would redirect the double slashes that FHIR clients send.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.askForTLS(w, r)
	switch path := r.URL.Path; {
	case path == "/healthz", path == "/readyz", path == "/metrics" && s.metricsHere():
		s.serveWatcher(w, r)
	case path == "/":
		if r.Method == http.MethodPost {
			s.serveControl(w, r)
			return
		}
		s.welcome(w)
	default:
		if s.servePages(w, r) {
			return
		}
		if path := "/" + strings.TrimLeft(r.URL.Path, "/"); strings.HasPrefix(path, rest.Prefix) || s.cfg.TenantURLs && strings.HasPrefix(path, rest.TenantPrefix) {
			s.serveFHIR(w, r)
			return
		}
		outcome(w, fhir.Errorf(fhir.KindNotFound, "nothing is at this path; FHIR data stores are at %s{id}/r4", rest.Prefix))
	}
}

// welcome says what is where.
func (s *Server) welcome(w http.ResponseWriter) {
	metrics := "; metrics: /metrics"
	if !s.metricsHere() {
		metrics = ""
	}
	console := ""
	if s.cfg.consoleOn() {
		console = "; console: /console"
	}
	status(w, http.StatusOK, fmt.Sprintf("Tarn %s, a FHIR R4 data store.\nFHIR API: %s%s%s/r4\nHealth: /healthz, /readyz%s%s\n",
		Version(), s.cfg.BaseURL, rest.Prefix, DefaultStore, metrics, console))
}

func (s *Server) readyz(w http.ResponseWriter) {
	select {
	case <-s.ready:
	default:
		status(w, http.StatusServiceUnavailable, "starting\n")
		return
	}
	if s.stopping.Load() {
		status(w, http.StatusServiceUnavailable, "stopping\n")
		return
	}
	text := "ready\n"
	if disks := s.disks.Load(); disks != nil {
		if why := disks.Fatal(); why != "" {
			status(w, http.StatusServiceUnavailable, why+"\n")
			return
		}
		for _, line := range disks.Failed() {
			text += line + "\n"
		}
	}
	status(w, http.StatusOK, text)
}

// refuseStrange answers the requests of other sites' pages where there is no
// authorization, and reports whether it did.
func (s *Server) refuseStrange(w http.ResponseWriter, r *http.Request) bool {
	if s.cfg.Auth != AuthNone {
		return false
	}
	err := nearby.Check(r, s.cfg.BaseURL, s.cfg.Origins)
	if err != nil {
		outcome(w, err)
	}
	return err != nil
}

// serveFHIR passes a request on with its time limit, which holds for the
// connection too: a client that neither sends nor reads is cut off.
func (s *Server) serveFHIR(w http.ResponseWriter, r *http.Request) {
	if s.refuseStrange(w, r) {
		return
	}
	if s.stopping.Load() {
		unavailable(w, "the server is stopping")
		return
	}
	handler := s.fhir.Load()
	if handler == nil {
		unavailable(w, "the server is starting")
		return
	}
	s.running.Add(1)
	defer s.running.Done()
	now := time.Now()
	timelimit.Limit(w, r, now, s.cfg.RequestTimeout)
	if deadline := now.Add(s.cfg.RequestTimeout); !wire.SetDeadline(r, deadline) {
		ctx := timelimit.With(r.Context(), deadline)
		defer ctx.End()
		r = r.WithContext(ctx)
	}
	if s.cfg.Auth != AuthNone {
		r = visited(r)
	}
	(*handler).ServeHTTP(w, r)
}

// servePages answers what belongs to the authorization server and the console, and
// reports whether the path does.
func (s *Server) servePages(w http.ResponseWriter, r *http.Request) bool {
	pages := &s.pages
	switch {
	case isConsole(r.URL.Path):
		pages = &s.console
	case s.cfg.Auth == AuthNone || !isPage(r.URL.Path):
		return false
	}
	handler := pages.Load()
	if s.stopping.Load() || handler == nil {
		w.Header().Set("Retry-After", "1")
		status(w, http.StatusServiceUnavailable, "The server is starting or stopping; try again in a second.\n")
		return true
	}
	s.serveLimited(*handler, w, r)
	return true
}

// serveLimited passes a request on with its time limit.
func (s *Server) serveLimited(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	now := time.Now()
	timelimit.Limit(w, r, now, s.cfg.RequestTimeout)
	ctx, cancel := context.WithDeadline(r.Context(), now.Add(s.cfg.RequestTimeout))
	defer cancel()
	handler.ServeHTTP(w, r.WithContext(ctx))
}

func unavailable(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	outcome(w, fhir.Errorf(fhir.KindUnavailable, "%s; try again in a second", why))
}

// outcome answers for what never reaches the FHIR API.
func outcome(w http.ResponseWriter, err *fhir.Error) {
	w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(err.Kind.Status())
	_, _ = w.Write(fhir.AppendOutcome(nil, err.Issues))
}

func status(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}
