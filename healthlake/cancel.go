package healthlake

import (
	"context"

	"github.com/tarnhealth/tarn/bulk"
)

// cancelImport ends an import job; what it stored stays. HealthLake has no such
// operation: there, jobs are cancelled over FHIR alone.
func (c *call) cancelImport() (any, error) {
	store, status, err := c.importJob()
	if err != nil {
		return nil, err
	}
	id := status.ID
	if err := running(&status.Status); err != nil {
		return nil, err
	}
	if err := c.h.cfg.Bulk.CancelImport(context.WithoutCancel(c.ctx), store, id); err != nil {
		return nil, err
	}
	if status, err = c.h.cfg.Bulk.DescribeImport(c.ctx, store, id); err != nil {
		return nil, err
	}
	return begun{status.ID, status.State, status.Store}, nil
}

// cancelExport ends an export job, as cancelImport does.
func (c *call) cancelExport() (any, error) {
	store, status, err := c.exportJob()
	if err != nil {
		return nil, err
	}
	if err := running(&status.Status); err != nil {
		return nil, err
	}
	if status, err = c.h.cfg.Bulk.CancelExport(context.WithoutCancel(c.ctx), store, status.ID); err != nil {
		return nil, err
	}
	return begun{status.ID, status.State, status.Store}, nil
}

// running refuses a job that has ended.
func running(s *bulk.Status) error {
	if s.State.Ended() {
		return failed(codeValidation, "The job %s has ended %s: there is nothing to cancel.", s.ID, s.State)
	}
	return nil
}
