package fhir

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// A Kind classifies an error; it decides the HTTP status and the issue code
// (outcome.go holds the table).
type Kind uint8

// The error kinds.
const (
	KindInternal         Kind = iota // not the caller's fault; details are logged, never shown
	KindInvalid                      // malformed or structurally wrong input: 400
	KindUnprocessable                // well-formed but breaks a rule: 422
	KindNotFound                     // 404
	KindGone                         // deleted, or an expired page link: 410
	KindMethodNotAllowed             // 405
	KindConflict                     // 409
	KindPrecondition                 // If-Match, If-None-Match, conditional with several matches: 412
	KindTooLarge                     // 413
	KindTooCostly                    // a query or bundle beyond the limits: 422 too-costly
	KindNotAcceptable                // 406
	KindUnsupportedMedia             // 415
	KindNotSupported                 // known to the standard, not offered: 400 not-supported
	KindUnauthenticated              // 401
	KindForbidden                    // 403
	KindThrottled                    // 429
	KindUnavailable                  // disk full, shutting down: 503
	KindURITooLong                   // 414
	KindTimeout                      // the body did not come in time: 408
	KindRange                        // no part of the content is in the range: 416
)

// A Severity grades an issue. http://hl7.org/fhir/R4/valueset-issue-severity.html
type Severity string

// The severities.
const (
	SeverityFatal       Severity = "fatal"
	SeverityError       Severity = "error"
	SeverityWarning     Severity = "warning"
	SeverityInformation Severity = "information"
)

// An Issue is one entry of an OperationOutcome.
// http://hl7.org/fhir/R4/operationoutcome.html
type Issue struct {
	Severity Severity
	// Code is from http://hl7.org/fhir/R4/valueset-issue-type.html: "structure",
	// "value", "required", "not-found", "not-supported" …
	Code string
	// Diagnostics says what is wrong, where, and what would be right.
	Diagnostics string
	// Expression is the FHIRPath location, "Patient.name[0].given[1]"; for a
	// parameter "http.<name>". "" where there is no location.
	Expression string
	// Line and Column (from 1, in bytes) locate the issue in the request
	// body; 0 where unknown.
	Line, Column int
}

// An Error is every error that a caller may see.
type Error struct {
	Kind   Kind
	Issues []Issue
	// Headers go with the HTTP response, such as a WWW-Authenticate.
	Headers []Header
	// Cause is for logs only and is never shown.
	Cause error
}

// A Header is one line of the head of an HTTP response.
type Header struct{ Name, Value string }

// Errorf makes an Error of one issue whose code is the kind's default.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Issues: []Issue{{
		Severity:    SeverityError,
		Code:        kind.IssueCode(),
		Diagnostics: fmt.Sprintf(format, args...),
	}}}
}

// CutShort is the error of a body that could not be read to its end: of
// KindTimeout where the client was too slow, whose cause names addresses and is
// for logs, else of KindInvalid.
func CutShort(what string, cause error) *Error {
	if errors.Is(cause, os.ErrDeadlineExceeded) {
		return Errorf(KindTimeout, "%s did not come within the time that a request may take", what).Because(cause)
	}
	return Errorf(KindInvalid, "%s could not be read to its end: %v", what, cause)
}

// At sets the location of the error's first issue and returns the error.
func (e *Error) At(expression string) *Error {
	if len(e.Issues) > 0 {
		e.Issues[0].Expression = expression
	}
	return e
}

// With adds a header and returns the error.
func (e *Error) With(name, value string) *Error {
	e.Headers = append(e.Headers, Header{name, value})
	return e
}

// Because records the cause, for logs, and returns the error.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

func (e *Error) Error() string {
	var b strings.Builder
	for i, issue := range e.Issues {
		if i > 0 {
			b.WriteString("; ")
		}
		if issue.Expression != "" {
			b.WriteString(issue.Expression + ": ")
		}
		b.WriteString(issue.Diagnostics)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, " (%v)", e.Cause)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first Error in err's chain, KindInternal
// where there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}
