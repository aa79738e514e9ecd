package smart

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// An oauthError is what a client is told: an error code of an OAuth or OpenID
// Connect specification, and an English sentence for its developer.
// https://www.rfc-editor.org/rfc/rfc6749#section-5.2
type oauthError struct {
	code, description string
	// status is the HTTP status where the error is the response; 0 is 400.
	status int
	// retry is the Retry-After of a response with status 429, in seconds.
	retry int
	// cause is for the log and is never shown.
	cause error
}

func (e *oauthError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s (%v)", e.code, e.description, e.cause)
	}
	return e.code + ": " + e.description
}

func (e *oauthError) Unwrap() error { return e.cause }

// because records the cause, for the log.
func (e *oauthError) because(cause error) *oauthError {
	e.cause = cause
	return e
}

// The error codes that more than one endpoint uses.
const (
	codeInvalidRequest       = "invalid_request"
	codeInvalidClient        = "invalid_client"
	codeInvalidGrant         = "invalid_grant"
	codeInvalidScope         = "invalid_scope"
	codeInvalidToken         = "invalid_token"
	codeInvalidTarget        = "invalid_target" // RFC 8707
	codeUnauthorizedClient   = "unauthorized_client"
	codeUnsupportedGrant     = "unsupported_grant_type"
	codeUnsupportedResponse  = "unsupported_response_type"
	codeAccessDenied         = "access_denied"
	codeServerError          = "server_error"
	codeLoginRequired        = "login_required"             // OpenID Connect Core 3.1.2.6
	codeConsentRequired      = "consent_required"           // OpenID Connect Core 3.1.2.6
	codeInteractionRequired  = "interaction_required"       // OpenID Connect Core 3.1.2.6
	codeAccountRequired      = "account_selection_required" // OpenID Connect Core 3.1.2.6
	codeInvalidMetadata      = "invalid_client_metadata"    // RFC 7591
	codeInvalidRedirect      = "invalid_redirect_uri"       // RFC 7591
	codeInvalidStatement     = "invalid_software_statement" // RFC 7591
	codeUnapprovedStatement  = "unapproved_software_statement"
	codeInvalidDPoPProof     = "invalid_dpop_proof" // RFC 9449
	codeTooManyRequests      = "slow_down"          // RFC 8628's word for it
	codeTemporaryUnavailable = "temporarily_unavailable"
)

// refuse makes an oauthError with status 400.
func refuse(code, format string, args ...any) *oauthError {
	return &oauthError{code: code, description: fmt.Sprintf(format, args...)}
}

// asOAuth finds the oauthError in an error. An unknown error is the server's
// own fault, and says nothing of itself.
func asOAuth(err error) *oauthError {
	var known *oauthError
	if errors.As(err, &known) {
		return known
	}
	var f *fhir.Error
	if errors.As(err, &f) && f.Kind == fhir.KindUnavailable {
		return &oauthError{code: codeTemporaryUnavailable, description: "try again later", status: http.StatusServiceUnavailable, cause: err}
	}
	return &oauthError{code: codeServerError, description: "something went wrong in the server", status: http.StatusInternalServerError, cause: err}
}

// printable leaves of a text what RFC 6749 allows in error_description, so
// that nothing a client sends can break a header, a log line or a page.
func printable(text string) string {
	const most = 500
	var b strings.Builder
	for _, r := range text {
		switch {
		case b.Len() >= most:
			return b.String() + "..."
		case r == '"' || r == '\\':
			b.WriteByte('\'')
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// answerError writes an error as JSON.
func (s *Service) answerError(w http.ResponseWriter, r *http.Request, err error) {
	e := asOAuth(err)
	status := e.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	s.note(r, e, status)
	if e.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retry))
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challengeFor(r, e))
	}
	answerJSON(w, status, map[string]string{"error": e.code, "error_description": printable(e.description)})
}

// challengeFor is the WWW-Authenticate of a refusal, in the scheme that the
// caller used. RFC 6749 section 5.2, RFC 6750 section 3
func challengeFor(r *http.Request, e *oauthError) string {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "DPoP"):
		return fmt.Sprintf(`DPoP error="%s", error_description="%s", algs="ES256 ES384 RS256 RS384"`, e.code, printable(e.description))
	case strings.EqualFold(scheme, "Bearer") || e.code == codeInvalidToken:
		return fmt.Sprintf(`Bearer error="%s", error_description="%s"`, e.code, printable(e.description))
	}
	return `Basic realm="tarn"`
}

// note logs a refusal: what was asked and why it was refused, never what was
// sent.
func (s *Service) note(r *http.Request, e *oauthError, status int) {
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	attrs := []any{"path", r.URL.Path, "status", status, "error", e.code, "address", s.address(r)}
	if e.cause != nil {
		attrs = append(attrs, "cause", printable(e.cause.Error()))
	}
	s.log.Log(r.Context(), level, "authorization refused", attrs...)
}

// answers serves an endpoint for apps: what it answers with the status, or why not.
func answers[T any](s *Service, status int, endpoint func(http.ResponseWriter, *http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := endpoint(w, r)
		if err != nil {
			s.answerError(w, r, err)
			return
		}
		answerJSON(w, status, answer)
	}
}

// answerJSON writes a value that no cache may keep. RFC 6749 section 5.1
func answerJSON(w http.ResponseWriter, status int, value any) {
	noStore(w)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // the client may be gone
}

func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}
