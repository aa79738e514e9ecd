package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// SocketName is the file of the socket in a data folder.
const SocketName = "admin.sock"

// A Socket serves the admin API until it is closed.
type Socket struct {
	path string
	web  *http.Server
}

// Listen opens the socket of a folder and answers what comes. The caller has the
// folder's lock, so a socket that is there belonged to a process that is gone.
func Listen(f *Folder, log *slog.Logger) (*Socket, error) {
	dir := f.Dir
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
	a := &Socket{path: filepath.Join(dir, SocketName)}
	err = errors.Join(os.Chmod(filepath.Join(private, "s"), 0o600), os.Rename(filepath.Join(private, "s"), a.path))
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	a.web = &http.Server{Handler: Handler(f, log), ReadHeaderTimeout: readHeaderTimeout}
	go func() {
		if err := a.web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the admin socket failed", "error", err)
		}
	}()
	return a, nil
}

// Close lets running requests finish and removes the socket.
func (a *Socket) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(os.Remove(a.path), a.web.Shutdown(ctx))
}

// readHeaderTimeout is how long the head of a request may take.
const readHeaderTimeout = 10 * time.Second

// maxSocketPath is what the path of a Unix socket may have on every system.
const maxSocketPath = 100

// shortPath returns a path to dir that leaves room for a socket's name: long
// ones are reached through an open file where the system has /proc.
func shortPath(dir string) (path string, done func()) {
	none := func() {}
	if len(dir)+len("/"+SocketName) <= maxSocketPath {
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
