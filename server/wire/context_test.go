package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

const plainGet = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"

// TestClientGone: who waits for the end of a request learns that its client is
// gone, by Done and by Err.
func TestClientGone(t *testing.T) {
	for name, wait := range map[string]func(context.Context){
		"done":  func(ctx context.Context) { <-ctx.Done() },
		"child": func(ctx context.Context) { child, cancel := context.WithCancel(ctx); defer cancel(); <-child.Done() },
		"err": func(ctx context.Context) {
			for ctx.Err() == nil {
			}
		},
	} {
		begun, ended := make(chan bool), make(chan error)
		_, addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			wait(r.Context())
			ended <- r.Context().Err()
		}))
		conn := dial(t, addr)
		_, _ = io.WriteString(conn, plainGet)
		<-begun
		conn.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEnded: a context ends with its request, and the next request of the
// connection is answered, though it came while the first was waited for.
func TestEnded(t *testing.T) {
	contexts := make(chan context.Context, 3)
	more := make(chan bool)
	_, addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := r.Context().Done()
		contexts <- r.Context()
		<-more
		select {
		case <-done:
			t.Error("ended before its time")
		default:
		}
		_, _ = io.Copy(w, r.Body)
	}))
	conn := dial(t, addr)
	in := bufio.NewReader(conn)
	const post = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok"
	_, _ = io.WriteString(conn, post)
	first := <-contexts
	_, _ = io.WriteString(conn, post+post) // while the first is answered
	close(more)
	for i := range 3 {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(i, err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != "ok" || err != nil {
			t.Errorf("%d: %q %v", i, body, err)
		}
	}
	<-first.Done()
	if !errors.Is(first.Err(), context.Canceled) {
		t.Error(first.Err())
	}
}

// TestDeadline: a deadline ends the context, whether it is waited for or asked.
func TestDeadline(t *testing.T) {
	_, addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !SetDeadline(r, time.Now().Add(-time.Second)) {
			t.Error("not a request of this package")
		}
		before := r.Context().Err()
		<-r.Context().Done()
		fmt.Fprint(w, before, "; ", r.Context().Err())
	}))
	res, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != "context deadline exceeded; context deadline exceeded" {
		t.Errorf("%s", body)
	}
}

// TestShutdown: who is silent is closed, who is answered gets the answer and
// then the end.
func TestShutdown(t *testing.T) {
	begun, more := make(chan bool), make(chan bool)
	s, addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(begun)
			<-more
		}
		_, _ = io.WriteString(w, "answer")
	}))
	silent, busy := dial(t, addr), dial(t, addr)
	_, _ = io.WriteString(silent, plainGet)
	if _, err := http.ReadResponse(bufio.NewReader(silent), nil); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(busy, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
	<-begun
	ended := make(chan error)
	go func() { ended <- s.Shutdown(context.Background()) }()
	if rest, err := io.ReadAll(silent); err != nil || len(rest) > 6 {
		t.Errorf("the silent connection: %q, %v", rest, err)
	}
	close(more)
	in := bufio.NewReader(busy)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "answer" || err != nil || !res.Close {
		t.Errorf("%q %v close=%t", body, err, res.Close)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("a connection was taken after the end")
	}
}

// TestShutdownEnds: a shutdown ends with its context.
func TestShutdownEnds(t *testing.T) {
	begun, more := make(chan bool), make(chan bool)
	s, addr := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(begun); <-more }))
	_, _ = io.WriteString(dial(t, addr), plainGet)
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(more)
}

// TestSilent: a client that does not send a whole head in its time is cut off.
func TestSilent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := handler(t, nil)
	s := &Server{Handler: h, Other: &http.Server{Handler: h}, Context: context.Background(), ReadHeaderTimeout: 1, IdleTimeout: 1, MaxHeaderBytes: 4096}
	go func() { _ = s.Serve(listener) }()
	defer s.Close()
	for _, part := range []string{"", "GET /x HT"} {
		conn := dial(t, listener.Addr().String())
		_, _ = io.WriteString(conn, part)
		if rest, _ := io.ReadAll(conn); len(rest) > 0 { // an end or a reset
			t.Errorf("%q: %q", part, rest)
		}
	}
}

// TestAfterReturn: a handler that goes on after it has returned changes nothing.
func TestAfterReturn(t *testing.T) {
	writers := make(chan http.ResponseWriter, 1)
	s, addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writers <- w
		_, _ = io.WriteString(w, "done")
	}))
	conn := dial(t, addr)
	_, _ = io.WriteString(conn, plainGet)
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	w := <-writers
	w.WriteHeader(500)
	if _, err := w.Write([]byte("more")); !errors.Is(err, errAnswered) {
		t.Error(err)
	}
	w.(http.Flusher).Flush()
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); !errors.Is(err, errAnswered) {
		t.Error(err)
	}
}

// drops is a connection on which a head comes byte by byte.
type drops struct {
	net.Conn
	text  string
	moved int
}

func (d *drops) Read(p []byte) (int, error) {
	if d.text == "" {
		return 0, io.EOF
	}
	p[0], d.text = d.text[0], d.text[1:]
	return 1, nil
}

func (d *drops) SetReadDeadline(time.Time) error {
	d.moved++
	return nil
}

// TestSlowHead: the time that a head may take begins once, with the connection
// or with the head's first byte, however slowly the bytes come.
func TestSlowHead(t *testing.T) {
	for state, want := range map[int32]int{stateNew: 1, stateIdle: 2} {
		client := &drops{text: "GET / HTTP/1.1\r\nHost: h\r\n\r\n"}
		c := &conn{server: &Server{ReadHeaderTimeout: time.Minute, IdleTimeout: time.Hour, MaxHeaderBytes: 4096}, rwc: client}
		c.state.Store(state)
		if end, plain, err := c.readHead(); end != 27 || !plain || err != nil {
			t.Errorf("in state %d: %d, %t, %v", state, end, plain, err)
		}
		if client.moved != want {
			t.Errorf("in state %d the deadline was set %d times, want %d", state, client.moved, want)
		}
	}
}
