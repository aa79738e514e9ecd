package token

import (
	"errors"
	"fmt"
	"time"
)

// The OAuth error codes that this package gives.
const (
	// InvalidToken: RFC 6750 section 3.1.
	InvalidToken = "invalid_token"
	// InvalidClient: RFC 6749 section 5.2.
	InvalidClient = "invalid_client"
	// InvalidProof and UseNonce: RFC 9449 sections 5 and 8.
	InvalidProof = "invalid_dpop_proof"
	UseNonce     = "use_dpop_nonce"
	// Unavailable: whoever decides about the credential does not answer, or
	// too late. RFC 6749 section 4.1.2.1.
	Unavailable = "temporarily_unavailable"
	// SlowDown: nobody was asked about the credential, as too many were wrong
	// before it. RFC 8628 section 3.5.
	SlowDown = "slow_down"
	// ServerError: a failure of this server's own.
	ServerError = "server_error"
)

// An Error says why a credential was refused. Description may be shown to the
// caller; it never repeats the credential.
type Error struct {
	Code        string
	Description string
	// Genuine says that the issuer gave this credential, which is good no more
	// or not here: whoever has it did not guess it.
	Genuine bool
	// Wait is how long to wait before the next try, with SlowDown.
	Wait time.Duration
	// Cause is for logs only and is never shown.
	Cause error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s (%v)", e.Code, e.Description, e.Cause)
	}
	return e.Code + ": " + e.Description
}

func (e *Error) Unwrap() error { return e.Cause }

// CodeOf returns the code of the first Error in err's chain, ServerError where
// there is none.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ServerError
}

func errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// genuine is the error of a credential that was not guessed.
func genuine(description string) *Error {
	return &Error{Code: InvalidToken, Description: description, Genuine: true}
}

// because is the error with a cause.
func (e Error) because(cause error) *Error {
	e.Cause = cause
	return &e
}
