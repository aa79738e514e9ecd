package server

import (
	"net/http"
	"strings"
	"testing"
)

func TestRequestsAreLimited(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Rates.PerSecond, c.Rates.Burst = 0.001, 3
	r := start(t, c)
	for n := range 5 {
		res, err := http.Get("http://" + r.Addr() + auditedPath + "/Patient?_count=0")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		want := http.StatusOK
		if n >= 3 {
			want = http.StatusTooManyRequests
		}
		if res.StatusCode != want || (want == http.StatusOK) != (res.Header.Get("Retry-After") == "") {
			t.Errorf("request %d: %s, Retry-After %q", n, res.Status, res.Header.Get("Retry-After"))
		}
	}
	if status, body := r.get(auditedPath + "/metadata"); status != http.StatusOK || strings.Contains(body, "too many") {
		t.Errorf("metadata: %d", status)
	}
}
