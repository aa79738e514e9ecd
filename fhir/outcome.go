package fhir

import "strconv"

// kinds is the one table from error kind to HTTP status and issue code.
var kinds = [...]struct {
	status int
	code   string
}{
	KindInternal:         {500, "exception"},
	KindInvalid:          {400, "invalid"},
	KindUnprocessable:    {422, "processing"},
	KindNotFound:         {404, "not-found"},
	KindGone:             {410, "deleted"},
	KindMethodNotAllowed: {405, "not-supported"},
	KindConflict:         {409, "conflict"},
	KindPrecondition:     {412, "conflict"},
	KindTooLarge:         {413, "too-long"},
	KindTooCostly:        {422, "too-costly"},
	KindNotAcceptable:    {406, "not-supported"},
	KindUnsupportedMedia: {415, "not-supported"},
	KindNotSupported:     {400, "not-supported"},
	KindUnauthenticated:  {401, "login"},
	KindForbidden:        {403, "forbidden"},
	KindThrottled:        {429, "throttled"},
	KindUnavailable:      {503, "transient"},
	KindURITooLong:       {414, "too-long"},
	KindTimeout:          {408, "timeout"},
	KindRange:            {416, "invalid"},
}

// Status is the HTTP status of the kind.
func (k Kind) Status() int { return kinds[k].status }

// KindOfStatus is the first kind that has an HTTP status, KindInternal apart.
func KindOfStatus(status int) (k Kind, ok bool) {
	for k = KindInvalid; int(k) < len(kinds); k++ {
		if k.Status() == status {
			return k, true
		}
	}
	return KindInternal, false
}

// IssueCode is the kind's default issue code.
func (k Kind) IssueCode() string { return kinds[k].code }

// AppendOutcome appends an OperationOutcome with the issues to b, as JSON.
// http://hl7.org/fhir/R4/operationoutcome.html
func AppendOutcome(b []byte, issues []Issue) []byte {
	b = append(b, `{"resourceType":"OperationOutcome","issue":[`...)
	for i, issue := range issues {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendIssue(b, issue)
	}
	return append(b, "]}"...)
}

func appendIssue(b []byte, issue Issue) []byte {
	b = append(b, `{"severity":`...)
	b = AppendString(b, string(issue.Severity))
	b = append(b, `,"code":`...)
	b = AppendString(b, issue.Code)
	if issue.Diagnostics != "" {
		b = append(b, `,"diagnostics":`...)
		b = AppendString(b, issue.Diagnostics)
	}
	if issue.Line > 0 {
		b = append(b, `,"location":["line `...)
		b = strconv.AppendInt(b, int64(issue.Line), 10)
		b = append(b, ", column "...)
		b = strconv.AppendInt(b, int64(issue.Column), 10)
		b = append(b, `"]`...)
	}
	if issue.Expression != "" {
		b = append(b, `,"expression":[`...)
		b = AppendString(b, issue.Expression)
		b = append(b, ']')
	}
	return append(b, '}')
}
