package wire

import (
	"bufio"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzHead: what is taken as plain, net/http takes too, and reads in the same
// way.
func FuzzHead(f *testing.F) {
	for _, line := range []string{
		"GET / HTTP/1.1", "POST /datastore/default/r4/Patient?a=b&c=%20d HTTP/1.1", "GET //a%2Fb?? HTTP/1.1", "GET /a#b HTTP/1.1",
		"DELETE /a'b()!* HTTP/1.1", "GET * HTTP/1.1", "GET /a HTTP/1.0", "get / HTTP/1.1", "GET  / HTTP/1.1",
	} {
		for _, fields := range []string{
			"Host: a.b:80\r\n", "host: a\r\nACCEPT: */*\r\naccept: x\r\n", "Host: a\r\nContent-Length: 12\r\n", "Host: a\r\nPragma: no-cache\r\n",
			"Host: a\r\nConnection: Close\r\n", "Host: a\r\nConnection: upgrade\r\nUpgrade: x\r\n", "Host: \r\n", "Host:\ta \t\r\n X: y\r\n",
			"Host: a\r\nTransfer-Encoding: chunked\r\n", "Host: a\r\nX:\r\nY:\x01\r\n", "Host: a\r\nContent-Length: +1\r\n", "Host: a\r\nContent-Length: 007\r\n",
			"Host: a\r\nTrailer: x\r\n", "Host: a\r\nIf-None-Match: W/\"1\"\r\nAuthorization: Bearer abc\r\n",
			"Host: a\r\nauthorization:\tBearer " + longToken + "\r\nX: y\r\n", "Authorization: " + longToken + " \r\nHost: a\r\n",
			"Host: a\r\nX: " + longToken + "\r\nAuthorization: " + longToken + "\r\n",
			"Host: a\r\nAuthorization: " + longToken + "\r\nAuthorization: " + longToken + "\r\n",
		} {
			f.Add(line + "\r\n" + fields + "\r\n")
		}
	}
	f.Fuzz(func(t *testing.T, head string) {
		end, plain := headEnd([]byte(head))
		if !plain || end != len(head) {
			return
		}
		var got http.Request
		if !parseHead(head, &got, new(url.URL)) {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			t.Fatalf("net/http refuses what is taken: %v", err)
		}
		sameRequest(t, &got, want)
		c := &conn{buf: []byte(head), w: len(head)}
		for range 2 { // the second time with what is known of the credentials
			var x exchange
			var again http.Request
			if !c.parseHead(len(head), &x, &again) {
				t.Fatal("what was taken is not taken again")
			}
			sameRequest(t, &again, want)
		}
	})
}

const longToken = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/abcdefghijklmnopqrstuvwxyz=="

func sameRequest(t *testing.T, got, want *http.Request) {
	t.Helper()
	if got.Method != want.Method || got.RequestURI != want.RequestURI || got.Proto != want.Proto || got.ProtoMajor != want.ProtoMajor ||
		got.ProtoMinor != want.ProtoMinor || got.Host != want.Host || got.ContentLength != want.ContentLength || got.Close != want.Close ||
		len(want.TransferEncoding) > 0 || want.Trailer != nil {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if *got.URL != *want.URL || got.URL.EscapedPath() != want.URL.EscapedPath() {
		t.Errorf("URL\ngot  %#v\nwant %#v", got.URL, want.URL)
	}
	if !maps.EqualFunc(got.Header, want.Header, slices.Equal) {
		t.Errorf("header\ngot  %v\nwant %v", got.Header, want.Header)
	}
}

// TestPlain says what is taken and what is left.
func TestPlain(t *testing.T) {
	for head, want := range map[string]bool{
		"GET /a HTTP/1.1\r\nHost: h\r\n\r\n":                                        true,
		"GET /a?b HTTP/1.1\r\nhost: h\r\naccept: x\r\nAccept: y\r\n\r\n":            true,
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n":                  true,
		"GET /a HTTP/1.1\r\n\r\n":                                                   false,
		"GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n":                             false,
		"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n":                false,
		"GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n":          false,
		"GET /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n":                false,
		"GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\r\n":                 false,
		"GET /a HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n":                          false,
		"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n":                                     false,
		"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n":                                      false,
		"CONNECT /a HTTP/1.1\r\nHost: h\r\n\r\n":                                    false,
		"GET /a HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n": false,
	} {
		if got := parseHead(head, new(http.Request), new(url.URL)); got != want {
			t.Errorf("%q: %t", head, got)
		}
	}
}
