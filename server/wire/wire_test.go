package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// handler does what the path says, so that a test can ask for any response.
func handler(t testing.TB, calls chan<- *http.Request) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls != nil {
			calls <- r
		}
		h := w.Header()
		switch r.URL.Path {
		case "/length":
			h.Set("Content-Length", "5")
			h.Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "hello")
		case "/small":
			_, _ = io.WriteString(w, "<html>small")
		case "/large":
			h.Set("Content-Type", "text/plain")
			for range 9000 {
				_, _ = io.WriteString(w, "0123456789")
			}
		case "/largelength":
			h.Set("Content-Length", "90000")
			for range 9 {
				_, _ = w.Write(bytes.Repeat([]byte("x"), 10000))
			}
		case "/huge":
			_, _ = w.Write(bytes.Repeat([]byte("y"), 100_000))
		case "/flush":
			_, _ = io.WriteString(w, "one")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "two")
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/unmodified":
			h.Set("Etag", `W/"1"`)
			h.Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusNotModified)
		case "/created":
			h.Set("Location", "a\r\nb: c")
			h["bad name"] = []string{"x"}
			h["X-Two"] = []string{"1", " 2 "}
			w.WriteHeader(http.StatusCreated)
		case "/late":
			w.WriteHeader(http.StatusOK)
			h.Set("X-Late", "1")
		case "/echo":
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(body)
		case "/deny":
			http.Error(w, "no", http.StatusForbidden)
		case "/close":
			h.Set("Connection", "close")
		case "/short":
			h.Set("Content-Length", "10")
			_, _ = io.WriteString(w, "12345")
		case "/long":
			h.Set("Content-Length", "3")
			if _, err := io.WriteString(w, "12345"); !errors.Is(err, http.ErrContentLength) {
				t.Errorf("writing too much: %v", err)
			}
			_, _ = io.WriteString(w, "123")
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/panic":
			panic("as asked")
		default:
			fmt.Fprintf(w, "%s %s host=%s query=%q length=%d close=%t", r.Method, r.URL.Path, r.Host, r.URL.RawQuery, r.ContentLength, r.Close)
		}
	})
}

// start serves a handler, here and in net/http beneath, and returns the
// address.
func start(t testing.TB, h http.Handler, changes ...func(*Server)) (*Server, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, h, listener, changes...), listener.Addr().String()
}

// serve is start at a listener.
func serve(t testing.TB, h http.Handler, listener net.Listener, changes ...func(*Server)) *Server {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	s := &Server{Handler: h, Other: &http.Server{Handler: h, ErrorLog: quiet}, ErrorLog: quiet, Context: context.Background(),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	for _, change := range changes {
		change(s)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// startStandard serves a handler in net/http alone, but for the end of connections
// after chunks.
func startStandard(t testing.TB, h http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	last := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lastIfCoded(w, r)
		h.ServeHTTP(w, r)
	})
	s := &http.Server{Handler: last, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close() })
	return listener.Addr().String()
}

// sending sends bytes on a connection of their own until its end, and reads what
// comes back.
func sending(t testing.TB, addr, text string) (in *bufio.Reader, end func()) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(conn, text) // a server may close first
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	return bufio.NewReader(conn), func() { _ = conn.Close() }
}

// say sends bytes and returns all that comes back until the server closes, or
// responses answers were read.
func say(t testing.TB, addr, text string, answers int) string {
	t.Helper()
	in, end := sending(t, addr, text)
	defer end()
	var out strings.Builder
	for range answers {
		method := "GET"
		if strings.HasPrefix(text, "HEAD ") {
			method = "HEAD"
		}
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			fmt.Fprintf(&out, "error: %v\n", err)
			break
		}
		out.WriteString(describe(res))
	}
	return out.String()
}

// describe shows a response without what differs from run to run.
func describe(res *http.Response) string {
	var b strings.Builder
	body, err := io.ReadAll(res.Body)
	if len(body) > 200 {
		body = fmt.Appendf(nil, "%d bytes, %q…", len(body), body[:10])
	}
	if res.Header.Get("Date") == "" {
		b.WriteString("no date\n")
	}
	res.Header.Del("Date")
	fmt.Fprintf(&b, "%s length=%d coding=%v close=%t\n", res.Status, res.ContentLength, res.TransferEncoding, res.Close)
	_ = res.Header.Write(&b)
	fmt.Fprintf(&b, "%s %v\n", body, err)
	return b.String()
}

