package smart

import (
	"context"
	"net/http"
	"strings"
)

// AllowsOrigin reports whether a browser app of some registered client lives
// at an origin. The FHIR API and the token endpoint answer such origins.
func (s *Service) AllowsOrigin(ctx context.Context, origin string) (bool, error) {
	return s.clients.AllowsOrigin(ctx, origin)
}

// public lets any origin read a document that says nothing of anybody.
func public(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		switch r.Method {
		case http.MethodOptions:
			preflight(w, "GET", r)
		case http.MethodGet, http.MethodHead:
			next(w, r)
		default:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			http.Error(w, "use GET", http.StatusMethodNotAllowed)
		}
	}
}

// shared lets the registered origins call an endpoint that apps use.
func (s *Service) shared(methods string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		known, err := s.AllowsOrigin(r.Context(), origin)
		if err != nil {
			s.answerError(w, r, err)
			return
		}
		if known {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, DPoP-Nonce")
		}
		if r.Method != http.MethodOptions {
			next(w, r)
			return
		}
		if !known {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		preflight(w, methods, r)
	}
}

// preflight answers a CORS preflight of an origin that is allowed.
// https://fetch.spec.whatwg.org/#cors-preflight-request
func preflight(w http.ResponseWriter, methods string, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Methods", methods)
	if r.Header.Get("Access-Control-Request-Headers") != "" {
		w.Header().Set("Access-Control-Allow-Headers", strings.Join([]string{"Accept", "Authorization", "Content-Type", "DPoP"}, ", "))
	}
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
