package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
)

// listenMetrics answers /metrics, /healthz and /readyz at an address of their own,
// by plain HTTP, where the configuration names one: what they tell is not for
// everybody who may call the FHIR API. stop ends that.
func (s *Server) listenMetrics() (stop func(), err error) {
	if s.cfg.MetricsListen == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", s.cfg.MetricsListen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %s (metrics.listen): %w", s.cfg.MetricsListen, err)
	}
	web := &http.Server{
		Handler:           http.HandlerFunc(s.serveWatcher),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	go func() { _ = web.Serve(listener) }() // ends when it is closed
	s.metricsAddr = listener.Addr().String()
	return func() { _ = web.Close() }, nil
}

// serveWatcher answers those who watch the server.
func (s *Server) serveWatcher(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/metrics":
		s.metrics.handler.ServeHTTP(w, r)
	case "/healthz":
		status(w, http.StatusOK, "alive\n")
	case "/readyz":
		s.readyz(w)
	default:
		outcome(w, fhir.Errorf(fhir.KindNotFound, "only /metrics, /healthz and /readyz are at this address"))
	}
}

// metricsURL is where the metrics are.
func (s *Server) metricsURL() string {
	if s.metricsHere() {
		return s.cfg.BaseURL + "/metrics"
	}
	return "http://" + s.metricsAddr + "/metrics"
}

// metricsHere reports whether the metrics are where the FHIR API is.
func (s *Server) metricsHere() bool { return s.cfg.MetricsListen == "" }
