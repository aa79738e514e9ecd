package admin

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A route is one kind of request to the admin API.
type route struct {
	pattern string
	run     func(f *Folder, r *http.Request) (any, error)
}

// routes are all requests there are.
var routes = slices.Concat(storeRoutes, explainRoutes, userRoutes, clientRoutes, keyRoutes, samlKeyRoutes, accessKeyRoutes, apiKeyRoutes, encryptionRoutes, guideRoutes, backupRoutes, roleRoutes, providerRoutes, subscriptionRoutes)

// Handler answers requests about a folder.
func Handler(f *Folder, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mountProfiles(mux)
	for _, to := range routes {
		mux.HandleFunc(to.pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				result, err := to.run(f, r)
				answer(w, result, err, log)
				return
			}
			result, err := f.Record(Change{to.pattern, r.URL.Path}, func() (any, error) { return to.run(f, r) })
			log.Info("admin", "request", to.pattern, "id", idForLog(r), "failed", err != nil)
			answer(w, result, err, log)
		})
	}
	return mux
}

// idForLog is what a request is about, but for users, who may be called by their
// e-mail address.
func idForLog(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, "/users") {
		return ""
	}
	return r.PathValue("id")
}

// maxBody is the greatest request body, in bytes.
const maxBody = 1 << 20

// readBody reads a request's body. What it does not know it refuses.
func readBody(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fhir.Errorf(fhir.KindInvalid, "the request cannot be read: %v", err)
	}
	return nil
}

type failure struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, result any, err error, log *slog.Logger) {
	status := http.StatusOK
	if err != nil {
		kind := fhir.KindOf(err)
		if kind == fhir.KindInternal {
			log.Error("admin request failed", "error", err)
		}
		status, result = kind.Status(), failure{err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(result); err != nil {
		log.Warn("admin answer was cut off", "error", err)
	}
}
