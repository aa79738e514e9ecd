package token_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A fake is an HTTP server whose answer a test replaces, and that counts the
// requests.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	handler http.HandlerFunc
	broken  bool
	count   int
}

func newFake(t testing.TB, handler http.HandlerFunc) *fake {
	f := &fake{handler: handler}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.count++
		handler, broken := f.handler, f.broken
		f.mu.Unlock()
		if broken {
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		handler(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func newKeyServer(t testing.TB, set []byte) *fake {
	f := newFake(t, nil)
	f.set(set)
	return f
}

func (f *fake) handle(handler http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handler = handler
}

// set makes the server answer with a document.
func (f *fake) set(document []byte) {
	f.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	})
}

func (f *fake) down(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

// want checks the number of requests since the beginning.
func (f *fake) want(t *testing.T, n int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count != n {
		t.Errorf("%d requests to the server, want %d", f.count, n)
	}
}
