package healthlake

import (
	"context"

	"github.com/tarnhealth/tarn/datastore"
)

// update changes the name of a data store, its identity provider as a whole, and
// its backup.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_UpdateFHIRDatastore.html
func (c *call) update() (any, error) {
	in := c.in
	id := in.text("DatastoreId", idConstraint)
	name := in.text("DatastoreName", nameConstraint)
	var with datastore.Control
	identity := in.identity(c.h.cfg.Function, &with)
	defaults, profiles := c.profiles()
	in.unavailable("encryption cannot be changed after creation", "SseConfiguration")
	backup := in.backup()
	in.unavailable(notOffered, "NlpConfiguration", "AnalyticsConfiguration")
	if err := in.finish(); err != nil {
		return nil, err
	}
	if err := c.allow(id); err != nil {
		return nil, err
	}
	if !in.has("DatastoreName") && identity == nil && !profiles && !backup.given {
		return nil, failed(codeValidation, "The request changes nothing: give DatastoreName, IdentityProviderConfiguration, ProfileConfiguration or BackupConfiguration.")
	}
	now, err := c.h.cfg.Stores.Describe(c.ctx, id)
	if err != nil {
		return nil, err
	}
	if err := c.idle(now, false); err != nil {
		return nil, err
	}
	if profiles {
		if err := c.setProfiles(context.WithoutCancel(c.ctx), id, defaults); err != nil {
			return nil, err
		}
	}
	r, err := c.change(id, func(r *datastore.Record) error {
		if in.has("DatastoreName") {
			r.Name = name
		}
		if identity != nil {
			r.Identity = identity.Keep(r.Identity)
			r.Control.Metadata, r.Control.FunctionARN, r.Control.Function = with.Metadata, with.FunctionARN, with.Function
		}
		if backup.given {
			r.Control.Backup = backup.change(r.Control.Backup, c.h.cfg.Now().UTC())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p, err := c.told(r)
	return described{p}, err
}

// change rewrites the record of a data store, with a Control that may be
// altered.
func (c *call) change(id string, change func(*datastore.Record) error) (datastore.Record, error) {
	return c.h.cfg.Stores.Change(context.WithoutCancel(c.ctx), id, func(r *datastore.Record) error {
		r.Control = r.Control.Clone()
		if r.Control.Region == "" {
			r.Control.Region, r.Control.Account = c.h.cfg.Region, c.h.cfg.Account
		}
		return change(r)
	})
}

// remove deletes a data store. It is gone when this returns, or kept where it has
// a backup: the answer says DELETING, as it does in HealthLake.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_DeleteFHIRDatastore.html
func (c *call) remove() (any, error) {
	id, err := c.storeID()
	if err != nil {
		return nil, err
	}
	before, err := c.h.cfg.Stores.Describe(c.ctx, id)
	if err != nil {
		return nil, err
	}
	if before.Status == datastore.StatusDeleted {
		return nil, failed(codeNotFound, "The data store %q is deleted.", id)
	}
	if err := c.idle(before, true); err != nil {
		return nil, err
	}
	r, err := c.h.cfg.Stores.Delete(context.WithoutCancel(c.ctx), id)
	if err != nil {
		return nil, err
	}
	return c.h.summary(r, datastore.StatusDeleting), nil
}
