package rest

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/store"
)

// Headers are put into the map by their canonical names, and values that do
// not change are shared: a response has nine headers, and Set looks each name
// over and allocates for each value. Nobody changes a value in place: Set puts
// another slice there, and Add copies one that is full.
var (
	noSniff      = []string{"nosniff"}
	cacheControl = []string{"private, no-cache"}
	varyAccept   = []string{"Accept, Accept-Encoding"}
	anyOrigin    = []string{"*"}
	exposed      = []string{exposedHeaders}
	contentFHIR  = []string{mimeFHIR + ";charset=utf-8"}
)

// setCommonHeaders sets what every response has, before anything can fail.
func (r *request) setCommonHeaders(header http.Header) {
	r.idHeader[0] = r.requestID
	header["X-Request-Id"] = r.idHeader[:]
	header["X-Content-Type-Options"] = noSniff
	header["Cache-Control"] = cacheControl
	header["Vary"] = varyAccept
}

// setContent says what a body is.
func (r *request) setContent(header http.Header, body []byte) {
	r.setContentType(header)
	header["Content-Length"] = []string{r.lengthOf(body)}
}

// lengthOf is the length of a body as it will be sent, with large contents in it.
func (r *request) lengthOf(body []byte) string {
	if r.fill.Armed() {
		return strconv.FormatInt(r.fill.Size(body), 10)
	}
	return strconv.Itoa(len(body))
}

func (r *request) setContentType(header http.Header) {
	if r.format.mime == "" || r.format.mime == mimeFHIR {
		header["Content-Type"] = contentFHIR
		return
	}
	header.Set("Content-Type", r.format.contentType())
}

// setVersionHeaders sets ETag and Last-Modified.
// http://hl7.org/fhir/R4/http.html#versioning
func setVersionHeaders(header http.Header, v *store.Version) {
	var space [64]byte
	tag := append(strconv.AppendUint(append(space[:0], `W/"`...), v.Number, 10), '"')
	n := len(tag)
	if !v.LastUpdated.IsZero() {
		tag = appendHTTPDate(tag, v.LastUpdated)
	}
	text := string(tag)
	values := []string{text[:n], text[n:]}
	header["Etag"] = values[:1:1]
	if n < len(text) {
		header["Last-Modified"] = values[1:]
	}
}

// appendHTTPDate appends a time as http.TimeFormat has it, in a fifth of the
// time: it is written in each response to a read.
// https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
func appendHTTPDate(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 1000 || year > 9999 {
		return t.AppendFormat(b, http.TimeFormat)
	}
	hour, minute, second := t.Clock()
	b = append(append(b, t.Weekday().String()[:3]...), ", "...)
	b = append(append(appendTwo(b, day), ' '), month.String()[:3]...)
	b = append(appendTwo(appendTwo(append(b, ' '), year/100), year%100), ' ')
	b = append(appendTwo(b, hour), ':')
	b = append(appendTwo(b, minute), ':')
	return append(appendTwo(b, second), " GMT"...)
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// newRequestID is an id that nobody is likely to have given before. It need
// not be hard to guess.
func newRequestID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var id [26]byte
	a, b := rand.Uint64(), rand.Uint64()
	for i := range id {
		id[i] = letters[a%32]
		a = a>>5 | b<<59
		b >>= 5
	}
	return string(id[:])
}
