package wire

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// headEnd is where the head that begins in b ends, 0 where its end is not there
// yet. It is not plain, and need not be waited for, where it can be told that
// the end will not come.
func headEnd(b []byte) (end int, plain bool) {
	if len(b) == 0 {
		return 0, true
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4, true
	}
	return 0, b[0] >= 'A' && b[0] <= 'Z' && !bytes.Contains(b, []byte("\n\n"))
}

// parseHead reads a whole head into a request, and reports whether it is plain.
// Whatever it takes, http.ReadRequest takes too, and reads in the same way.
func parseHead(head string, req *http.Request, u *url.URL) bool {
	line, rest, ok := strings.Cut(head, "\r\n")
	if !ok || !parseRequestLine(line, req, u) {
		return false
	}
	n := strings.Count(rest, "\n") - 1 // less the empty line
	if n < 1 || n > maxFields {
		return false
	}
	req.Header = make(http.Header, n)
	values := make([]string, n)
	for ; n > 0; n-- {
		if line, rest, ok = strings.Cut(rest, "\r\n"); !ok || !parseField(line, req, &values) {
			return false
		}
	}
	return rest == "\r\n" && req.Host != "" && parseMeaning(req)
}

// maxFields is how many header fields a plain head has at most.
const maxFields = 100

func parseRequestLine(line string, req *http.Request, u *url.URL) bool {
	method, rest, ok := strings.Cut(line, " ")
	target, proto, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || proto != "HTTP/1.1" || !plainMethod(method) || target == "" || target[0] != '/' {
		return false
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	req.Method, req.RequestURI = method, target
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	return parseTarget(target, req, u)
}

func plainMethod(m string) bool {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}

// parseTarget makes the URL: at once where nothing in it is escaped or would be.
func parseTarget(target string, req *http.Request, u *url.URL) bool {
	path, query, hasQuery := strings.Cut(target, "?")
	if !is(path, inPath) || hasQuery && query == "" {
		parsed, err := url.ParseRequestURI(target)
		req.URL = parsed
		return err == nil
	}
	u.Path, u.RawQuery = path, query
	req.URL = u
	return true
}

// parseField reads a line of the head. values is memory for single values.
func parseField(line string, req *http.Request, values *[]string) bool {
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || !is(name, inToken) {
		return false
	}
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	if !canonical(name) {
		name = textproto.CanonicalMIMEHeaderKey(name)
	}
	switch name {
	case "Host":
		if req.Host != "" || !is(value, inHost) {
			return false
		}
		req.Host = value
		return true
	case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Http2-Settings":
		return false
	}
	if before := req.Header[name]; before != nil {
		if name == "Content-Length" || name == "Connection" {
			return false
		}
		req.Header[name] = append(before, value)
		return true
	}
	one := (*values)[:1:1]
	*values = (*values)[1:]
	one[0] = value
	req.Header[name] = one
	return true
}

// parseMeaning reads the fields that say something of the message.
func parseMeaning(req *http.Request) bool {
	if v := req.Header["Connection"]; v != nil {
		switch {
		case strings.EqualFold(v[0], "close"):
			req.Close = true
		case !strings.EqualFold(v[0], "keep-alive"):
			return false
		}
	}
	if v := req.Header["Content-Length"]; v != nil {
		n, ok := parseLength(v[0])
		if !ok {
			return false
		}
		req.ContentLength = n
	}
	// RFC 9111, section 5.4
	if v := req.Header["Pragma"]; v != nil && v[0] == "no-cache" && req.Header["Cache-Control"] == nil {
		req.Header["Cache-Control"] = []string{"no-cache"}
	}
	return true
}

func parseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > 15 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n, true
}

// Sets of bytes.
const (
	inToken = 1 << iota // of header names, RFC 9110, section 5.6.2
	inPath              // that url.URL.EscapedPath leaves as they are
	inHost
	inUpper
	inLower
)

var sets = func() (t [256]uint8) {
	add := func(set uint8, all string) {
		for i := range len(all) {
			t[all[i]] |= set
		}
	}
	const digits, upper, lower = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
	add(inToken, digits+upper+lower+"!#$%&'*+-.^_`|~")
	add(inPath, digits+upper+lower+"-_.~$&+,/:;=@")
	add(inHost, digits+upper+lower+"-._:[]")
	add(inUpper, upper)
	add(inLower, lower)
	return t
}()

func is(s string, set uint8) bool {
	for i := range len(s) {
		if sets[s[i]]&set == 0 {
			return false
		}
	}
	return true
}

// canonical reports whether a token is written as http.Header has it.
func canonical(name string) bool {
	wrong := uint8(inLower)
	for i := range len(name) {
		if sets[name[i]]&wrong != 0 {
			return false
		}
		if wrong = inUpper; name[i] == '-' {
			wrong = inLower
		}
	}
	return true
}
