package blobtest

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// A Fault is what becomes of a request to a service, or of its answer.
type Fault int

// The faults.
const (
	// Passed is none.
	Passed Fault = iota
	// SlowDown answers 503 with S3's code SlowDown.
	SlowDown
	// Denied answers 403 with S3's code AccessDenied.
	Denied
	// Reset closes the connection instead of passing the request on.
	Reset
	// Lost passes the request on, and closes the connection instead of answering.
	Lost
	// Cut closes the connection after half of the answer's content.
	Cut
	// Hung never answers.
	Hung
)

// Behind is the server behind a proxy that asks choose what becomes of each
// request. n counts them from 1.
func (s *Server) Behind(t testing.TB, choose func(n int64, r *http.Request) Fault) *Server {
	t.Helper()
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	passing := &httputil.ReverseProxy{
		// The host is signed: it stays.
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	cutting := *passing
	cutting.ModifyResponse = func(r *http.Response) error {
		r.Body = &half{ReadCloser: r.Body, left: r.ContentLength / 2}
		return nil
	}
	closing := make(chan struct{})
	var n atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch choose(n.Add(1), r) {
		case SlowDown:
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
		case Denied:
			refuse(w, http.StatusForbidden, "AccessDenied")
		case Reset:
			panic(http.ErrAbortHandler)
		case Lost:
			passing.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case Cut:
			cutting.ServeHTTP(w, r)
		case Hung:
			_, _ = io.Copy(io.Discard, r.Body) // the client's end is noticed then
			select {
			case <-r.Context().Done():
			case <-closing:
			}
		default:
			passing.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { close(closing); proxy.Close() })
	behind := *s
	behind.Endpoint = proxy.URL
	return &behind
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>"+code+"</Code><Message>refused by the proxy</Message></Error>")
}

// half breaks off.
type half struct {
	io.ReadCloser
	left int64
}

func (h *half) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, errors.New("cut off")
	}
	n, err := h.ReadCloser.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}
