package wire

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// tell answers with all that a handler sees of a request.
func tell(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q %q raw=%q host=%q %s close=%t body=%q failed=%t\n", r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Host, r.Proto, r.Close, body, err != nil)
	_ = r.Header.Write(&b)
	w.Header().Set("Content-Type", "text/plain")
	if strings.Contains(r.URL.Path, "x") {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = io.WriteString(w, b.String())
}

// A speaker makes requests, most of them nearly right.
type speaker struct{ *rand.Rand }

// one of several texts; the first most of the time.
func (s speaker) one(of ...string) string {
	if s.IntN(4) > 0 {
		return of[0]
	}
	return of[s.IntN(len(of))]
}

func (s speaker) request() (text, method string) {
	method = []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}[s.IntN(7)]
	if s.IntN(12) == 0 {
		method = s.one("get", "TRACE", "PROPFIND", "G=T", "", "GE T", "CONNECT")
	}
	target := s.one("/a/b", "/", "//a", "/a%2Fb", "/a%2fx/../c", "/a/./x", "/%zz", "/a b", "*", "http://h/a", "http://other/a", "a", "/a#b", "/\xc3\xa9", "/%00", "/a;b=c", "/a'x", "/a\tb", "")
	target += s.one("", "?", "?a=b", "?a=%20&a=+", "??", "?#", "?%zz", "?a=\x7f")
	line := method + s.one(" ", "  ", "\t") + target + s.one(" ", "  ") + s.one("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/1.1 ", "HTTP/11")
	fields, body := s.body()
	fields = append(fields, s.one("Host: h", "host:h", "Host: a.b:8080 ", "Host: h\r\nHost: h", "Host:", "X-Host: h", "Host: a/b", "Host: h,i", "Host: [::1]"))
	for range s.IntN(4) {
		fields = append(fields, s.one("Accept: a", "accept: b", "ACCEPT:\tc \t", "Authorization: Bearer "+longToken, "authorization: Bearer "+longToken, "Cookie: a=b\r\nCookie: c",
			"X-A:", "X A: b", " X: folded", "X: a\r\n  b", "X: \x01", "X: \xff", "X:a:b", ": a", "X", "Pragma: no-cache", "Connection: close", "Connection: keep-alive", "Connection: x, close",
			"Connection: Upgrade\r\nUpgrade: h2c", "Expect: 100-continue", "Expect: x", "Trailer: A", "Te: trailers", "X_Y: a", "\"X\": a", "X: a\rb", "X: \x00", "Keep-Alive: 5", "Proxy-Connection: close"))
	}
	s.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	end := "\r\n"
	if s.IntN(30) == 0 {
		end = "\n"
	}
	return line + end + strings.Join(fields, end) + end + end + body, method
}

// body is a body and the fields that say how long it is.
func (s speaker) body() (fields []string, body string) {
	switch s.IntN(8) {
	case 0, 1:
		return []string{s.one("Content-Length: 5", "content-length:5", "Content-Length: 05", "Content-Length: +5", "Content-Length: 5, 5", "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 4", "Content-Length: 0x5", "Content-Length: 1", "Content-Length: 6", "Content-Length:", "Content-Length: -1", "Content-Length: 99999999999999999999")}, "hello"
	case 2:
		coding := s.one("Transfer-Encoding: chunked", "transfer-encoding: Chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer-Encoding: \x0bchunked")
		fields = []string{coding}
		if s.IntN(3) == 0 {
			fields = append(fields, s.one("Content-Length: 5", "Content-Length: 0", "Content-Length: x"))
		}
		return fields, s.one("5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", "0\r\n\r\n", "5\r\nhello\r\n", "-5\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n", "fffffffffffffffff\r\n", "5\r\nhello0\r\n\r\n")
	}
	return nil, ""
}

// answersTo sends bytes, and describes all answers to requests of these methods.
// Where the server closed a connection with bytes that it had not read, that may
// have taken answers with it: then whole is false.
func answersTo(t *testing.T, addr, text string, methods []string) (answers string, whole bool) {
	t.Helper()
	in, end := sending(t, addr, text)
	defer end()
	var out strings.Builder
	for i := 0; ; {
		method := "GET"
		if i < len(methods) {
			method = methods[i]
		}
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			whole = errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
			if !whole && !errors.Is(err, syscall.ECONNRESET) {
				fmt.Fprintf(&out, "error: %v\n", err)
			}
			return out.String(), whole
		}
		if res.StatusCode >= 200 {
			i++
		}
		res.Header = sorted(res.Header)
		out.WriteString(describe(res))
	}
}

// sorted are header fields whose values come in order: what matters is which.
func sorted(h http.Header) http.Header {
	for _, values := range h {
		slices.Sort(values)
	}
	return h
}

// TestAsStandardAtRandom compares the answers to thousands of requests, right,
// odd and wrong, several on a connection, with those of net/http.
func TestAsStandardAtRandom(t *testing.T) {
	_, addr := start(t, http.HandlerFunc(tell))
	standard := startStandard(t, http.HandlerFunc(tell))
	s := speaker{rand.New(rand.NewPCG(1, 2))}
	count := 3000
	if testing.Short() {
		count = 300
	}
	differ, answered := 0, 0
	for range count {
		var text strings.Builder
		var methods []string
		for range 1 + s.IntN(3) {
			one, method := s.request()
			text.WriteString(one)
			methods = append(methods, method)
		}
		// A body that is too short goes on in here, not at the end of all.
		text.WriteString("GET /end HTTP/1.1\r\nHost: h\r\n\r\n")
		var got, want string
		for range 50 {
			var whole, wanted bool
			got, whole = answersTo(t, addr, text.String(), methods)
			want, wanted = answersTo(t, standard, text.String(), methods)
			if got == want || whole && wanted {
				break
			}
		}
		answered += strings.Count(got, " OK length")
		if got == want {
			continue
		}
		if t.Errorf("%q:\n got %s\nwant %s", text.String(), got, want); differ == 5 {
			t.FailNow()
		}
		differ++
	}
	if answered < count/3 {
		t.Errorf("%d of %d connections were answered with OK: the requests are too odd to tell anything", answered, count)
	}
}
