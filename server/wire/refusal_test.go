package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// refused sends a text and reads the answers to it, until the connection ends.
func refused(t *testing.T, address, text string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // rather than hang
	go func() { _, _ = io.WriteString(conn, text) }()
	var answers []string
	for r := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, fmt.Sprint(res.StatusCode, " ", res.Header.Get("Content-Type"), " ", string(body), " ", res.Close))
		if res.Close {
			if _, err := r.ReadByte(); err == nil {
				t.Error("something comes after the last answer")
			}
			return answers
		}
	}
}

// TestRefusals: what net/http refuses by itself is said in the server's own form;
// what handlers say is left as it is, whatever it looks like.
func TestRefusals(t *testing.T) {
	fake := "HTTP/1.1 400 Bad Request" + refusalHeaders + "400 Bad Request"
	stored := fake + strings.Repeat(" ", 9000)
	_, addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stored" {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", fmt.Sprint(len(stored)))
			_, _ = io.WriteString(w, stored)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.Copy(w, r.Body)
	}), func(s *Server) {
		s.Other.MaxHeaderBytes = s.MaxHeaderBytes
		s.Refusal = func(status int, path, detail string) (string, []byte) {
			return "application/x", fmt.Appendf(nil, "<%d|%s|%s>", status, path, detail)
		}
	})
	const chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"no host", "GET /fhir/Patient?x=1 HTTP/1.1\r\n\r\n", []string{"400 application/x <400|/fhir/Patient|missing required Host header> true"}},
		{"no HTTP", "hello\r\n\r\n", []string{"400 application/x <400||> true"}},
		{"a bad header", "GET /a HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", []string{"400 application/x <400|/a|> true"}},
		{"a long head", "GET /b HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 200<<10) + "\r\n\r\n", []string{"431 application/x <431|/b|> true"}},
		{"another coding", "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", []string{"501 application/x <501|/c|Unsupported transfer encoding> true"}},
		{"another version", "GET /d HTTP/3.7\r\nHost: x\r\n\r\n", []string{"505 application/x <505|/d|unsupported protocol version> true"}},
		{"the same from a handler", "GET /stored HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
			[]string{"200 text/plain " + stored + " true"}},
		{"after a good one", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: no\r\n\r\nGET  HTTP/1.1\r\n\r\n",
			[]string{"200 text/plain; charset=utf-8  false", "400 application/x <400||> true"}},
		{"a good one", chunked, []string{"200 text/plain; charset=utf-8 hi true"}},
	} {
		got := refused(t, addr, test.text)
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s:\n got %.300q\nwant %.300q", test.name, got, test.want)
		}
	}
}
