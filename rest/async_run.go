package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
)

// runAsync carries out a request that was to be answered later. Whatever the
// request comes to, an error too, is its result; an error of runAsync itself
// means that it is to be begun again, or was cancelled.
func (h *handler) runAsync(ctx context.Context, l *job.Lease) (any, error) {
	j := l.Job()
	var ask asyncRequest
	if err := json.Unmarshal(j.Input, &ask); err != nil {
		return nil, err
	}
	r := &request{
		h: h, ctx: ctx, method: ask.Method, header: ask.Header, requestID: ask.RequestID,
		rawQuery: ask.Query, interaction: "unknown",
		attempt: &attempt{ctx: ctx, lease: l},
	}
	l.Report(r.attempt.progress)
	w := &answerWriter{ctx: ctx, lease: l, limit: h.Async.MaxResult, header: http.Header{}}
	if h.Audit != nil {
		r.trail = &trail{}
	}
	err := h.serveAsync(w, r, &j, &ask)
	if stopped := context.Cause(ctx); stopped != nil && (err != nil || r.attempt.cut.Load()) && !errors.Is(stopped, job.ErrCancelled) {
		return nil, stopped
	}
	if err == nil {
		err = w.close()
	}
	if err == nil {
		err = h.settleJob(r, w.status, w.header)
	}
	if err == nil {
		return w.answer(), nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return h.failedAnswer(ctx, l, r, err)
}

// serveAsync calls the handler that the request by itself would have had.
func (h *handler) serveAsync(w http.ResponseWriter, r *request, j *job.Job, ask *asyncRequest) (err error) {
	if r.store, err = h.Stores.Store(ask.Store); err != nil {
		return err
	}
	if asyncScope(r.store) != j.Scope {
		return fhir.Errorf(fhir.KindNotFound, "the data store of the request was deleted")
	}
	if r.access, err = h.Async.Restore(r.ctx, r.store, ask.Grant); err != nil {
		return err
	}
	var body io.Reader = http.NoBody
	if ask.Size > 0 {
		body = h.Async.Jobs.Part(r.ctx, j.ID, asyncBody)
	}
	r.http = (&http.Request{
		Method: ask.Method, Header: ask.Header, Body: io.NopCloser(body), ContentLength: int64(ask.Size),
		URL: &url.URL{RawQuery: ask.Query},
	}).WithContext(r.ctx)
	r.prefer = parsePrefer(r.header.Values("Prefer"))
	if err := r.locate(ask.Path); err != nil {
		return err
	}
	if err := r.route(); err != nil {
		return err
	}
	if err := r.refuseRepetition(j); err != nil {
		return err
	}
	return r.serve(w, r)
}

// refuseRepetition refuses to begin an operation again that writes: how far it
// came is not known.
func (r *request) refuseRepetition(j *job.Job) error {
	if r.operation == "" || j.Attempts == 1 {
		return nil
	}
	if o, err := r.findOperation(); err != nil || !o.affectsState {
		return err
	}
	return interrupted("$" + r.operation)
}

// interrupted is the answer where nobody can say whether something was carried
// out.
func interrupted(what string) *fhir.Error {
	return fhir.Errorf(fhir.KindConflict, "interrupted: the server stopped while %s was carried out, and whether it was cannot be told; it was not repeated. Read what it was to change, and send it again where needed", what)
}

// maxOutcome bounds the OperationOutcome of a request that failed.
const maxOutcome = 64 << 20

// failedAnswer makes an error the answer.
func (h *handler) failedAnswer(ctx context.Context, l *job.Lease, r *request, err error) (any, error) {
	if errors.Is(err, job.ErrTooLarge) {
		err = fhir.Errorf(fhir.KindTooCostly, "the answer is larger than %d bytes, the most that is kept%s", h.Async.MaxResult, r.attempt.written())
	}
	h.logFailure(r, err)
	public := h.publicError(r, err)
	w := &answerWriter{ctx: ctx, lease: l, limit: maxOutcome, header: http.Header{}, failed: true}
	w.WriteHeader(public.Kind.Status())
	if err := h.settleJob(r, w.status, w.header); err != nil {
		return nil, err
	}
	if _, err := w.Write(fhir.AppendOutcome(nil, outcomeIssues(public))); err != nil {
		return nil, err
	}
	if err := w.close(); err != nil {
		return nil, err
	}
	return w.answer(), nil
}

// An answerWriter is the http.ResponseWriter of a job: the body becomes a part.
type answerWriter struct {
	ctx    context.Context
	lease  *job.Lease
	limit  int64
	header http.Header
	status int
	part   *job.PartWriter
	failed bool
}

func (w *answerWriter) Header() http.Header { return w.header }

func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *answerWriter) Write(b []byte) (n int, err error) {
	w.WriteHeader(http.StatusOK)
	if w.part == nil {
		// What was done is to be told although the process is to stop.
		if w.part, err = w.lease.Create(context.WithoutCancel(w.ctx), asyncResult, w.limit); err != nil {
			return 0, err
		}
	}
	return w.part.Write(b)
}

func (w *answerWriter) close() error {
	if w.part == nil {
		return nil
	}
	return w.part.Close()
}

func (w *answerWriter) answer() asyncAnswer {
	a := asyncAnswer{
		Status: w.status, Location: w.header.Get("Location"), ETag: w.header.Get("ETag"),
		Failed: w.failed, Empty: w.part == nil,
	}
	if t, err := http.ParseTime(w.header.Get("Last-Modified")); err == nil {
		a.Modified = t.UTC().Format(time.RFC3339)
	}
	return a
}

// An attempt is one try at carrying out a request that is a job.
type attempt struct {
	ctx   context.Context
	lease *job.Lease
	// done and total count Bundle entries.
	done, total atomic.Int64
	// wrote is set once something may have been written.
	wrote atomic.Bool
	// cut is set where entries were left out since ctx had ended.
	cut atomic.Bool
}

func (a *attempt) progress() job.Progress {
	return job.Progress{Done: a.done.Load(), Total: a.total.Load()}
}

// written says, in words to append, that the writes stand.
func (a *attempt) written() string {
	if a.wrote.Load() {
		return "; the request was carried out all the same, and what it wrote is stored"
	}
	return "; ask for less, such as a smaller _count"
}

// left is why an entry of a batch is not to be begun any more; nil where it is.
func (a *attempt) left() error {
	if a == nil || a.ctx.Err() == nil {
		return nil
	}
	a.cut.Store(true)
	return fhir.Errorf(fhir.KindConflict, "cancelled: the request was cancelled before this entry was carried out")
}

// count adds an entry that is done.
func (a *attempt) count(n int) {
	if a != nil {
		a.done.Add(int64(n))
	}
}
