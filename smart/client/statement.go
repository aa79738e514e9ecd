package client

import (
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// statementAlgorithms are those that software statements may be signed with.
var statementAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.ES256, jose.ES384}

// A StatementError says what is wrong with a software statement.
type StatementError struct {
	// Unapproved: its issuer is not one that is believed.
	Unapproved bool
	Why        string
	Cause      error
}

func (e *StatementError) Error() string { return e.Why }

// Unwrap is the cause.
func (e *StatementError) Unwrap() error { return e.Cause }

// ApplyStatement lets the software statement of m override what m says of the
// same members. keys are the JWKS of each issuer that is believed. An error is a
// *StatementError, or one of keys.
// https://www.rfc-editor.org/rfc/rfc7591#section-2.3
func (m *Metadata) ApplyStatement(keys map[string]json.RawMessage, now time.Time) error {
	statement := m.Statement
	signed, err := jwt.ParseSigned(statement, statementAlgorithms)
	if err != nil {
		return &StatementError{Why: "the software_statement is not a JWT signed with RS256, RS384, ES256 or ES384", Cause: err}
	}
	var unsafe jwt.Claims
	if err := signed.UnsafeClaimsWithoutVerification(&unsafe); err != nil {
		return &StatementError{Why: "the software_statement has no claims", Cause: err}
	}
	raw, ok := keys[unsafe.Issuer]
	if !ok {
		return &StatementError{Unapproved: true, Why: "the issuer of the software_statement is not known here"}
	}
	var known jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &known); err != nil {
		return err
	}
	var standard jwt.Claims
	var told json.RawMessage
	if err := signed.Claims(&known, &standard, &told); err != nil {
		return &StatementError{Why: "the signature of the software_statement is wrong", Cause: err}
	}
	if err := standard.ValidateWithLeeway(jwt.Expected{Time: now}, time.Minute); err != nil {
		return &StatementError{Why: "the software_statement is not valid now", Cause: err}
	}
	if err := json.Unmarshal(told, m); err != nil {
		return &StatementError{Why: "the software_statement does not hold client metadata", Cause: err}
	}
	m.Statement = statement
	return nil
}
