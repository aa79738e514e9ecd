package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// A client sends HTTP/1.1 requests over one kept-alive connection. It does no
// more than the load needs, so that the generator takes little of the machine:
// one write for each request, one read for most responses, no allocation.
// https://www.rfc-editor.org/rfc/rfc9112
type client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	body []byte
	// location is the Location header of the last response.
	location []byte
	// received counts the bytes of the responses' bodies.
	received int64
	requests int64
}

func dial(addr string) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *client) close() { c.conn.Close() }

// do sends one request and returns status and body; the body is valid until
// the next call. A nil body sends none.
func (c *client) do(method, path string, body []byte) (int, []byte, error) {
	c.out = appendRequest(c.out[:0], method, path, body)
	return c.send(c.out)
}

// appendRequest appends a whole request as it goes over the wire.
func appendRequest(b []byte, method, path string, body []byte) []byte {
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: localhost\r\n"...)
	if body != nil {
		b = append(b, "Content-Type: application/fhir+json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	return append(b, body...)
}

// send sends a request that appendRequest prepared.
func (c *client) send(request []byte) (int, []byte, error) {
	c.requests++
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	return c.response()
}

// A head is what the client heeds of a response's status line and headers.
type head struct {
	status  int
	length  int
	chunked bool
}

func (c *client) response() (int, []byte, error) {
	h, err := c.readHead()
	switch {
	case err != nil:
	case h.chunked:
		err = c.chunks()
	default:
		err = c.read(h.length)
	}
	c.received += int64(len(c.body))
	return h.status, c.body, err
}

func (c *client) readHead() (head, error) {
	var h head
	c.location = c.location[:0]
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	if len(line) < 12 {
		return h, fmt.Errorf("bad status line %q", line)
	}
	h.status = number(line[9:12])
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return h, nil
		}
		c.header(&h, line)
	}
}

func (c *client) header(h *head, line []byte) {
	colon := bytes.IndexByte(line, ':')
	switch colon { // lengths of the three names that matter
	case len("Location"):
		if bytes.EqualFold(line[:colon], []byte("Location")) {
			c.location = append(c.location, bytes.TrimSpace(line[colon+1:])...)
		}
	case len("Content-Length"):
		if bytes.EqualFold(line[:colon], []byte("Content-Length")) {
			h.length = number(bytes.TrimSpace(line[colon+1:]))
		}
	case len("Transfer-Encoding"):
		if bytes.EqualFold(line[:colon], []byte("Transfer-Encoding")) {
			h.chunked = bytes.EqualFold(bytes.TrimSpace(line[colon+1:]), []byte("chunked"))
		}
	}
}

// number reads digits; what is none ends it.
func number(digits []byte) int {
	n := 0
	for _, d := range digits {
		if d < '0' || d > '9' {
			break
		}
		n = 10*n + int(d-'0')
	}
	return n
}

func (c *client) read(n int) error {
	if cap(c.body) < n {
		c.body = make([]byte, n)
	}
	c.body = c.body[:n]
	_, err := io.ReadFull(c.in, c.body)
	return err
}

func (c *client) chunks() error {
	c.body = c.body[:0]
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return errors.New("bad chunk size")
		}
		from := len(c.body)
		c.body = append(c.body, make([]byte, n)...)
		if _, err := io.ReadFull(c.in, c.body[from:]); err != nil {
			return err
		}
		if _, err := c.in.Discard(2); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// createdID is the id in the last response's Location,
// "…/Patient/ID/_history/1".
func (c *client) createdID() []byte {
	rest, _, found := bytes.Cut(c.location, []byte("/_history/"))
	if !found {
		return nil
	}
	return rest[bytes.LastIndexByte(rest, '/')+1:]
}
