package rest

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// noStores finds no data store, each time in another way.
type noStores struct{ fail func() error }

func (s noStores) Store(string) (*datastore.Store, error) { return nil, s.fail() }

func newTestHandler(fail func() error) *handler {
	return New(Options{Stores: noStores{fail}, Logger: slog.New(slog.DiscardHandler)}).(*handler)
}

func TestPublicError(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{store.ErrExpired, 410},
		{store.ErrClosed, 503},
		{errors.New("anything"), 500},
		{fhir.Errorf(fhir.KindTooCostly, "too much"), 422},
		{&fhir.Error{Kind: fhir.KindConflict}, 409},
	} {
		w := httptest.NewRecorder()
		newTestHandler(func() error { return c.err }).ServeHTTP(w, httptest.NewRequest("GET", "/datastore/x/r4/Patient/1", nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), `"severity":"error"`) {
			t.Errorf("%v gives %d %s", c.err, w.Code, w.Body)
		}
	}
}

// kept is an audit log that takes everything.
type kept struct{ records []audit.Record }

func (k *kept) Append(records ...audit.Record) error {
	k.records = append(k.records, records...)
	return nil
}

// TestFailureAfterTheStart: an error that comes when a part of the response is
// out cuts the connection, so that no client takes half a Bundle for a whole.
// What the audit log holds back is sent and recorded before.
func TestFailureAfterTheStart(t *testing.T) {
	for _, size := range []int{10, 20_000, holdSize, 100_000, 2 * holdSize} {
		for pieces := range 4 {
			for _, log := range []*kept{nil, {}} {
				h := newTestHandler(nil)
				if log != nil {
					h.Audit = &Audit{Log: log}
				}
				if body, err := answerOf(t, h, size, pieces+1, errors.New("disk error")); err == nil {
					t.Errorf("%d bytes in %d pieces, recorded: %v: the response of %d bytes seems whole", size, pieces+1, log != nil, len(body))
				}
				if log != nil && (len(log.records) != 1 || log.records[0].Action != "search-type") {
					t.Errorf("%d bytes: recorded: %+v", size, log.records)
				}
			}
		}
	}
}

// TestFailureAtTheEnd: what cannot be brought into its final form is cut off too.
func TestFailureAtTheEnd(t *testing.T) {
	for _, log := range []*kept{nil, {}} {
		h := newTestHandler(nil)
		if log != nil {
			h.Audit = &Audit{Log: log}
		}
		body, err := receive(t, h, func(_ *request, res *response) {
			res.pretty = true
			_, _ = res.Write([]byte(`{"resourceType":`))
		})
		if err == nil {
			t.Errorf("recorded: %v: half a resource seems whole: %q", log != nil, body)
		}
		if log != nil && len(log.records) != 1 {
			t.Errorf("recorded: %+v", log.records)
		}
	}
}

// answerOf is what a client gets of a response of so many bytes, which fails then
// where there is an error.
func answerOf(t *testing.T, h *handler, size, pieces int, failure error) (body []byte, err error) {
	t.Helper()
	return receive(t, h, func(r *request, res *response) {
		for range pieces {
			_, _ = res.Write([]byte(strings.Repeat("x", size/pieces)))
		}
		if failure != nil {
			h.fail(res, r, failure)
		}
	})
}

// receive is what a client gets of a response.
func receive(t *testing.T, h *handler, respond func(*request, *response)) (body []byte, err error) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		res := &response{ResponseWriter: &preparing{ResponseWriter: w}}
		r := &request{h: h, http: req, ctx: req.Context(), header: req.Header, interaction: "search-type"}
		h.follow(r, res)
		defer func() { h.finish(r, res, time.Time{}, recover()) }()
		respond(r, res)
	}))
	defer web.Close()
	res, err := http.Get(web.URL)
	if err != nil {
		return nil, err // cut before the header was out: just as good
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK && err == nil {
		err = errors.New(res.Status)
	}
	return body, err
}

// preparing is a preparer as those of package wire are.
type preparing struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (p *preparing) Prepare(status int, body []byte) bool {
	p.status, p.body = status, body
	p.Header().Set("Content-Length", strconv.Itoa(len(body)))
	return true
}

func (p *preparing) Unprepare() {
	p.status, p.body = 0, nil
	p.Header().Del("Content-Length")
}

func (p *preparing) SendPrepared() error {
	if p.status == 0 {
		return errors.New("nothing is prepared")
	}
	p.WriteHeader(p.status)
	_, err := p.Write(p.body)
	return err
}

// failing is an audit log that takes nothing.
type failing struct{}

func (failing) Append(...audit.Record) error { return errors.New("disk full") }

// TestPreparedResponses: what was prepared before its record is there is sent as
// it is, and not at all where the record fails.
func TestPreparedResponses(t *testing.T) {
	for _, size := range []int{0, 10, 20_000, 2 * holdSize} {
		h := newTestHandler(nil)
		h.Audit = &Audit{Log: &kept{}}
		if body, err := answerOf(t, h, size, 1, nil); err != nil || string(body) != strings.Repeat("x", size) {
			t.Errorf("%d bytes became %d, %v", size, len(body), err)
		}
		h.Audit = &Audit{Log: failing{}}
		body, err := answerOf(t, h, size, 1, nil)
		if err == nil || !strings.HasPrefix(err.Error(), "503") || strings.Contains(string(body), "xx") || !strings.Contains(string(body), "cannot be recorded") {
			t.Errorf("%d bytes that are not recorded: %.100s, %v", size, body, err)
		}
	}
}

func TestRequestID(t *testing.T) {
	for id, keep := range map[string]bool{
		"abc-123": true, "a/b+c==": true, "": false, "<b>": false, "a b": false, strings.Repeat("x", 129): false, "é": false,
	} {
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("X-Request-Id", id)
		if got := requestID(req); (got == id) != keep || got == "" {
			t.Errorf("%q gives %q", id, got)
		}
	}
}

func TestRelocate(t *testing.T) {
	err := &fhir.Error{Kind: fhir.KindInvalid, Issues: []fhir.Issue{
		{Expression: "Bundle.entry[0].resource.name", Line: 1, Column: 2}, {Expression: "Bundle.entry"}}}
	var moved *fhir.Error
	if !errors.As(relocate(err, 7), &moved) {
		t.Fatal("the error is lost")
	}
	if got := moved.Issues[0]; got.Expression != "Bundle.entry[7].resource.name" || got.Line != 0 {
		t.Fatalf("%+v", got)
	}
}

func TestAtEntry(t *testing.T) {
	for at, want := range map[string]string{
		"": "Bundle.entry[3].request", "request.url": "Bundle.entry[3].request.url", "resource": "Bundle.entry[3].resource",
		"Patient.name[0].given": "Bundle.entry[3].resource.name[0].given", "Patient": "Bundle.entry[3].resource",
		"http.If-Match": "Bundle.entry[3].request", "Bundle.entry[3].fullUrl": "Bundle.entry[3].fullUrl",
	} {
		var e *fhir.Error
		if !errors.As(atEntry(fhir.Errorf(fhir.KindInvalid, "x").At(at), 3), &e) || e.Issues[0].Expression != want {
			t.Errorf("%q becomes %q, want %q", at, e.Issues[0].Expression, want)
		}
	}
}
