package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// gathering keeps a response.
type gathering struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (g *gathering) WriteHeader(status int) {
	if g.status == 0 {
		g.status = status
	}
}

func (g *gathering) Write(b []byte) (int, error) {
	g.WriteHeader(http.StatusOK)
	g.body = append(g.body, b...)
	return len(b), nil
}

// whole sends the responses of a handler at once, prepared where that can be.
func whole(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := &gathering{ResponseWriter: w}
		h.ServeHTTP(g, r)
		g.WriteHeader(http.StatusOK)
		if p, ok := w.(*response); ok && p.Prepare(g.status, g.body) {
			_ = p.SendPrepared() // it tells of clients that are gone
			return
		}
		w.WriteHeader(g.status)
		_, _ = w.Write(g.body)
	})
}

// TestPrepared compares what is prepared with what net/http would answer.
func TestPrepared(t *testing.T) {
	h := whole(handler(t, nil))
	_, addr := start(t, h)
	standard := startStandard(t, h)
	for _, path := range []string{"length", "small", "largelength", "none", "unmodified", "created", "echo", "deny", "close", "short", "abort", "panic", "other?a=b"} {
		get := "GET /" + path + " HTTP/1.1\r\nHost: h\r\n\r\n"
		compare(t, addr, standard, get, 1)
		compare(t, addr, standard, strings.Replace(get, "GET", "HEAD", 1), 1)
		compare(t, addr, standard, get+get, 2)
	}
	post := "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
	compare(t, addr, standard, post+strings.Replace(post, "echo", "deny", 1)+post, 3)
	for path, size := range map[string]int{"large": 90_000, "huge": 100_000} {
		got := say(t, addr, "GET /"+path+" HTTP/1.1\r\nHost: h\r\n\r\n", 1)
		if !strings.Contains(got, fmt.Sprintf("length=%d ", size)) || !strings.Contains(got, fmt.Sprintf("\n%d bytes", size)) {
			t.Error(got)
		}
	}
}

// counted are the bytes that were written to a connection.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return c.Conn.Write(b)
}

type countedListener struct {
	net.Listener
	n *atomic.Int64
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return counted{c, l.n}, err
}

// TestNothingIsSentBefore: what is prepared is not sent before SendPrepared, nor
// where that is never called, and can be taken back.
func TestNothingIsSentBefore(t *testing.T) {
	var sent atomic.Int64
	for _, size := range []int{0, 10, bufferSize + 1, 200_000} {
		body := bytes.Repeat([]byte("s"), size)
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := w.(*response)
			w.Header().Set("X-First", "1")
			w.Header().Set("Content-Length", strconv.Itoa(size))
			if sent.Store(0); !p.Prepare(http.StatusCreated, body) || p.Prepare(http.StatusOK, nil) {
				t.Error("it is not prepared, or twice")
			}
			if _, err := w.Write([]byte("more")); !errors.Is(err, errPrepared) {
				t.Errorf("writing more: %v", err)
			}
			w.(http.Flusher).Flush()
			switch r.URL.Path {
			case "/never":
				return
			case "/panic":
				panic(http.ErrAbortHandler)
			case "/back":
				p.Unprepare()
				w.Header().Del("X-First")
				http.Error(w, "instead", http.StatusServiceUnavailable)
			}
			if n := sent.Load(); n > 0 {
				t.Errorf("%s of %d bytes: %d bytes are sent", r.URL.Path, size, n)
			}
			if err := p.SendPrepared(); (err == nil) != (r.URL.Path == "/send") {
				t.Errorf("%s: sending: %v", r.URL.Path, err)
			}
			if err := p.SendPrepared(); !errors.Is(err, errPrepared) {
				t.Errorf("%s: sending again: %v", r.URL.Path, err)
			}
		})
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		serve(t, h, countedListener{listener, &sent})
		addr := listener.Addr().String()
		for path, want := range map[string]string{
			"never": "error: unexpected EOF", "panic": "error: unexpected EOF",
			"back": "503 Service Unavailable length=8", "send": fmt.Sprintf("201 Created length=%d ", size),
		} {
			get := "GET /" + path + " HTTP/1.1\r\nHost: h\r\n\r\n"
			if got := say(t, addr, get+get, 2); strings.Count(got, want) != 2 && (want[0] != 'e' || !strings.HasPrefix(got, want)) {
				t.Errorf("%s of %d bytes: %s", path, size, got)
			}
		}
	}
}
