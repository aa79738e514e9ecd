package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// shared is the folder of published examples and synthetic populations.
const shared = "../../../shared/data"

func needShared(t *testing.T, path string) string {
	t.Helper()
	full := filepath.Join(shared, path)
	if _, err := os.Stat(full); err != nil {
		t.Skipf("shared/data/%s is absent", path)
	}
	return full
}

// binary builds the tarn command once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tarn-endtoend-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	name := filepath.Join(dir, "tarn")
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	out, err := exec.Command("go", "build", "-o", name, "github.com/tarnhealth/tarn/cmd/tarn").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%v\n%s", err, out)
	}
	return name, nil
})

// binaryDir is where the command was built, "" where no test needed it.
var binaryDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if binaryDir != "" {
		os.RemoveAll(binaryDir)
	}
	os.Exit(code)
}

// tarn runs the command and returns its standard output.
func tarn(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := command(t.Context(), t, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("tarn %s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}

// command is the command with arguments, not yet started.
func command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(ctx, name, args...)
}

// A server is a running tarn process.
type server struct {
	t    *testing.T
	dir  string
	addr string
	cmd  *exec.Cmd
	log  *bytes.Buffer
	exit chan error
}

// serve starts tarn on a folder and waits until it is ready.
func serve(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, addr: freeAddr(t)}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *server) start() {
	s.t.Helper()
	name, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = &bytes.Buffer{}
	s.cmd = exec.Command(name, "serve", "--auth", "none", "--data", s.dir, "--listen", s.addr)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exit = make(chan error, 1)
	go func(cmd *exec.Cmd, exit chan error) { exit <- cmd.Wait() }(s.cmd, s.exit)
	s.waitReady()
}

// waitReady polls /readyz: there is no other way to hear from a process that
// is starting.
func (s *server) waitReady() {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(60 * time.Second)
	for {
		select {
		case err := <-s.exit:
			s.t.Fatalf("the server ended: %v\n%s", err, s.log)
		case <-timeout:
			s.kill()
			s.t.Fatalf("the server did not become ready\n%s", s.log)
		case <-tick.C:
			resp, err := http.Get("http://" + s.addr + "/readyz")
			if err != nil {
				continue
			}
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// kill ends the process at once, as kill -9 does.
func (s *server) kill() {
	if s.cmd != nil && s.cmd.Process != nil && s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		<-s.exit
		s.cmd = nil
	}
}

func (s *server) url(store string) string {
	return "http://" + s.addr + "/datastore/" + store + "/r4"
}

// bundle is what the tests read of a searchset.
type bundle struct {
	Total int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		Resource json.RawMessage
		Search   struct{ Mode string }
	}
}

// get reads a URL that must answer 200.
func get(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %v %.600s", url, resp.StatusCode, err, body)
	}
	return body
}

func getBundle(t *testing.T, url string) *bundle {
	t.Helper()
	var b bundle
	if err := json.Unmarshal(get(t, url), &b); err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	return &b
}
