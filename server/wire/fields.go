package wire

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// appendHead appends the head but for what frame adds.
func (w *response) appendHead(b []byte) []byte {
	b = appendStatus(b, w.status)
	h := w.header
	if v := h["Content-Length"]; len(v) > 0 && !w.bare() {
		if n, ok := parseLength(v[0]); ok {
			w.length = n
		}
	}
	if v := h["Connection"]; len(v) > 0 && strings.EqualFold(v[0], "close") {
		w.close = true
	}
	_, w.typed = h["Content-Type"]
	if _, encoded := h["Content-Encoding"]; encoded {
		w.typed = true
	}
	b = appendFields(b, h, func(name string) bool {
		return name == "Content-Type" && w.status == http.StatusNotModified
	})
	if _, given := h["Date"]; !given {
		b = appendField(b, "Date", w.conn.server.dateAt(time.Now()))
	}
	return b
}

// frame completes the head, once: first are the first bytes of the body, all of
// it where it is the last.
func (w *response) frame(first []byte, last bool) {
	if w.framed || w.failed != nil {
		return
	}
	w.framed = true
	b := *w.out
	if !w.typed && len(first) > 0 {
		b = appendField(b, "Content-Type", http.DetectContentType(first))
	}
	switch {
	case w.bare():
	case w.length >= 0:
		b = appendLength(b, w.length)
	case w.toHead():
		if w.written > 0 && last {
			b = appendLength(b, w.written)
		}
	case last:
		b = appendLength(b, int64(len(first)))
	default:
		w.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if !w.x.body.skip() {
		w.close, w.unread = true, true
	}
	if w.close = w.close || w.conn.server.closing.Load(); w.close {
		b = append(b, "Connection: close\r\n"...)
	}
	*w.out = append(b, "\r\n"...)
}

func appendLength(b []byte, n int64) []byte {
	b = append(b, "Content-Length: "...)
	return append(strconv.AppendInt(b, n, 10), "\r\n"...)
}

func appendStatus(b []byte, status int) []byte {
	if status == http.StatusOK {
		return append(b, "HTTP/1.1 200 OK\r\n"...)
	}
	b = append(b, "HTTP/1.1 "...)
	b = append(strconv.AppendInt(b, int64(status), 10), ' ')
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	return append(append(b, text...), "\r\n"...)
}

// own are the fields that say how a message is framed: the response writes
// them itself.
func own(name string) bool {
	switch name {
	case "Content-Length", "Transfer-Encoding", "Connection", "Trailer":
		return true
	}
	return false
}

// appendFields appends fields in the order of their names, without those that
// the response writes itself, and those to leave out.
func appendFields(b []byte, h http.Header, without func(name string) bool) []byte {
	var space [24]string
	names := space[:0]
	for name := range h {
		if !own(name) && (without == nil || !without(name)) && name != "" && is(name, inToken) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			b = appendField(b, name, value)
		}
	}
	return b
}

// appendField appends a field. A line break in a value would begin another
// field: it becomes a space.
func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	if strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 {
		value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
	}
	return append(append(b, textproto.TrimString(value)...), "\r\n"...)
}
