package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
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

// TestLimitsOfClients counts a client for all its users, and everybody together.
func TestLimitsOfClients(t *testing.T) {
	c := Default()
	c.ClientRates.PerSecond, c.ClientRates.Burst, c.Served = 0.001, 3, 2
	limit := c.limiter()
	r := httptest.NewRequest("GET", "/", nil)
	as := func(client, user string) (func(), int) {
		leave, err := limit(r, authz.Caller{Client: client, Subject: user})
		if err == nil {
			return leave, 200
		}
		var e *fhir.Error
		if !errors.As(err, &e) || len(e.Headers) != 1 || e.Headers[0].Name != "Retry-After" || leave != nil {
			t.Errorf("refused with %+v", err)
		}
		return nil, fhir.KindOf(err).Status()
	}
	first, _ := as("app", "a")
	second, _ := as("app", "b")
	if first == nil || second == nil {
		t.Fatal("within the limits, and refused")
	}
	if _, status := as("other", "c"); status != 503 {
		t.Errorf("with two being served: %d", status)
	}
	first()
	third, status := as("app", "c")
	if status != 200 {
		t.Errorf("with room again: %d", status)
	}
	second()
	third()
	if _, status := as("app", "d"); status != 429 {
		t.Errorf("the fourth of a client: %d", status)
	}
	for range 5 { // who was refused is not inside
		if leave, status := as("", ""); status != 200 {
			t.Errorf("nobody: %d", status)
		} else {
			leave()
		}
	}
}
