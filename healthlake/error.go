package healthlake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/sigv4"
)

// Codes of errors.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/CommonErrors.html
const (
	codeAccessDenied  = "AccessDeniedException"
	codeConflict      = "ConflictException"
	codeInternal      = "InternalServerException"
	codeNotFound      = "ResourceNotFoundException"
	codeSerialization = "SerializationException"
	codeThrottling    = "ThrottlingException"
	codeTooLarge      = "RequestEntityTooLargeException"
	codeUnavailable   = "ServiceUnavailableException"
	codeUnknown       = "UnknownOperationException"
	codeValidation    = "ValidationException"
)

// statuses are the HTTP statuses of codes; 400 for all others.
var statuses = map[string]int{
	codeInternal: http.StatusInternalServerError, codeUnavailable: http.StatusServiceUnavailable,
	codeUnknown: http.StatusNotFound, codeTooLarge: http.StatusRequestEntityTooLarge,
}

// An apiError is one that the caller is told, as {"__type": code, "message": text}.
type apiError struct {
	code    string
	status  int
	message string
}

func (e *apiError) Error() string { return e.message }

func failed(code, format string, args ...any) *apiError {
	status := statuses[code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	return &apiError{code: code, status: status, message: fmt.Sprintf(format, args...)}
}

// kinds are the codes of the data stores' errors.
var kinds = map[fhir.Kind]string{
	fhir.KindInvalid: codeValidation, fhir.KindUnprocessable: codeValidation, fhir.KindNotSupported: codeValidation,
	fhir.KindNotFound: codeNotFound, fhir.KindGone: codeNotFound, fhir.KindConflict: codeConflict,
	fhir.KindThrottled: codeThrottling, fhir.KindUnavailable: codeUnavailable,
}

// explain turns any error into one to tell; of those that are not the caller's
// fault it tells the request id only.
func explain(err error, requestID string) *apiError {
	var told *apiError
	if errors.As(err, &told) {
		return told
	}
	var unsigned *sigv4.Error
	if errors.As(err, &unsigned) {
		return &apiError{code: unsigned.Code, status: unsigned.Status, message: unsigned.Message}
	}
	var known *fhir.Error
	if errors.As(err, &known) && kinds[known.Kind] != "" {
		var texts []string
		for _, issue := range known.Issues { // not the cause, which is for the log
			texts = append(texts, issue.Diagnostics)
		}
		return failed(kinds[known.Kind], "%s", strings.Join(texts, "; "))
	}
	return failed(codeInternal, "The request failed for a reason that is not its own. The server's log has it under the request id %s.", requestID)
}

const mediaType = "application/x-amz-json-1.0"

func (e *apiError) write(w http.ResponseWriter) {
	if e.code == codeThrottling || e.code == codeUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("X-Amzn-Errortype", e.code)
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(e.status)
	body, _ := json.Marshal(map[string]string{"__type": e.code, "message": e.message}) // cannot fail
	_, _ = w.Write(body)
}

// Unavailable answers a request that cannot be served now.
func Unavailable(w http.ResponseWriter, why string) {
	failed(codeUnavailable, "%s", why).write(w)
}
