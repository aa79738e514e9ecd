package sigv4

import (
	"fmt"
	"net/http"
)

// Codes of errors, in AWS's words.
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
const (
	// CodeMissing: the request is not signed.
	CodeMissing = "MissingAuthenticationTokenException"
	// CodeIncomplete: the signature's parts are malformed or not all there.
	CodeIncomplete = "IncompleteSignatureException"
	// CodeUnknownKey: there is no such access key, or it is disabled.
	CodeUnknownKey = "UnrecognizedClientException"
	// CodeInvalid: the signature does not fit the request, its time, or this
	// service.
	CodeInvalid = "InvalidSignatureException"
	// CodeTooLarge: the body is larger than what is checked.
	CodeTooLarge = "RequestEntityTooLargeException"
)

// An Error is why a request is refused.
type Error struct {
	// Code is one of the codes above, Status the HTTP status that goes with it.
	Code    string
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Message }

func refused(code, format string, args ...any) *Error {
	status := http.StatusForbidden
	if code == CodeTooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}
