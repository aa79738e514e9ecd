package smart

import (
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/tarnhealth/tarn/smart/client"
)

// statementAlgorithms are those that software statements may be signed with.
var statementAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.ES256, jose.ES384}

// applyStatement lets a software statement override what the request says of
// the same members. https://www.rfc-editor.org/rfc/rfc7591#section-2.3
func (s *Service) applyStatement(m *client.Metadata) error {
	policy := &s.cfg.Registration
	if m.Statement == "" {
		if policy.RequireStatement {
			return refuse(codeInvalidStatement, "a software_statement is needed")
		}
		return nil
	}
	signed, err := jwt.ParseSigned(m.Statement, statementAlgorithms)
	if err != nil {
		return refuse(codeInvalidStatement, "the software_statement is not a JWT signed with RS256, RS384, ES256 or ES384").because(err)
	}
	var unsafe jwt.Claims
	if err := signed.UnsafeClaimsWithoutVerification(&unsafe); err != nil {
		return refuse(codeInvalidStatement, "the software_statement has no claims").because(err)
	}
	raw, ok := policy.StatementKeys[unsafe.Issuer]
	if !ok {
		return refuse(codeUnapprovedStatement, "the issuer of the software_statement is not known here")
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &keys); err != nil {
		return err
	}
	var standard jwt.Claims
	var told json.RawMessage
	if err := signed.Claims(&keys, &standard, &told); err != nil {
		return refuse(codeInvalidStatement, "the signature of the software_statement is wrong").because(err)
	}
	if err := standard.ValidateWithLeeway(jwt.Expected{Time: s.now()}, time.Minute); err != nil {
		return refuse(codeInvalidStatement, "the software_statement is not valid now").because(err)
	}
	statement := m.Statement
	if err := json.Unmarshal(told, m); err != nil {
		return refuse(codeInvalidStatement, "the software_statement does not hold client metadata").because(err)
	}
	m.Statement = statement
	return nil
}
