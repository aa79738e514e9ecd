package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble"
)

// safeBuffer is a log that may be read while the server writes it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A running is a server under test.
type running struct {
	*Server
	t    *testing.T
	log  *safeBuffer
	out  *safeBuffer
	stop context.CancelFunc
	done chan error
}

func testConfig(dir string) Config {
	c := Default()
	c.Auth, c.Listen, c.Data, c.LogLevel = "none", "127.0.0.1:0", dir, -4
	c.CacheSize = 8 << 20
	return c
}

// run starts a server without waiting for it.
func run(t *testing.T, c Config) *running {
	t.Helper()
	r := &running{t: t, log: &safeBuffer{}, out: &safeBuffer{}, done: make(chan error, 1)}
	c.Stderr, c.Stdout = r.log, r.out
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = s
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.done <- s.Run(ctx) }()
	t.Cleanup(func() {
		if r.stop(); r.done != nil {
			r.wait()
		}
	})
	return r
}

// start starts a server and waits until it is ready.
func start(t *testing.T, c Config) *running {
	t.Helper()
	r := run(t, c)
	select {
	case <-r.Ready():
	case err := <-r.done:
		r.done = nil
		t.Fatalf("the server ended: %v\n%s", err, r.log)
	}
	return r
}

// wait returns what Run returned.
func (r *running) wait() error {
	r.t.Helper()
	err := <-r.done
	r.done = nil
	return err
}

func (r *running) get(path string) (int, string) {
	r.t.Helper()
	return r.do(http.MethodGet, path, "")
}

func (r *running) do(method, path, body string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+r.Addr()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	status, answer, _ := r.send(req)
	return status, answer
}

// send sends a request, and returns what comes back.
func (r *running) send(req *http.Request) (status int, body string, header http.Header) {
	r.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func (r *running) want(path string, status int, contains ...string) {
	r.t.Helper()
	got, body := r.get(path)
	if got != status {
		r.t.Errorf("GET %s: %d, want %d: %s", path, got, status, body)
	}
	for _, c := range contains {
		if !strings.Contains(body, c) {
			r.t.Errorf("GET %s does not hold %q:\n%s", path, c, body)
		}
	}
}

func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by the server")
	r := start(t, testConfig(dir))
	r.want("/healthz", 200, "alive")
	r.want("/readyz", 200, "ready")
	r.want("/", 200, "/datastore/default/r4")
	r.want("/nothing", 404, "OperationOutcome", "/datastore/")
	r.want("/datastore/default/r4/metadata", 200, "CapabilityStatement")
	r.want("/datastore/other/r4/Patient", 404, "OperationOutcome")

	status, body := r.do(http.MethodPut, "/datastore/default/r4//Patient/p1", `{"resourceType":"Patient","id":"p1","name":[{"family":"Secretname"}]}`)
	if status != 201 {
		t.Fatalf("PUT: %d %s", status, body)
	}
	r.want("/datastore/default/r4/Patient?family=secretname", 200, "Secretname")
	r.want("/metrics", 200,
		`tarn_requests_total{interaction="update",status="201"} 1`,
		`tarn_request_seconds_count{interaction="search-type"} 1`,
		`tarn_commits_total{store="default"} 1`,
		`tarn_fsyncs_total{store="default"} 1`,
		`tarn_resources{store="default",type="Patient"} 1`,
		`tarn_store_bytes{store="default"}`,
		`tarn_build_info`)
	r.stop()
	if err := r.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	for _, secret := range []string{"ecretname", "p1", "family"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log names %q:\n%s", secret, r.log)
		}
	}
	if !strings.Contains(r.log.String(), "update") {
		t.Errorf("the log at level debug has no line about the update:\n%s", r.log)
	}

	again := start(t, testConfig(dir))
	again.want("/datastore/default/r4/Patient/p1", 200, "Secretname")
}

// TestMetricsListen has the metrics at an address of their own only.
func TestMetricsListen(t *testing.T) {
	c := testConfig(t.TempDir())
	c.MetricsListen = "127.0.0.1:0"
	r := start(t, c)
	r.want("/metrics", 404, "OperationOutcome")
	r.want("/healthz", 200, "alive")
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/": 404, "/datastore/default/r4/metadata": 404} {
		resp, err := http.Get(strings.TrimSuffix(r.metricsURL(), "/metrics") + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); err != nil || resp.StatusCode != want || path == "/metrics" && !strings.Contains(string(text), "tarn_build_info") {
			t.Errorf("%s: %d %v %.300s", path, resp.StatusCode, err, text)
		}
	}
}

// TestStarting looks at a server whose data stores are not open yet.
func TestStarting(t *testing.T) {
	s, err := New(testConfig(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/metrics": 200, "/datastore/default/r4/Patient": 503} {
		w := newRecorder()
		s.ServeHTTP(w, mustRequest(t, path))
		if w.status != want {
			t.Errorf("%s while starting: %d, want %d", path, w.status, want)
		}
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, testConfig(dir))
	err := run(t, testConfig(dir)).wait()
	wantRefusal(t, err, pebble.ErrLocked, "in use by another tarn", dir)
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := testConfig(t.TempDir())
	c.Listen = l.Addr().String()
	if err := run(t, c).wait(); err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("Run: %v", err)
	}
}

