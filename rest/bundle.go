package rest

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// A bundleWriter writes a Bundle as it comes to be: entries go to the client
// in pieces of flushSize, and nothing is sent before the first piece is full,
// so that an early error still gets its own status.
// http://hl7.org/fhir/R4/bundle.html
type bundleWriter struct {
	w       http.ResponseWriter
	r       *request
	pooled  *[]byte
	buf     []byte
	started bool
	entries int
	err     error
}

const flushSize = 64 << 10

// newBundle begins a Bundle of a type. The caller must call close or discard.
func (r *request) newBundle(w http.ResponseWriter, bundleType string) *bundleWriter {
	b := &bundleWriter{w: w, r: r, pooled: getBuffer()}
	b.buf = append(*b.pooled, `{"resourceType":"Bundle"`...)
	if bundleType == "searchset" || bundleType == "history" {
		b.buf = append(b.buf, `,"meta":{"lastUpdated":`...)
		b.buf = appendInstant(b.buf, r.h.Now())
		b.buf = append(b.buf, '}')
	}
	b.buf = append(b.buf, `,"type":"`...)
	b.buf = append(b.buf, bundleType...)
	b.buf = append(b.buf, '"')
	return b
}

func (b *bundleWriter) total(n int) {
	b.buf = append(b.buf, `,"total":`...)
	b.buf = strconv.AppendInt(b.buf, int64(n), 10)
}

// A bundleLink is one of Bundle.link.
type bundleLink struct{ relation, url string }

func (b *bundleWriter) links(links ...bundleLink) {
	b.buf = append(b.buf, `,"link":[`...)
	for i, l := range links {
		if i > 0 {
			b.buf = append(b.buf, ',')
		}
		b.buf = append(b.buf, `{"relation":"`...)
		b.buf = append(b.buf, l.relation...)
		b.buf = append(b.buf, `","url":`...)
		b.buf = fhir.AppendString(b.buf, l.url)
		b.buf = append(b.buf, '}')
	}
	b.buf = append(b.buf, ']')
}

// beginEntry opens an entry; the members that follow each end with a comma
// but for the last, after which endEntry closes it.
func (b *bundleWriter) beginEntry() {
	if b.entries == 0 {
		b.buf = append(b.buf, `,"entry":[{`...)
	} else {
		b.buf = append(b.buf, `,{`...)
	}
	b.entries++
}

func (b *bundleWriter) endEntry() error {
	b.buf = append(b.buf, '}')
	if len(b.buf) >= flushSize {
		b.flush()
	}
	return b.err
}

// endEntries closes the list of entries, where there are any: an empty array
// is not FHIR.
func (b *bundleWriter) endEntries() {
	if b.entries > 0 {
		b.buf = append(b.buf, ']')
	}
}

func (b *bundleWriter) fullURL(v *store.Version) {
	b.buf = append(b.buf, `"fullUrl":"`...)
	b.buf = append(b.buf, b.r.store.Base()...)
	b.buf = append(b.buf, '/')
	b.buf = append(b.buf, v.Type...)
	b.buf = append(b.buf, '/')
	b.buf = append(b.buf, v.ID...)
	b.buf = append(b.buf, `",`...)
}

// resource writes the member resource, without a comma after it.
func (b *bundleWriter) resource(v *store.Version, s *shape) error {
	b.buf = append(b.buf, `"resource":`...)
	var err error
	b.buf, err = s.append(b.buf, b.r.store.Definitions().Schema, v)
	return err
}

// searchEntry writes one entry of a searchset; mode is match or include.
func (b *bundleWriter) searchEntry(v *store.Version, mode string, s *shape) error {
	b.beginEntry()
	b.fullURL(v)
	if err := b.resource(v, s); err != nil {
		return err
	}
	b.buf = append(b.buf, `,"search":{"mode":"`...)
	b.buf = append(b.buf, mode...)
	b.buf = append(b.buf, `"}`...)
	return b.endEntry()
}

// outcomeEntry writes warnings as the searchset's entry of mode outcome.
func (b *bundleWriter) outcomeEntry(issues []fhir.Issue) error {
	b.beginEntry()
	b.buf = append(b.buf, `"resource":`...)
	b.buf = fhir.AppendOutcome(b.buf, issues)
	b.buf = append(b.buf, `,"search":{"mode":"outcome"}`...)
	return b.endEntry()
}

func (b *bundleWriter) flush() {
	if b.err != nil {
		return
	}
	if !b.started {
		b.started = true
		b.r.setContentType(b.w.Header())
		b.w.WriteHeader(http.StatusOK)
	}
	if _, err := b.w.Write(b.buf); err != nil {
		b.err = fmt.Errorf("%w: %w", errClientGone, err)
	}
	b.buf = b.buf[:0]
}

// close ends the Bundle and sends what is left.
func (b *bundleWriter) close() error {
	b.buf = append(b.buf, '}')
	if !b.started {
		b.w.Header().Set("Content-Length", b.r.lengthOf(b.buf))
	}
	b.flush()
	return b.err
}

// free gives the buffer back. Nothing may be written afterwards.
func (b *bundleWriter) free() {
	*b.pooled = b.buf
	putBuffer(b.pooled)
}
