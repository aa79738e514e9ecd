package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// errClientGone marks a failed write to the client's connection.
var errClientGone = errors.New("rest: the client does not take the response")

// publicError is what the caller may see of an error.
func (h *handler) publicError(r *request, err error) *fhir.Error {
	var known *fhir.Error
	switch {
	case errors.As(err, &known) && known.Kind != fhir.KindInternal:
		return known
	case errors.Is(err, store.ErrExpired):
		return fhir.Errorf(fhir.KindGone, "this page link has expired; repeat the search from its first page")
	case errors.Is(err, context.DeadlineExceeded):
		return fhir.Errorf(fhir.KindUnavailable, "the request took too long and was given up; ask for less, or try again")
	case errors.Is(err, context.Canceled), errors.Is(err, store.ErrClosed):
		return fhir.Errorf(fhir.KindUnavailable, "the request was cut off before it was done; try again")
	}
	return fhir.Errorf(fhir.KindInternal, "an internal error; the server's log has it under request id %s", r.requestID)
}

// writeOutcome answers with an error.
func writeOutcome(w http.ResponseWriter, r *request, e *fhir.Error) {
	header := w.Header()
	for _, h := range e.Headers {
		header.Add(h.Name, h.Value)
	}
	switch {
	case e.Kind == fhir.KindUnauthenticated && header.Get("WWW-Authenticate") == "":
		header.Set("WWW-Authenticate", "Bearer")
	case (e.Kind == fhir.KindUnavailable || e.Kind == fhir.KindThrottled) && header.Get("Retry-After") == "":
		header.Set("Retry-After", "1")
	}
	for _, name := range []string{"ETag", "Last-Modified", "Location"} {
		w.Header().Del(name)
	}
	// An error while an error is written leaves nobody to tell.
	_ = r.writeJSON(w, e.Kind.Status(), fhir.AppendOutcome(nil, outcomeIssues(e)))
}

// outcomeIssues are an error's issues, of which an OperationOutcome needs one
// at least.
func outcomeIssues(e *fhir.Error) []fhir.Issue {
	if len(e.Issues) > 0 {
		return e.Issues
	}
	return fhir.Errorf(e.Kind, "%s", http.StatusText(e.Kind.Status())).Issues
}

// allOK is the OperationOutcome of a write without warnings.
var allOK = []fhir.Issue{{Severity: fhir.SeverityInformation, Code: "informational", Diagnostics: "All OK"}}

func issuesOr(issues, otherwise []fhir.Issue) []fhir.Issue {
	if len(issues) > 0 {
		return issues
	}
	return otherwise
}
