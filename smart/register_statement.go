package smart

import (
	"errors"

	"github.com/tarnhealth/tarn/smart/client"
)

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
	err := m.ApplyStatement(policy.StatementKeys, s.now())
	var wrong *client.StatementError
	switch {
	case !errors.As(err, &wrong):
		return err
	case wrong.Unapproved:
		return refuse(codeUnapprovedStatement, "%s", wrong.Why)
	}
	return refuse(codeInvalidStatement, "%s", wrong.Why).because(wrong.Cause)
}
