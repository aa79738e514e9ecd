package datastore

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/store"
)

// audit records a batch: before it is erased, and once more where that fails.
func (x *eraser) audit(ctx context.Context, batch []store.Erasure, failure error) error {
	record := x.Record
	if record == nil {
		record = func(r audit.Record) (string, error) { return x.store.commitEvent(ctx, r) }
	}
	id, err := record(x.auditRecord(batch, failure))
	if err != nil {
		return fmt.Errorf("the erasure could not be recorded: %w", err)
	}
	x.result.Audits = append(x.result.Audits, id)
	return nil
}

// commitEvent keeps the AuditEvent of a record, where there is no audit log.
func (s *Store) commitEvent(ctx context.Context, r audit.Record) (id string, err error) {
	events, err := audit.Events(&audit.Stored{Record: r})
	if err != nil {
		return "", err
	}
	tree, err := s.Parse(events[0].JSON)
	if err != nil {
		return "", err
	}
	outcomes, err := s.Commit(ctx, authz.Unrestricted(), []Op{{Interaction: authz.Create, Type: auditEvent, Resource: tree}}, nil)
	if err != nil {
		return "", err
	}
	return outcomes[0].Version.ID, nil
}

// auditRecord is the record of a batch. What a failed erasure came to is not
// certain.
func (x *eraser) auditRecord(batch []store.Erasure, failure error) audit.Record {
	r := audit.Record{
		Time: x.store.now().UTC(), Class: audit.ClassErasure, Action: x.Operation, Store: x.store.Record().ID,
		Agent: AgentOf(x.access.Caller()), Detail: "to be erased for good",
	}
	if failure != nil {
		r.Status, r.Detail = http.StatusInternalServerError, "the erasure recorded before failed"
	}
	for _, e := range batch {
		r.Entities = append(r.Entities, erasureName(e))
	}
	return r
}

// AgentOf is a caller as the audit log has it; a service that acts for itself
// is no user.
func AgentOf(c authz.Caller) audit.Agent {
	a := audit.Agent{User: c.Subject, FHIRUser: c.FHIRUser, Client: c.Client, Roles: c.Roles, Purpose: c.Purpose}
	if a.User == a.Client && a.FHIRUser == "" {
		a.User = ""
	}
	return a
}

// erasureName is the reference to what is erased.
func erasureName(e store.Erasure) string {
	if e.Number == 0 {
		return e.Type + "/" + e.ID
	}
	return fmt.Sprintf("%s/%s/_history/%d", e.Type, e.ID, e.Number)
}