// TestAsStandard compares what a client gets with what net/http would answer.
func TestAsStandard(t *testing.T) {
	h := handler(t, nil)
	_, addr := start(t, h)
	standard := startStandard(t, h)
	for _, path := range []string{"length", "small", "largelength", "flush", "none", "unmodified", "created", "late", "echo", "deny", "close", "short", "long", "abort", "panic", "other?a=b%20c", "a%2Fb//c?", "x'y(z)"} {
		get := "GET /" + path + " HTTP/1.1\r\nHost: h\r\nX-Lower: a\r\n\r\n"
		compare(t, addr, standard, get, 1)
		compare(t, addr, standard, strings.Replace(get, "GET", "HEAD", 1), 1)
	}
	post := "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
	for name, text := range map[string]string{
		"body":              post,
		"pipelined":         post + "GET /length HTTP/1.1\r\nHost: h\r\n\r\n" + post,
		"unread":            "POST /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" + post,
		"closed":            "GET /length HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + post,
		"chunked":           post + "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + post,
		"expects":           post + "POST /deny HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
		"old":               "GET /length HTTP/1.0\r\n\r\n",
		"no host":           "GET /length HTTP/1.1\r\n\r\n",
		"two hosts":         "GET /length HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"two lengths":       "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"length and coding": "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"folded":            "GET /length HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
		"space":             "GET /length HTTP/1.1\r\nHost : h\r\n\r\n",
		"line feeds":        "GET /length HTTP/1.1\nHost: h\n\n",
		"garbage":           "\x16\x03\x01\x02\x00 hello\r\n\r\n",
		"http2":             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"absolute":          "GET http://h/length HTTP/1.1\r\nHost: h\r\n\r\n",
		"all":               "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"long head":         "GET /length HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) { compare(t, addr, standard, text, 3) })
	}
}

func compare(t *testing.T, addr, standard, text string, answers int) {
	t.Helper()
	got, want := say(t, addr, text, answers), say(t, standard, text, answers)
	if got != want {
		t.Errorf("%.100q:\n got %s\nwant %s", text, got, want)
	}
}

// TestTwoLengths: what follows a request that says its length in two ways is not
// answered, as a proxy may take it for the body of that request.
func TestTwoLengths(t *testing.T) {
	_, addr := start(t, handler(t, nil))
	hidden := "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, fields := range []string{"Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked"} {
		got := say(t, addr, "POST /echo HTTP/1.1\r\nHost: h\r\n"+fields+"\r\n\r\n0\r\n\r\n"+hidden, 2)
		if strings.Contains(got, "hidden") || !strings.Contains(got, "close=true") {
			t.Errorf("%s: %s", fields, got)
		}
	}
}

// TestLarge: what is large and of unknown length comes whole.
func TestLarge(t *testing.T) {
	_, addr := start(t, handler(t, nil))
	for path, size := range map[string]int{"/large": 90_000, "/huge": 100_000} {
		res, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if res.Body.Close(); err != nil || len(body) != size {
			t.Errorf("%s: %d bytes, %v", path, len(body), err)
		}
	}
}

// TestLongHead: a head that is longer than the buffer is read.
func TestLongHead(t *testing.T) {
	_, addr := start(t, handler(t, nil))
	long := strings.Repeat("x", 20_000)
	got := say(t, addr, "GET /q?"+long+" HTTP/1.1\r\nHost: h\r\n\r\n", 1)
	if !strings.HasPrefix(got, "200 OK") || !strings.Contains(got, "20") {
		t.Error(got)
	}
}

// TestBodyInPieces: a body that comes slowly, and one of more than a buffer.
func TestBodyInPieces(t *testing.T) {
	_, addr := start(t, handler(t, nil))
	large := strings.Repeat("z", 300_000)
	for _, body := range []string{"ab", large} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:1])
		go io.WriteString(conn, body[1:])
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || string(got) != body {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		conn.Close()
	}
}

// TestUnreadBody: a client that sends more than the handler reads gets its
// answer, and then the end of the connection.
func TestUnreadBody(t *testing.T) {
	_, addr := start(t, handler(t, nil))
	text := fmt.Sprintf("POST /deny HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", 1<<20, strings.Repeat("b", 1<<20))
	got := say(t, addr, text, 2)
	if !strings.HasPrefix(got, "403 Forbidden") || !strings.Contains(got, "close=true") {
		t.Error(got)
	}
}
