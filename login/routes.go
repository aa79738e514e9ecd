package login

import (
	"net/http"

	"github.com/tarnhealth/tarn/page"
)

func (s *Service) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.problem(w, r, http.StatusNotFound, "error.missing") })
}

// problem answers with the error page.
func (s *Service) problem(w http.ResponseWriter, r *http.Request, status int, key string, args ...any) {
	s.pages.Error(w, r, status, page.Message{Key: key, Args: args})
}

// broken answers where the server failed.
func (s *Service) broken(w http.ResponseWriter, r *http.Request, err error) {
	s.cfg.Log.ErrorContext(r.Context(), "login failed", "error", err)
	s.problem(w, r, http.StatusInternalServerError, "error.internal")
}
