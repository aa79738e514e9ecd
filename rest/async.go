package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
)

// Async lets requests be answered later (Prefer: respond-async): they become
// jobs, whose answers are fetched from [base]/$async/{id}.
// http://hl7.org/fhir/R4/async.html
type Async struct {
	// Jobs keeps and runs them. New adds its handler; who makes the queue
	// calls Run.
	Jobs *job.Queue
	// Keep names the caller of an authorized request, and gives in grant what
	// Restore later makes the same access of. Nobody else may fetch the
	// answer.
	Keep func(*http.Request, *datastore.Store) (caller string, grant []byte, err error)
	// Restore makes the access of a request again, for its job. It may say no,
	// where the caller has lost it meanwhile.
	Restore func(context.Context, *datastore.Store, []byte) (authz.Access, error)
	// MaxResult is the greatest size of an answer in bytes; 0 is 256 MiB.
	MaxResult int64
	// MaxWaiting is how many requests of one data store may wait or run; 0 is
	// 500.
	MaxWaiting int
}

const (
	// asyncKind is the kind of the jobs.
	asyncKind = "rest"
	// asyncSegment is the first segment below the base URL of their answers.
	asyncSegment = "$async"
	// The parts of a job: the body of the request, and that of the response.
	asyncBody   = "body"
	asyncResult = "result"
)

// startAsync makes h answer later where opt.Async is set.
func (h *handler) startAsync() {
	if h.Async == nil {
		return
	}
	a := *h.Async
	if a.Jobs == nil || a.Keep == nil || a.Restore == nil {
		panic("rest: Async needs Jobs, Keep and Restore") // without them a job would have no access, or all
	}
	if a.MaxResult == 0 {
		a.MaxResult = 256 << 20
	}
	if a.MaxWaiting == 0 {
		a.MaxWaiting = 500
	}
	h.Async = &a
	a.Jobs.Handle(asyncKind, h.runAsync)
}

// An asyncRequest is a request as its job keeps it. The credentials are not
// among the headers.
type asyncRequest struct {
	Store     string
	Method    string
	Path      []string // below the base URL
	Query     string
	Header    http.Header
	Size      int // of the body
	RequestID string
	Grant     []byte
}

// asyncHeaders are the headers that change what a request means.
var asyncHeaders = []string{"Content-Type", "Prefer", levelHeader, explainHeader}

// asyncWanted reports whether the request asks to be answered later and is of
// a kind that may take long. Others are answered at once: a preference is a
// wish. https://www.rfc-editor.org/rfc/rfc7240#section-4.1
func (r *request) asyncWanted() bool {
	if r.h.Async == nil || !r.prefer.async || r.isHead() {
		return false
	}
	if r.operation != "" {
		o, err := r.findOperation()
		return err == nil && !o.ownBody
	}
	switch r.level {
	case levelSystem, levelSystemSearch, levelSystemHistory, levelTypeSearch, levelTypeHistory,
		levelInstanceHistory, levelCompartment, levelCompartmentSearch:
		return true
	case levelType:
		return r.method == http.MethodGet
	}
	return false
}

// answerLater makes the request a job and tells where its answer will be.
func (r *request) answerLater(w http.ResponseWriter) error {
	if err := r.refuseKey(); err != nil {
		return err
	}
	ask := asyncRequest{
		Store: r.store.Record().ID, Method: r.method, Path: r.segments, Query: r.rawQuery,
		Header: http.Header{}, RequestID: r.requestID,
	}
	for _, name := range asyncHeaders {
		if values := r.header.Values(name); len(values) > 0 {
			ask.Header[name] = values
		}
	}
	parts := map[string][]byte{}
	if r.method == http.MethodPost && r.http.ContentLength != 0 {
		body, err := r.readBody()
		if err != nil {
			return err
		}
		r.chargeBundle(body)
		ask.Size, parts[asyncBody] = len(body), body
	}
	caller, grant, err := r.h.Async.Keep(r.http, r.store)
	if err != nil {
		return err
	}
	ask.Grant = grant
	j, err := r.h.Async.Jobs.Enqueue(r.ctx, job.Spec{
		Kind: asyncKind, Scope: asyncScope(r.store), Owner: caller, Input: ask, Parts: parts, MaxOpen: r.h.Async.MaxWaiting,
	})
	switch {
	case errors.Is(err, job.ErrFull):
		return fhir.Errorf(fhir.KindThrottled, "%d requests of this data store wait already; try again when some are done", r.h.Async.MaxWaiting)
	case err != nil:
		return err
	}
	w.Header().Set("Content-Location", r.url(asyncSegment+"/"+j.ID))
	w.Header().Set("Preference-Applied", "respond-async")
	return r.writeOutcomeOf(w, http.StatusAccepted, "the request is accepted and will be carried out; ask for its answer at the Content-Location")
}

// asyncScope names a data store so that another one made later under the same
// id does not have its jobs.
func asyncScope(s *datastore.Store) string {
	return s.Record().ID + " " + s.Record().Created.UTC().Format(time.RFC3339Nano)
}

// writeOutcomeOf answers with an OperationOutcome of one piece of information.
func (r *request) writeOutcomeOf(w http.ResponseWriter, status int, text string) error {
	return r.writeJSON(w, status, fhir.AppendOutcome(nil, []fhir.Issue{{Severity: fhir.SeverityInformation, Code: "informational", Diagnostics: text}}))
}

// asyncTarget reads $async/{id}.
func asyncTarget(parts []string) (target, bool) {
	if len(parts) != 2 || parts[0] != asyncSegment || strings.HasPrefix(parts[1], "$") {
		return target{}, false
	}
	return target{level: levelAsync, id: parts[1]}, true
}
