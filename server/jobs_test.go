package server

import (
	"net/http"
	"strings"
	"testing"
)

// TestAnswersLater fetches an answer from another process than the one that
// took the request.
func TestAnswersLater(t *testing.T) {
	c := testConfig(t.TempDir())
	c.BaseURL = "http://example.org"
	r := start(t, c)
	req, err := http.NewRequest(http.MethodGet, "http://"+r.Addr()+"/datastore/default/r4/Patient?_summary=count", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Prefer", "respond-async")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	path, ok := strings.CutPrefix(res.Header.Get("Content-Location"), "http://example.org")
	if res.StatusCode != http.StatusAccepted || !ok {
		t.Fatalf("got %s %v", res.Status, res.Header)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	r = start(t, c)
	status, body := r.get(path)
	for status == http.StatusAccepted {
		status, body = r.get(path)
	}
	if status != http.StatusOK || !strings.Contains(body, `"total":0`) {
		t.Errorf("got %d %s", status, body)
	}
}
