package rest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// writeJSON answers with a whole body.
func (r *request) writeJSON(w http.ResponseWriter, status int, body []byte) error {
	r.setContent(w.Header(), body)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	return nil
}

// writeVersion answers with a resource: the stored bytes with the version's
// meta in its place, or what a shape leaves of them.
func (r *request) writeVersion(w http.ResponseWriter, status int, v *store.Version, s *shape) error {
	buf := getBuffer()
	defer putBuffer(buf)
	var err error
	if *buf, err = s.append(*buf, r.store.Definitions().Schema, v); err != nil {
		return err
	}
	return r.writeJSON(w, status, *buf)
}

func versionID(v *store.Version) string { return strconv.FormatUint(v.Number, 10) }

// etag is a version's ETag. http://hl7.org/fhir/R4/http.html#versioning
func etag(v *store.Version) string { return `W/"` + versionID(v) + `"` }

// versionPath is "Patient/1/_history/2".
func versionPath(v *store.Version) string {
	return v.Type + "/" + v.ID + "/_history/" + versionID(v)
}

// writeWritten answers a create, update or delete as Prefer asks.
// http://hl7.org/fhir/R4/http.html#ops
func (r *request) writeWritten(w http.ResponseWriter, o *datastore.Outcome, s *shape) error {
	v := &o.Version
	r.touched(v.Body.JSON)
	if v.Type != "" {
		setVersionHeaders(w.Header(), v)
		if o.Status != http.StatusNoContent {
			w.Header().Set("Location", r.url(versionPath(v)))
		}
	}
	switch {
	case r.prefer.give == returnOutcome:
		status := o.Status
		if status == http.StatusNoContent {
			status = http.StatusOK
		}
		return r.writeJSON(w, status, fhir.AppendOutcome(nil, issuesOr(o.Issues, allOK)))
	case o.Status == http.StatusNoContent:
		w.WriteHeader(o.Status)
		return nil
	case r.prefer.give == returnMinimal:
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(o.Status)
		return nil
	}
	return r.writeVersion(w, o.Status, v, s)
}

// appendInstant appends a time as a FHIR instant, quoted.
func appendInstant(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, fhir.TimeLayout)
	return append(b, '"')
}
