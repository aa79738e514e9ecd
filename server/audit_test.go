package server

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
	"strings"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/audit"
)

func auditedConfig(dir string) Config {
	c := testConfig(dir)
	c.Audit.Mode = AuditOn
	return c
}

const auditedPath = "/datastore/default/r4"

// found counts the matches of a search.
func (r *running) found(path string) int {
	r.t.Helper()
	status, body := r.get(auditedPath + path)
	var bundle struct{ Total *int }
	if err := json.Unmarshal([]byte(body), &bundle); err != nil || status != http.StatusOK || bundle.Total == nil {
		r.t.Fatalf("%s: %d %s", path, status, body)
	}
	return *bundle.Total
}

func TestAuditEventsAreSearchable(t *testing.T) {
	for _, durability := range []string{AuditDisk, AuditProcess} {
		t.Run(durability, func(t *testing.T) { searchAuditEvents(t, durability) })
	}
}

func searchAuditEvents(t *testing.T, durability string) {
	dir := t.TempDir()
	c := auditedConfig(dir)
	c.Audit.Durability = durability
	c.Audit.Sinks = []string{"stdout"}
	r := start(t, c)
	r.do(http.MethodPut, auditedPath+"/Patient/1", `{"resourceType":"Patient","id":"1"}`)
	r.do(http.MethodPut, auditedPath+"/Patient/2", `{"resourceType":"Patient","id":"2"}`)
	r.get(auditedPath + "/Patient/1")
	r.get(auditedPath + "/Patient")
	r.get(auditedPath + "/Patient/none")
	r.get(auditedPath + "/Observation/no%00id%FF%0A") // holds nothing up
	// Each of these searches is recorded as well: those that count searches come
	// first.
	for _, c := range []struct {
		query string
		want  int
	}{
		{"?patient=Patient/2&subtype=search-type", 1},
		{"?action=U&_total=accurate", 2},
		{"?entity=Patient/1/_history/1&action=R", 1},
		{"?action=R&outcome=4", 2},
		{"?address=127.0.0.1&action=U", 2},
		{"?subtype=update&date=gt2020-01-01", 2},
		{"?subtype=read&_sort=-date&_count=1&_total=accurate", 3},
	} {
		if got := r.found("/AuditEvent" + c.query); got != c.want {
			t.Errorf("%s: %d, want %d", c.query, got, c.want)
		}
	}
	if status, body := r.do(http.MethodDelete, auditedPath+"/AuditEvent/audit-1", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d %s", status, body)
	}
	if status, body := r.get(auditedPath + "/AuditEvent/audit-1"); status != http.StatusOK || !strings.Contains(body, `"BALP`) && !strings.Contains(body, "IHE.BasicAudit.PatientUpdate") {
		t.Errorf("read: %d %s", status, body)
	}
	before := r.found("/AuditEvent?action=U")
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	v, err := AuditCheck{Data: dir}.Verify()
	if err != nil || v.Signed != v.Last {
		t.Errorf("%+v, %v", v, err)
	}
	r = start(t, auditedConfig(dir))
	if got := r.found("/AuditEvent?action=U"); got != before {
		t.Errorf("after another start %d, before %d", got, before)
	}
}

