package rest

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
)

// An asyncAnswer is how the response to a job's request begins; the body is
// the part asyncResult.
type asyncAnswer struct {
	Status   int
	Location string `json:",omitempty"`
	ETag     string `json:",omitempty"`
	Modified string `json:",omitempty"` // an instant
	// Failed is set where the body is the OperationOutcome of an error.
	Failed bool
	// Empty is set where there is no body.
	Empty bool
}

// asyncJob finds the job of the request's URL. Another caller's job is as one
// that does not exist.
func (r *request) asyncJob() (job.Job, error) {
	gone := fhir.Errorf(fhir.KindNotFound, "there is no answer at %s/%s: it was never asked for, not by this caller, was cancelled, or has expired", asyncSegment, r.id)
	if r.h.Async == nil {
		return job.Job{}, fhir.Errorf(fhir.KindNotFound, "this server answers every request at once")
	}
	caller, _, err := r.h.Async.Keep(r.http, r.store)
	if err != nil {
		return job.Job{}, err
	}
	j, err := r.h.Async.Jobs.Get(r.ctx, r.id)
	switch {
	case errors.Is(err, job.ErrNotFound):
		return j, gone
	case err != nil:
		return j, err
	case j.Kind != asyncKind, j.Scope != asyncScope(r.store), subtle.ConstantTimeCompare([]byte(j.Owner), []byte(caller)) != 1:
		return j, gone
	case j.State == job.Cancelled:
		return j, fhir.Errorf(fhir.KindNotFound, "the request was cancelled")
	}
	return j, nil
}

// asyncStatus answers GET [base]/$async/{id}: 202 while the request waits or
// runs, and then a Bundle with its answer.
// http://hl7.org/fhir/R4/async.html
func asyncStatus(w http.ResponseWriter, r *request) error {
	j, err := r.asyncJob()
	if err != nil {
		return err
	}
	if !j.State.Ended() {
		progress := progressText(&j)
		w.Header().Set("X-Progress", progress)
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter(r.h.Async.Jobs.Now().Sub(j.Created))))
		return r.writeOutcomeOf(w, http.StatusAccepted, progress)
	}
	if err := r.sameGrant(&j); err != nil {
		return err
	}
	w.Header().Set("Expires", r.h.Async.Jobs.Expires(&j).UTC().Format(http.TimeFormat))
	return r.writeAnswer(w, &j)
}

// sameGrant refuses an answer to a token that does not allow just what the one
// of the request did: it may allow less, and the answer holds what that saw.
func (r *request) sameGrant(j *job.Job) error {
	var ask asyncRequest
	if err := json.Unmarshal(j.Input, &ask); err != nil {
		return err
	}
	_, grant, err := r.h.Async.Keep(r.http, r.store)
	if err != nil || bytes.Equal(grant, ask.Grant) {
		return err
	}
	return fhir.Errorf(fhir.KindForbidden, "the token has not the scopes and context of the one that the request was sent with; ask for the answer with the same").
		With("WWW-Authenticate", `Bearer error="insufficient_scope"`)
}

// progressText is the X-Progress of a job, of less than 100 characters.
func progressText(j *job.Job) string {
	switch {
	case j.Cancelling:
		return "being cancelled"
	case j.State == job.Queued:
		return "waiting"
	case j.Progress.Total > 0:
		return fmt.Sprintf("running, %d of %d", j.Progress.Done, j.Progress.Total)
	}
	return "running"
}

// retryAfter is how many seconds a client should wait that has waited so long.
func retryAfter(waited time.Duration) int {
	return int(min(max(waited/10, time.Second), time.Minute) / time.Second)
}

// writeAnswer writes the Bundle of a request that has ended.
func (r *request) writeAnswer(w http.ResponseWriter, j *job.Job) error {
	b := r.newBundle(w, "batch-response")
	defer b.free()
	b.beginEntry()
	if j.State == job.Failed {
		e := fhir.Errorf(fhir.KindInternal, "the request could not be carried out: an internal error; the server's log has it under job %s", j.ID)
		return b.endAnswer(&asyncAnswer{Status: e.Kind.Status()}, fhir.AppendOutcome(nil, e.Issues))
	}
	var a asyncAnswer
	if err := json.Unmarshal(j.Result, &a); err != nil {
		return err
	}
	body := r.h.Async.Jobs.Part(r.ctx, j.ID, asyncResult)
	if a.Failed {
		outcome, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		return b.endAnswer(&a, outcome)
	}
	if !a.Empty {
		b.buf = append(b.buf, `"resource":`...)
		if err := b.copy(body); err != nil {
			return err
		}
		b.buf = append(b.buf, ',')
	}
	return b.endAnswer(&a, nil)
}

// copy adds what a reader has, a piece at a time.
func (b *bundleWriter) copy(from io.Reader) error {
	piece := make([]byte, flushSize)
	for {
		n, err := from.Read(piece)
		b.buf = append(b.buf, piece[:n]...)
		switch {
		case errors.Is(err, io.EOF):
			return b.err
		case err != nil:
			return err
		}
		if b.flush(); b.err != nil {
			return b.err
		}
	}
}

// endAnswer ends the Bundle with the one entry's response.
func (b *bundleWriter) endAnswer(a *asyncAnswer, outcome []byte) error {
	b.replyResponse(&reply{status: a.Status, location: a.Location, etag: a.ETag, modified: a.Modified, outcome: outcome})
	if err := b.endEntry(); err != nil {
		return err
	}
	b.endEntries()
	return b.close()
}

// asyncCancel answers DELETE [base]/$async/{id}: a request that is not done is
// cancelled, the answer of one that is done removed.
func asyncCancel(w http.ResponseWriter, r *request) error {
	j, err := r.asyncJob()
	if err != nil {
		return err
	}
	if j, err = r.h.Async.Jobs.Cancel(r.ctx, j.ID); err != nil {
		return err
	}
	if j.State == job.Running {
		return r.writeOutcomeOf(w, http.StatusAccepted, "the request is being cancelled; what it has written stays, and is told at this URL")
	}
	if err := r.h.Async.Jobs.Delete(r.ctx, j.ID); err != nil && !errors.Is(err, job.ErrNotFound) {
		return err
	}
	return r.writeOutcomeOf(w, http.StatusAccepted, "the request was cancelled, or its answer removed")
}
