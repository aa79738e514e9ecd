package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/fhir"
)

// response is the http.ResponseWriter that handlers write to: it drops the
// body of a HEAD request, turns JSON into XML where the client wants that,
// indents where _pretty asks for it, compresses, and remembers the status.
type response struct {
	http.ResponseWriter
	status     int
	head       bool
	acceptGzip bool
	pretty     bool
	xml        bool
	schema     *fhir.Schema // for XML

	gzip *gzip.Writer         // nil where the response is not compressed
	held *bytes.Buffer        // the whole body, where it is to be changed
	seen *audit.PatientFinder // for the audit log; nil where there is none
	fill *binary.Filler       // puts large contents in; nil where there are none
	full io.WriteCloser       // of fill, once it has something to put in
	ctx  context.Context      // that of the request, for fill
}

// accept settles what the response may do, from the request.
func (w *response) accept(r *request) {
	w.pretty = r.format.pretty
	w.acceptGzip = acceptsGzip(r.header.Values("Accept-Encoding"))
}

// gzipMin is the size from which compressing pays.
const gzipMin = 1024

// WriteHeader sends the header.
func (w *response) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	header := w.Header()
	if status == http.StatusNoContent || status == http.StatusNotModified {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.xml = w.schema != nil && isXML(header.Get("Content-Type"))
	if w.pretty || w.xml {
		header.Del("Content-Length")
		w.held = new(bytes.Buffer)
	}
	if w.acceptGzip && !w.small() {
		header.Del("Content-Length")
		header.Set("Content-Encoding", "gzip")
		w.weaken(header)
		if !w.head {
			w.gzip = newGzip(w.ResponseWriter)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// weaken makes a strong ETag weak: the compressed bytes are others, and a range
// of the plain ones must not be joined to them.
// https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1
func (w *response) weaken(header http.Header) {
	if tag := header.Get("ETag"); strings.HasPrefix(tag, `"`) {
		header.Set("ETag", "W/"+tag)
		header.Del("Accept-Ranges")
	}
}

func (w *response) small() bool {
	n, err := strconv.Atoi(w.Header().Get("Content-Length"))
	return err == nil && n < gzipMin
}

// Write writes a part of the body.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.seen != nil {
		_, _ = w.seen.Write(b) // never fails
	}
	switch {
	case w.head:
		return len(b), nil
	case w.held != nil:
		return w.held.Write(b)
	}
	return w.send(b)
}

func (w *response) send(b []byte) (int, error) {
	if w.full == nil && w.fill.Armed() {
		w.full = w.fill.Writer(w.ctx, sink{w}, w.xml)
	}
	if w.full != nil {
		return w.full.Write(b)
	}
	return w.transmit(b)
}

// sink is a response behind its Filler.
type sink struct{ of *response }

// Write implements io.Writer.
func (s sink) Write(b []byte) (int, error) { return s.of.transmit(b) }

func (w *response) transmit(b []byte) (int, error) {
	if w.gzip != nil {
		return w.gzip.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// close writes what is held back. It may be called after a failed response.
func (w *response) close() error {
	var err error
	if w.held != nil && !w.head {
		err = w.sendHeld()
	}
	if w.full != nil {
		err = errors.Join(err, w.full.Close())
	}
	if w.gzip != nil {
		if closeErr := w.gzip.Close(); err == nil {
			err = closeErr
		}
		freeGzip(w.gzip)
		w.gzip = nil
	}
	return err
}

// sendHeld turns the body into its final form. Indenting changes whitespace
// only: numbers stay as they are written.
func (w *response) sendHeld() error {
	body := w.held.Bytes()
	switch {
	case w.xml:
		xml, err := fhir.XMLFromJSON(w.schema, body)
		if err != nil {
			return err
		}
		if body = xml; w.pretty {
			body = fhir.IndentXML(nil, xml)
		}
	default:
		var out bytes.Buffer
		if err := json.Indent(&out, body, "", "  "); err != nil {
			return err
		}
		body = append(out.Bytes(), '\n')
	}
	_, err := w.send(body)
	return err
}

// buffers holds byte slices for bodies in the making.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// maxPooled keeps the one large response from staying in memory.
const maxPooled = 1 << 20

func getBuffer() *[]byte {
	b := buffers.Get().(*[]byte)
	*b = (*b)[:0]
	return b
}

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		buffers.Put(b)
	}
}
