package server

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/healthlake"
	"github.com/aws/aws-sdk-go-v2/service/healthlake/types"

	"github.com/tarnhealth/tarn/sigv4"
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

// TestWrongCredentialsAreLimited: tokens, signatures and the control API count
// together; who has good credentials goes on.
func TestWrongCredentialsAreLimited(t *testing.T) {
	r, a := awsServer(t, func(c *Config) { c.Failures = 4 })
	good := r.signer(accessKey(t, a, sigv4.RoleAdmin))
	bad := good
	bad.secret += "x"
	wrong := []func() int{
		func() int { status, _, _ := r.ask("nonsense", "Patient"); return status },
		func() int { status, _, _ := bad.do("GET", signedBase+"/Patient", ""); return status },
	}
	for n := range 6 {
		want := http.StatusUnauthorized
		if n >= 4 {
			want = http.StatusTooManyRequests
		}
		if status := wrong[n%2](); status != want {
			t.Errorf("wrong request %d: %d, want %d", n+1, status, want)
		}
	}
	if status, body, _ := good.do("GET", signedBase+"/Patient", ""); status != http.StatusOK {
		t.Errorf("the right key: %d %s", status, body)
	}
	var throttled *types.ThrottlingException
	if _, err := r.controlClient(bad.id, bad.secret).ListFHIRDatastores(t.Context(), &sdk.ListFHIRDatastoresInput{}); !errors.As(err, &throttled) {
		t.Errorf("at the control API: %v", err)
	}
	if _, err := r.controlClient(good.id, good.secret).ListFHIRDatastores(t.Context(), &sdk.ListFHIRDatastoresInput{}); err != nil {
		t.Errorf("the right key, at the control API: %v", err)
	}
}

// TestEntriesAreCounted: a Bundle that is larger than the burst is taken, and
// the next request waits.
func TestEntriesAreCounted(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Rates.PerSecond, c.Rates.Burst = 0.001, 3
	r := start(t, c)
	entry := `{"request":{"method":"GET","url":"Patient?_count=0"}}`
	if status, body := r.do("POST", auditedPath, `{"resourceType":"Bundle","type":"batch","entry":[`+strings.Repeat(entry+",", 9)+entry+`]}`); status != http.StatusOK {
		t.Fatalf("a batch: %d %s", status, body)
	}
	if status, body := r.get(auditedPath + "/Patient?_count=0"); status != http.StatusTooManyRequests || !strings.Contains(body, "each entry of a Bundle counts") {
		t.Errorf("after it: %d %s", status, body)
	}
}
