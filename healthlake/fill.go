package healthlake

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
)

// errorCause is ErrorCause.
type errorCause struct {
	ErrorCategory string
	ErrorMessage  string
}

// settle gives the records of data stores that are being filled the state that
// callers are told, and returns why some could not be.
func (c *call) settle(records []datastore.Record) (map[string]*errorCause, error) {
	fills, err := c.h.cfg.Bulk.Fills(c.ctx)
	if err != nil {
		return nil, err
	}
	causes := map[string]*errorCause{}
	for i := range records {
		r := &records[i]
		f, ok := fills[bulk.ScopeOf(*r)]
		switch {
		case !ok || r.Status != datastore.StatusActive || f.State == bulk.Completed:
		case f.State.Ended():
			r.Status, causes[r.ID] = datastore.StatusFailed, &errorCause{"NON_RETRYABLE_ERROR", f.Message}
		default:
			r.Status = datastore.StatusCreating
		}
	}
	return causes, nil
}

// told is what a caller is told of a data store.
func (c *call) told(r datastore.Record) (properties, error) {
	records := []datastore.Record{r}
	causes, err := c.settle(records)
	if err != nil {
		return properties{}, err
	}
	p := c.h.properties(records[0])
	p.ErrorCause = causes[r.ID]
	return p, c.describeProfiles(&p, r)
}

// idle refuses to change a data store that is being filled or, with jobs, has a
// job that waits or runs.
func (c *call) idle(r datastore.Record, jobs bool) error {
	busy, err := c.h.cfg.Bulk.Busy(c.ctx, r)
	switch {
	case err != nil || busy == "":
		return err
	case c.h.cfg.Bulk.Filling(r.ID):
		return failed(codeConflict, "The data store %q is in state CREATING.", r.ID)
	case jobs:
		return failed(codeConflict, "The data store %q has the %s, which has not ended; wait for it, or cancel it: CancelFHIR%sJob, or DELETE %s%s.", r.ID, busy, map[string]string{"import": "Import", "export": "Export"}[busy[:6]], c.h.endpoint(r), cancelPath(busy))
	}
	return nil
}

// cancelPath is what is deleted to cancel "import job x".
func cancelPath(busy string) string {
	kind, id := busy[:6], busy[len(busy)-26:]
	return kind + "/" + id
}

// restore makes a data store with what another one held at a time: its current
// resources as of then, without their histories.
// https://docs.aws.amazon.com/healthlake/latest/devguide/managing-data-stores-restore.html
func (c *call) restore() (any, error) {
	in := c.in
	id := in.text("SourceDatastoreId", idConstraint)
	config := in.structure("RestoreConfiguration", true)
	var point *input
	if config != nil {
		point = config.structure("ContinuousBackupRestoreConfiguration", true)
	}
	draft := c.newDraft()
	var err error
	if point == nil {
		return nil, in.finish()
	}
	at := point.time("RestorePointTime")
	if !at.IsZero() && at.After(c.h.cfg.Now()) {
		point.breaks("RestorePointTime", at, "Member must not lie in the future")
	}
	if err := in.finish(); err != nil {
		return nil, err
	}
	if err := c.allow(""); err != nil {
		return nil, err
	}
	if err := c.allow(id); err != nil {
		return nil, err
	}
	record, err := c.h.cfg.Stores.Describe(c.ctx, id)
	if err != nil {
		return nil, err
	}
	if err := c.notRestored(id); err != nil {
		return nil, err
	}
	at = throughout(at)
	if b := record.Control; b != nil && b.Backup != nil && b.Backup.Tags && draft.Control.Tags == nil {
		draft.Control.Tags = maps.Clone(b.Tags)
	}
	if err := c.within(draft.Control); err != nil {
		return nil, err
	}
	fill, err := c.source(record, at)
	if err != nil {
		return nil, err
	}
	return c.make(draft, &fill)
}

// throughout is the end of a time's millisecond, where it is told in those, as
// meta.lastUpdated is: what was written then is meant too.
func throughout(at time.Time) time.Time {
	if at.IsZero() || at.Nanosecond()%int(time.Millisecond) != 0 {
		return at
	}
	return at.Add(time.Millisecond - time.Microsecond)
}

// source is what a data store held at a time, zero for now or when it was
// deleted.
func (c *call) source(record datastore.Record, at time.Time) (bulk.Fill, error) {
	if record.Status == datastore.StatusDeleted {
		if record.Kept.IsZero() || !c.h.cfg.Now().Before(record.Kept) {
			return bulk.Fill{}, failed(codeNotFound, "The data store %q was deleted, and nothing of it is kept.", record.ID)
		}
		return bulk.CopyKept(record, at, c.key.ID), nil
	}
	source, err := c.h.cfg.Stores.Store(record.ID)
	if err != nil {
		return bulk.Fill{}, err
	}
	t, err := c.h.cfg.Bulk.AsOf(c.ctx, source, at)
	return bulk.Copy(source, t, c.key.ID), err
}

// notRestored refuses a second restore of one data store at a time.
func (c *call) notRestored(source string) error {
	fills, err := c.h.cfg.Bulk.Fills(c.ctx)
	if err != nil {
		return err
	}
	for _, f := range fills {
		if f.Source == source && !f.State.Ended() {
			return failed(codeConflict, "The data store %q is being restored already.", source)
		}
	}
	return nil
}

// preload reads PreloadDataConfig: how the new data store is filled, nil for
// not.
func (c *call) preload(control *datastore.Control) *bulk.Fill {
	config := c.in.structure("PreloadDataConfig", false)
	if config == nil {
		return nil
	}
	control.Preload = config.text("PreloadDataType", preloadConstraint)
	return &bulk.Fill{Patients: c.h.cfg.PreloadPatients, By: c.key.ID}
}

// make makes a data store and, where fill is not nil, begins to fill it. What was
// begun is finished, whether the caller waits for it or not.
func (c *call) make(draft datastore.Draft, fill *bulk.Fill) (any, error) {
	draft.Control.Request = hashOf(c.in.members)
	var known datastore.Record
	draft.Admit = func(all []datastore.Record) (err error) {
		known, err = c.admit(draft.Control, all)
		return err
	}
	ctx := context.WithoutCancel(c.ctx)
	var store *datastore.Store
	var err error
	if len(c.defaults) > 0 { // they are to count from the first request on
		if err := c.setProfiles(ctx, draft.ID, c.defaults); err != nil {
			return nil, err
		}
	}
	if fill == nil {
		store, err = c.h.cfg.Stores.CreateFrom(ctx, draft)
	} else {
		store, err = c.h.cfg.Bulk.Create(ctx, c.h.cfg.Stores, draft, *fill)
	}
	if err != nil && len(c.defaults) > 0 {
		err = errors.Join(err, c.setProfiles(ctx, draft.ID, nil))
	}
	if errors.Is(err, errReplay) {
		c.store = known.ID
		if err := c.within(known.Control); err != nil {
			return nil, err // it was tagged otherwise since
		}
		return c.h.summary(known, known.Status), nil
	}
	if err != nil {
		return nil, err
	}
	c.store = store.Record().ID
	return c.h.summary(store.Record(), datastore.StatusCreating), nil
}