func TestDamagedAndForeignFolders(t *testing.T) {
	dir := t.TempDir()
	r := start(t, testConfig(dir))
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	manifests, _ := filepath.Glob(filepath.Join(dir, "stores", "default", "MANIFEST-*"))
	if len(manifests) == 0 {
		t.Fatal("no MANIFEST in the data store's folder")
	}
	for _, name := range manifests {
		if err := os.WriteFile(name, []byte("damage"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantRefusal(t, run(t, testConfig(dir)).wait(), pebble.ErrDamaged, "damaged", "backup")

	newer := t.TempDir()
	records, err := lsm.Open(filepath.Join(newer, "system"), &lsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(records.Set([]byte("f"), []byte("99"), lsm.Sync), records.Close()); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, run(t, testConfig(newer)).wait(), pebble.ErrNewer, "newer version of tarn", "--data")

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, run(t, testConfig(file)).wait(), nil, "is no folder", "--data")
}

func wantRefusal(t *testing.T, err, cause error, contains ...string) {
	t.Helper()
	var refused *Refusal
	if !errors.As(err, &refused) || cause != nil && !errors.Is(err, cause) {
		t.Fatalf("got %v, want a refusal because of %v", err, cause)
	}
	for _, c := range contains {
		if !strings.Contains(err.Error(), c) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q does not say %q in one line", err, c)
		}
	}
}

// TestShutdownFinishesRequests stops the server while a request runs.
func TestShutdownFinishesRequests(t *testing.T) {
	r := start(t, testConfig(t.TempDir()))
	inside, leave := make(chan bool), make(chan bool)
	var slow http.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		inside <- true
		<-leave
		if req.Context().Err() != nil {
			t.Error("the running request was cancelled")
		}
		_, _ = io.WriteString(w, "finished")
	})
	r.fhir.Store(&slow)
	answer := make(chan string)
	go func() {
		_, body := r.get("/datastore/default/r4/Patient")
		answer <- body
	}()
	<-inside
	r.stop()
	for !r.stopping.Load() {
		runtime.Gosched()
	}
	for path, want := range map[string]int{"/readyz": 503, "/datastore/default/r4/Patient": 503, "/healthz": 200} {
		w := newRecorder()
		r.ServeHTTP(w, mustRequest(t, path))
		if w.status != want {
			t.Errorf("%s while stopping: %d, want %d", path, w.status, want)
		}
	}
	leave <- true
	if got := <-answer; got != "finished" {
		t.Errorf("the running request got %q", got)
	}
	if err := r.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestShutdownCutsOff stops a server whose request would go on for ever.
func TestShutdownCutsOff(t *testing.T) {
	c := testConfig(t.TempDir())
	c.ShutdownTimeout = 0
	r := start(t, c)
	inside := make(chan bool)
	var endless http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		close(inside)
		<-req.Context().Done()
	})
	r.fhir.Store(&endless)
	answered := make(chan error)
	go func() {
		_, err := http.Get("http://" + r.Addr() + "/datastore/default/r4/Patient")
		answered <- err
	}()
	<-inside
	r.stop()
	if err := r.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := <-answered; err == nil {
		t.Error("the request that was cut off got an answer")
	}
}

// TestRequestTimeout checks that a request has an end of its own.
func TestRequestTimeout(t *testing.T) {
	s, err := New(testConfig(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	var deadline time.Time
	var look http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { deadline, _ = req.Context().Deadline() })
	s.fhir.Store(&look)
	s.ServeHTTP(newRecorder(), mustRequest(t, "/datastore/default/r4/Patient"))
	if left := time.Until(deadline); left <= 0 || left > s.cfg.RequestTimeout {
		t.Errorf("the request has %s left, want up to %s", left, s.cfg.RequestTimeout)
	}
}

func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 100 patients")
	}
	dir := t.TempDir()
	c := testConfig(dir)
	c.Demo = true
	r := start(t, c)
	if _, body := r.get("/datastore/default/r4/Patient?_count=0"); !strings.Contains(body, `"total":100`) {
		t.Errorf("the demo has %s", body)
	}
	_, text := r.get("/metrics")
	for _, line := range strings.Split(r.out.String(), "\n") {
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "curl '"); ok {
			status, body := r.get(strings.TrimPrefix(strings.TrimSuffix(url, "'"), r.cfg.BaseURL))
			var bundle struct{ Entry []json.RawMessage }
			if err := json.Unmarshal([]byte(body), &bundle); err != nil || status != 200 || len(bundle.Entry) == 0 {
				t.Errorf("%s: %d with %d entries, %v", line, status, len(bundle.Entry), err)
			}
		}
	}
	if strings.Count(r.out.String(), "curl '") != 3 {
		t.Errorf("not three lines to try:\n%s", r.out)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	again := start(t, c)
	if _, textAgain := again.get("/metrics"); resources(textAgain) != resources(text) {
		t.Errorf("the second start has other data:\n%s\n%s", resources(textAgain), resources(text))
	}
}

func resources(metrics string) string {
	var b strings.Builder
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "tarn_resources{") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestDemoLeavesOtherDataAlone(t *testing.T) {
	dir := t.TempDir()
	r := start(t, testConfig(dir))
	if status, body := r.do(http.MethodPost, "/datastore/default/r4/Patient", `{"resourceType":"Patient"}`); status != 201 {
		t.Fatal(body)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	c := testConfig(dir)
	c.Demo = true
	if err := run(t, c).wait(); err == nil || !strings.Contains(err.Error(), "holds other data") {
		t.Errorf("a demo over other data: %v", err)
	}
}

// recorder is the least http.ResponseWriter.
type recorder struct {
	header http.Header
	status int
}

func newRecorder() *recorder               { return &recorder{header: http.Header{}} }
func (r *recorder) Header() http.Header    { return r.header }
func (r *recorder) WriteHeader(status int) { r.status = status }
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return len(b), nil
}
func mustRequest(t *testing.T, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
