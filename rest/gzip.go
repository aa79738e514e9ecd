package rest

import (
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/tarnhealth/tarn/fhir"
)

// gzipWriters are kept, as each holds several hundred kilobytes. Level 1 costs
// a fraction of the default and leaves FHIR's repetitive JSON about as small.
var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

func newGzip(w io.Writer) *gzip.Writer {
	z := gzipWriters.Get().(*gzip.Writer)
	z.Reset(w)
	return z
}

func freeGzip(z *gzip.Writer) {
	z.Reset(nil)
	gzipWriters.Put(z)
}

// acceptsGzip reads Accept-Encoding.
// https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
func acceptsGzip(values []string) bool {
	named, any := -1.0, -1.0
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			coding, params, _ := strings.Cut(item, ";")
			q := 1.0
			if name, text, ok := strings.Cut(strings.TrimSpace(params), "="); ok && strings.TrimSpace(name) == "q" {
				if parsed, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
					q = parsed
				}
			}
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				named = q
			case "*":
				any = q
			}
		}
	}
	return named > 0 || named < 0 && any > 0
}

// expand undoes the Content-Encoding of a request body.
func expand(body io.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "the body is not gzip, as Content-Encoding says: %v", err)
		}
		return z, nil
	}
	return nil, fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Encoding %q is not read; send gzip or none", encoding)
}
