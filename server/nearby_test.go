package server

import (
	"bufio"
	"net"
	"net/http"
	"testing"
)

// TestPagesOfOtherSites: what everybody on this machine may do, a page that
// somebody's browser shows may not.
func TestPagesOfOtherSites(t *testing.T) {
	c := testConfig(t.TempDir())
	c.BaseURL, c.Origins = "http://tarn.localhost:8080", []string{"https://app.example.org"}
	r := start(t, c)
	_, port, err := net.SplitHostPort(r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:" + port, "", 200},
		{"localhost:1", "", 200}, // by a tunnel
		{"[::1]:8080", "", 200},
		{"tarn.localhost:8080", "http://tarn.localhost:8080", 200},
		{"localhost", "http://localhost:3000", 200},
		{"localhost", "https://app.example.org", 200},
		{"localhost", "https://evil.example", 403},
		{"localhost", "http://localhost.evil.example", 403},
		{"localhost", "null", 403},
		{"evil.example", "", 403}, // that leads to 127.0.0.1
		{"evil.example:" + port, "http://evil.example:" + port, 403},
	} {
		for _, path := range []string{"/datastore/default/r4/Patient", "//datastore/default/r4/Patient"} {
			if got := r.asked(http.MethodGet, path, k.host, k.origin); got != k.want {
				t.Errorf("GET %s at %s from %q: %d, want %d", path, k.host, k.origin, got, k.want)
			}
		}
		if got := r.asked(http.MethodPost, "/", k.host, k.origin); (got == 403) != (k.want == 403) {
			t.Errorf("the control API at %s from %q: %d", k.host, k.origin, got)
		}
		if got := r.asked(http.MethodGet, "/healthz", k.host, k.origin); got != 200 {
			t.Errorf("health at %s: %d", k.host, got)
		}
	}
}

// TestNoHost is a request of HTTP/1.0, which names no host.
func TestNoHost(t *testing.T) {
	r := start(t, testConfig(t.TempDir()))
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /datastore/default/r4/Patient HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
}

// asked is the status of a request that names a host and an origin.
func (r *running) asked(method, path, host, origin string) int {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+r.Addr()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if req.Host = host; origin != "" {
		req.Header.Set("Origin", origin)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