func TestAdministrationIsRecorded(t *testing.T) {
	dir := t.TempDir()
	r := start(t, auditedConfig(dir))
	admin, err := OpenAdmin(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Create(t.Context(), "trial", "trial", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Describe(t.Context(), "trial"); err != nil {
		t.Fatal(err)
	}
	admin.Close()
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	if admin, err = OpenAdmin(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Delete(t.Context(), "trial"); err != nil {
		t.Fatal(err)
	}
	if err := admin.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	err = auditFolder(t, dir).Report(audit.Selection{}, func(s audit.Stored) error {
		got = append(got, string(s.Class)+" "+s.Action+" "+s.Store)
		return nil
	})
	if want := "admin POST /datastores trial, admin DELETE /datastores/{id} trial"; err != nil || strings.Join(got, ", ") != want {
		t.Errorf("%v %v, want %s", got, err, want)
	}
}

// TestAuditKill kills a server under a mixed load, again and again, and looks
// in the log for each request that was answered.
func TestAuditKill(t *testing.T) {
	if dir := os.Getenv("AUDIT_SERVER_DIR"); dir != "" {
		serveForAudit(dir, os.Getenv("AUDIT_SERVER_DURABILITY"))
		return
	}
	if testing.Short() {
		t.Skip("it starts processes")
	}
	for _, durability := range []string{AuditDisk, AuditProcess} {
		t.Run(durability, func(t *testing.T) { auditKill(t, durability) })
	}
}

func auditKill(t *testing.T, durability string) {
	dir := t.TempDir()
	for round := range 2 {
		answered := killedServer(t, dir, durability, 150)
		recorded := map[string]bool{}
		err := auditFolder(t, dir).Report(audit.Selection{}, func(s audit.Stored) error {
			recorded[s.Request] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range answered {
			if !recorded[id] {
				t.Errorf("round %d: request %s was answered and is not in the log", round, id)
			}
		}
	}
	last := start(t, auditedConfig(dir))
	last.stop()
	if err := last.wait(); err != nil {
		t.Error(err)
	}
	if _, err := (AuditCheck{Data: dir}).Verify(); err != nil {
		t.Error(err)
	}
}

func serveForAudit(dir, durability string) {
	c := auditedConfig(dir)
	c.Audit.Durability = durability
	c.Stdout, c.Stderr = io.Discard, os.Stderr
	s, err := New(c)
	if err == nil {
		go func() {
			<-s.Ready()
			fmt.Println("http://" + s.Addr())
		}()
		err = s.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// killedServer sends requests until some are answered, kills the server while
// more are on their way, and returns the ids of those answered in full.
func killedServer(t *testing.T, dir, durability string, after int) (answered []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAuditKill$")
	cmd.Env = append(os.Environ(), "AUDIT_SERVER_DIR="+dir, "AUDIT_SERVER_DURABILITY="+durability)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var base string
	if _, err := fmt.Fscanln(out, &base); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("the server did not start: %v\n%s", err, log.String())
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for user := range 8 {
		wait.Go(func() {
			for n := 0; ; n++ {
				id, err := mixed(base+auditedPath, user, n)
				if err != nil {
					return
				}
				mu.Lock()
				if answered = append(answered, id); len(answered) == after {
					cmd.Process.Kill()
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	cmd.Wait()
	return answered
}

// mixed sends one request of a mixed load and returns its id.
func mixed(base string, user, n int) (string, error) {
	id := fmt.Sprintf("u%d-%d-%d", user, n, os.Getpid())
	patient := fmt.Sprintf("/Patient/p%d", user)
	method, path, body := http.MethodGet, patient, ""
	switch n % 5 {
	case 0:
		method, body = http.MethodPut, fmt.Sprintf(`{"resourceType":"Patient","id":"p%d","active":%v}`, user, n%2 == 0)
	case 2:
		path = "/Patient?_count=5"
	case 3:
		path = "/Nothing"
	case 4:
		method, path = http.MethodPost, ""
		body = `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"` + patient[1:] + `"}}]}`
	}
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	req.Header.Set("X-Request-Id", id)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return id, err
}

func TestAuditSinkNames(t *testing.T) {
	for name, good := range map[string]bool{
		"stdout": true, "syslog+tcp://log.example.org:601": true, "syslog+udp://127.0.0.1:514": true,
		"otlp+http://127.0.0.1:4318/v1/logs": true, "otlp+https://c.example.org/v1/logs": true,
		"": false, "syslog": false, "syslog+tcp://host": false, "otlp+http://": false, "http://x/y": false, "file:///x": false,
	} {
		if _, err := newSink(name, io.Discard); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestVerifyMakesNoKey(t *testing.T) {
	dir := t.TempDir()
	if _, err := (AuditCheck{Data: dir}).Verify(); err == nil || !strings.Contains(err.Error(), "--master-key-file") {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) > 0 {
		t.Errorf("made %v", files)
	}
}

func auditFolder(t *testing.T, dir string) audit.Folder {
	t.Helper()
	files, err := AuditFolder(dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return files
}
