package rest

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/audit"
)

// kept is a log that takes everything.
type kept struct{ records []audit.Record }

func (k *kept) Append(records ...audit.Record) error {
	k.records = append(k.records, records...)
	return nil
}

// TestFailedHalfWay: of a response that fails once some of it was written, what
// was held back is sent and recorded, and the client can tell that it is not all.
func TestFailedHalfWay(t *testing.T) {
	for _, size := range []int{10, 20_000, holdSize, 2 * holdSize} {
		log := &kept{}
		h := New(Options{Audit: &Audit{Log: log}, Logger: slog.New(slog.DiscardHandler)}).(*handler)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			res, r := &response{ResponseWriter: w}, &request{h: h, http: req, ctx: req.Context(), interaction: "search-type"}
			h.follow(r, res)
			for range 4 {
				_, _ = io.WriteString(res, strings.Repeat(" ", size/4))
			}
			h.fail(res, r, errors.New("the disk is gone"))
		}))
		defer server.Close()
		res, err := http.Get(server.URL)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Errorf("%d bytes: the response seems to be whole, with %d bytes", size, len(body))
		}
		if len(log.records) != 1 || log.records[0].Action != "search-type" {
			t.Errorf("%d bytes: recorded: %+v", size, log.records)
		}
	}
}
