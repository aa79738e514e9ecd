package server

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBulkJobs imports a folder over the control API, and exports it over FHIR,
// with a restart between.
func TestBulkJobs(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(in, "a.ndjson"), []byte(`{"resourceType":"Patient","id":"1"}`+"\n"+`{"resourceType":"AuditEvent","id":"1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := testConfig(t.TempDir())
	c.BaseURL = "http://example.org"
	c.Bulk.Folders = []string{in, out}
	c.Audit.Mode = AuditOn
	r := start(t, c)
	control := func(operation, body string) string {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, "http://"+r.Addr()+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Target", "HealthLake."+operation)
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
		status, text, _ := r.send(req)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", operation, status, text)
		}
		return text
	}
	var begun struct{ JobID string }
	text := control("StartFHIRImportJob", `{"DatastoreId":"default","InputDataConfig":{"S3Uri":"file://`+in+`"},"JobOutputDataConfig":{"S3Configuration":{"S3Uri":"file://`+out+`"}}}`)
	if err := json.Unmarshal([]byte(text), &begun); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(text, "COMPLETED") {
		text = control("DescribeFHIRImportJob", `{"DatastoreId":"default","JobId":"`+begun.JobID+`"}`)
	}
	if !strings.Contains(text, `"TotalNumberOfResourcesImported":1`) || !strings.Contains(text, `"TotalNumberOfResourcesWithCustomerError":1`) {
		t.Error(text)
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+r.Addr()+"/datastore/default/r4/$export", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	path, ok := strings.CutPrefix(res.Header.Get("Content-Location"), "http://example.org")
	if res.StatusCode != http.StatusAccepted || !ok {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	r = start(t, c)
	status, body := r.get(path)
	for status == http.StatusAccepted || status == http.StatusTooManyRequests { // this client does not wait
		status, body = r.get(path)
	}
	var manifest struct {
		RequiresAccessToken bool
		Output              []struct{ Type, URL string }
	}
	if err := json.Unmarshal([]byte(body), &manifest); err != nil || status != http.StatusOK || manifest.RequiresAccessToken || len(manifest.Output) != 1 {
		t.Fatalf("%d %s", status, body)
	}
	if status, body = r.get(strings.TrimPrefix(manifest.Output[0].URL, "http://example.org")); status != http.StatusOK || !strings.Contains(body, `"id":"1"`) {
		t.Errorf("%d %s", status, body)
	}
}
