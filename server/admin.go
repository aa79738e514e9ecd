package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// The admin API is JSON over HTTP on a Unix socket in the data folder, which
// only the folder's owner can open. adminRoutes lists the requests. Errors are
// {"error": text} with the HTTP status of their kind.
const adminName = "admin.sock"

// An adminSocket serves the admin API until it is closed.
type adminSocket struct {
	path string
	web  *http.Server
}

// listenAdmin opens the socket. The caller has the folder's lock, so a socket
// that is there belonged to a process that is gone.
func listenAdmin(f *folder, log *slog.Logger) (*adminSocket, error) {
	dir := f.dir
	// Made in a folder that nobody else can enter, and moved when its mode is
	// right: at no time can another user open it.
	private, err := os.MkdirTemp(dir, ".admin-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	short, done := shortPath(private)
	defer done()
	listener, err := net.Listen("unix", filepath.Join(short, "s"))
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	a := &adminSocket{path: filepath.Join(dir, adminName)}
	err = errors.Join(os.Chmod(filepath.Join(private, "s"), 0o600), os.Rename(filepath.Join(private, "s"), a.path))
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	a.web = &http.Server{Handler: adminHandler(f, log), ReadHeaderTimeout: readHeaderTimeout}
	go func() {
		if err := a.web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the admin socket failed", "error", err)
		}
	}()
	return a, nil
}

// Close lets running requests finish and removes the socket.
func (a *adminSocket) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(os.Remove(a.path), a.web.Shutdown(ctx))
}

// An adminRequest is one kind of request to the admin API.
type adminRequest struct {
	pattern string
	run     func(f *folder, r *http.Request) (any, error)
}

// adminRoutes are all requests there are.
var adminRoutes = slices.Concat(storeRoutes, explainRoutes, userRoutes, clientRoutes, keyRoutes, accessKeyRoutes, apiKeyRoutes, encryptionRoutes, guideRoutes, backupRoutes)

func adminHandler(f *folder, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mountProfiles(mux)
	for _, route := range adminRoutes {
		mux.HandleFunc(route.pattern, func(w http.ResponseWriter, r *http.Request) {
			run := route.run
			if r.Method != http.MethodGet {
				run = func(f *folder, r *http.Request) (any, error) { return f.recorded(route, r) }
			}
			result, err := run(f, r)
			if r.Method != http.MethodGet {
				log.Info("admin", "request", route.pattern, "id", idForLog(r), "failed", err != nil)
			}
			answerAdmin(w, result, err, log)
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

// maxAdminBody is the greatest request body, in bytes.
const maxAdminBody = 1 << 20

// readAdmin reads a request's body. What it does not know it refuses.
func readAdmin(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxAdminBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fhir.Errorf(fhir.KindInvalid, "the request cannot be read: %v", err)
	}
	return nil
}

type adminError struct {
	Error string `json:"error"`
}

func answerAdmin(w http.ResponseWriter, result any, err error, log *slog.Logger) {
	status := http.StatusOK
	if err != nil {
		kind := fhir.KindOf(err)
		if kind == fhir.KindInternal {
			log.Error("admin request failed", "error", err)
		}
		status, result = kind.Status(), adminError{err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(result); err != nil {
		log.Warn("admin answer was cut off", "error", err)
	}
}

// maxSocketPath is what the path of a Unix socket may have on every system.
const maxSocketPath = 100

// shortPath returns a path to dir that leaves room for a socket's name: long
// ones are reached through an open file where the system has /proc.
func shortPath(dir string) (path string, done func()) {
	none := func() {}
	if len(dir)+len("/"+adminName) <= maxSocketPath {
		return dir, none
	}
	f, err := os.Open(dir)
	if err != nil {
		return dir, none
	}
	path = fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if _, err := os.Stat(path); err != nil {
		f.Close()
		return dir, none
	}
	return path, func() { f.Close() }
}
