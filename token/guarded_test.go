package token_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tarnhealth/tarn/token"
)

func TestGuarded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/", http.StatusFound)
		}
	}))
	defer server.Close()
	get := func(client *http.Client, url string) (int, error) {
		answer, err := client.Get(url)
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		return answer.StatusCode, nil
	}
	for _, url := range []string{server.URL, "http://example.org/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://localhost/", "ftp://example.org/", "https://user@example.org/"} {
		if status, err := get(token.Guarded(false, false), url); err == nil {
			t.Errorf("%s: %d", url, status)
		}
	}
	if status, err := get(token.Guarded(true, true), server.URL); err != nil || status != 200 {
		t.Errorf("allowed: %d, %v", status, err)
	}
	if status, err := get(token.Guarded(true, true), server.URL+"/away"); err != nil || status != 302 {
		t.Errorf("a redirect: %d, %v", status, err)
	}
}
