package wire

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
)

// Credentials are the Authorization header of a connection, which most clients
// send again with each request: the next one with the same header need not be
// copied and read over, and finds here what its handler kept.
type Credentials struct {
	// Kept is the handler's, from one request with these credentials to the next.
	Kept any
	// line is the field with the line break before it and without its own.
	line   string
	values [1]string
}

// shortest is how long a field is that is worth looking for.
const shortest = 64

// needle is how much of a field is looked for before all of it is compared.
const needle = 32

// takeOut is the head without the credentials' field, where it is in the head
// as it was before.
func (c *Credentials) takeOut(head []byte) (rest string, found bool) {
	if c == nil {
		return "", false
	}
	i := bytes.Index(head, []byte(c.line[:needle]))
	if i < 0 {
		return "", false
	}
	end := i + len(c.line)
	if end > len(head) || string(head[i:end]) != c.line || !bytes.HasPrefix(head[end:], []byte("\r\n")) {
		return "", false
	}
	var b strings.Builder
	b.Grow(len(head) - len(c.line))
	b.Write(head[:i])
	b.Write(head[end:])
	return b.String(), true
}

// credentialsOf are those of a head that was read into a request; nil where they
// are not worth it, or not alone.
func credentialsOf(head string, req *http.Request) *Credentials {
	values := req.Header["Authorization"]
	if len(values) != 1 || len(values[0]) < shortest {
		return nil
	}
	at := strings.Index(head, values[0])
	begin := strings.LastIndex(head[:max(at, 0)], "\r\n")
	end := at + len(values[0])
	if begin < 0 || !strings.HasPrefix(head[end:], "\r\n") {
		return nil
	}
	c := &Credentials{line: strings.Clone(head[begin:end])}
	if name, _, ok := strings.Cut(c.line[2:], ":"); !ok || !strings.EqualFold(name, "Authorization") {
		return nil
	}
	c.values[0] = c.line[len(c.line)-len(values[0]):]
	return c
}

// parseHead reads the head that is the next end bytes.
func (c *conn) parseHead(end int, x *exchange, req *http.Request) bool {
	raw := c.buf[c.r : c.r+end]
	if rest, found := c.credentials.takeOut(raw); found && parseHead(rest, req, &x.url) && req.Header["Authorization"] == nil {
		x.ctx.credentials = c.credentials
		req.Header["Authorization"] = c.credentials.values[:]
		return true
	} else if found {
		*req, x.url = http.Request{}, url.URL{}
	}
	head := string(raw)
	if !parseHead(head, req, &x.url) {
		return false
	}
	c.credentials = credentialsOf(head, req)
	x.ctx.credentials = c.credentials
	return true
}

// CredentialsOf are those of a request; nil where it has none or is not of this
// package. They belong to the goroutine that serves the request.
func CredentialsOf(r *http.Request) *Credentials {
	if ctx, ok := r.Context().(*requestContext); ok {
		return ctx.credentials
	}
	return nil
}
