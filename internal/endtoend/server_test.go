package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	t   *testing.T
	dir string
	// addr is where it listens, at another port after each start: one that was
	// free before may be somebody else's meanwhile.
	addr string
	cmd  *exec.Cmd
	log  *output
	exit chan error
}

// serve starts tarn on a folder and waits until it is ready.
func serve(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{t: t, dir: dir}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// An output is what a server prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	// serves gets the address, once.
	serves chan string
	told   bool
}

var announced = regexp.MustCompile(`Tarn serves http://([^/\s]+)/`)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p) // never fails
	if found := announced.FindSubmatch(o.text.Bytes()); found != nil && !o.told {
		o.told = true
		o.serves <- string(found[1])
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (s *server) start() {
	s.t.Helper()
	name, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = &output{serves: make(chan string, 1)}
	s.cmd = exec.Command(name, "serve", "--auth", "none", "--data", s.dir, "--listen", "127.0.0.1:0")
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exit = make(chan error, 1)
	go func(cmd *exec.Cmd, exit chan error) { exit <- cmd.Wait() }(s.cmd, s.exit)
	s.waitReady()
}

// waitReady waits until the server has said where it listens, and answers.
func (s *server) waitReady() {
	s.t.Helper()
	late := nearlyLate(s.t)
	select {
	case s.addr = <-s.log.serves:
	case err := <-s.exit:
		s.t.Fatalf("the server ended: %v\n%s", err, s.log)
	case <-late:
		s.kill()
		s.t.Fatalf("the server does not say that it serves\n%s", s.log)
	}
	for status := 0; status != http.StatusOK; {
		resp, err := http.Get("http://" + s.addr + "/readyz")
		if err != nil {
			s.t.Fatalf("the server does not answer: %v\n%s", err, s.log)
		}
		resp.Body.Close()
		status = resp.StatusCode
	}
}

// nearlyLate comes shortly before the time for all tests is over, when there is
// time left to say what was waited for. Nothing else limits how long a server may
// take: that depends on what else the machine does.
func nearlyLate(t *testing.T) <-chan time.Time {
	deadline, ok := t.Deadline()
	if !ok {
		return nil
	}
	return time.After(time.Until(deadline) - 20*time.Second)
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
