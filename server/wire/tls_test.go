package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestTLS: plain requests, those that are not, and HTTP/2 are answered over
// TLS, and handlers see how they are secured.
func TestTLS(t *testing.T) {
	test := httptest.NewUnstartedServer(nil)
	test.StartTLS()
	defer test.Close()
	config := &tls.Config{Certificates: test.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, TLS %t", r.Proto, r.TLS != nil && r.TLS.HandshakeComplete)
	})
	s := &Server{Handler: h, Other: &http.Server{Handler: h}, Context: context.Background(),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	go func() { _ = s.Serve(tls.NewListener(listener, config)) }()
	defer s.Close()
	addr := listener.Addr().String()

	roots := test.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for _, two := range []bool{false, true} {
		client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: two, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}}}
		want := "HTTP/1.1, TLS true"
		if two {
			want = "HTTP/2.0, TLS true"
		}
		for _, body := range []io.Reader{nil, strings.NewReader("x"), io.MultiReader(strings.NewReader("chunked"))} {
			res, err := client.Post("https://"+addr, "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.ReadAll(res.Body); string(got) != want {
				t.Errorf("got %s, want %s", got, want)
			}
			res.Body.Close()
		}
	}
	conn := dial(t, addr)
	_, _ = io.WriteString(conn, plainGet)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != 400 {
		t.Errorf("a request without TLS: %v %v", res, err)
	}
}
