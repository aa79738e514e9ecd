package binary

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// Serve answers with content, or with the ranges of it that the request asks
// for, on the request's conditions; the Content-Type and, for conditions, the
// ETag are those that w has. A range that is not in the content is an error of
// fhir.KindRange, with nothing written yet. A Range in other units than bytes
// is no request for a part.
// https://www.rfc-editor.org/rfc/rfc9110#section-14.2
func Serve(w http.ResponseWriter, req *http.Request, modified time.Time, content io.ReadSeeker) error {
	asked := req.Header.Get("Range")
	if unit, _, _ := strings.Cut(asked, "="); asked != "" && !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		whole := *req
		whole.Header = req.Header.Clone()
		whole.Header.Del("Range")
		req = &whole
	}
	out := &ranged{ResponseWriter: w}
	http.ServeContent(out, req, "", modified, content)
	if !out.refused {
		return nil
	}
	w.Header().Del("Content-Disposition") // the answer is no content
	return fhir.Errorf(fhir.KindRange, "Range %q asks for nothing that is there; the content has the bytes that Content-Range says", asked).At("http.Range")
}

// ranged holds back the refusal of a range, which is to be an OperationOutcome.
type ranged struct {
	http.ResponseWriter
	refused bool
}

// WriteHeader implements http.ResponseWriter.
func (w *ranged) WriteHeader(status int) {
	if w.refused = status == http.StatusRequestedRangeNotSatisfiable; !w.refused {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (w *ranged) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}
