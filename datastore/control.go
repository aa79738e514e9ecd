package datastore

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
)

// A Control is what the control API keeps in the record of a data store. The
// words are those of HealthLake.
type Control struct {
	// Region and Account are parts of the data store's ARN.
	Region  string `json:"region"`
	Account string `json:"account"`
	// ClientToken is that of the request that created the data store, Request a
	// hash of what else that asked for: the same request is answered with the
	// same data store.
	ClientToken string            `json:"clientToken,omitempty"`
	Request     string            `json:"request,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	// KeyType and KeyID are the KmsEncryptionConfig that was asked for.
	KeyType string `json:"keyType,omitempty"`
	KeyID   string `json:"keyId,omitempty"`
	Preload string `json:"preload,omitempty"`
	// FunctionARN and Metadata are the identity provider's, as they were
	// written; Function is what the ARN stands for.
	FunctionARN string `json:"functionArn,omitempty"`
	Function    string `json:"function,omitempty"`
	Metadata    string `json:"metadata,omitempty"`
	// Backup is the continuous backup that was asked for; nil for none.
	Backup *Backup `json:"backup,omitempty"`
}

// A Draft is a data store to be made.
type Draft struct {
	// ID is "" for a generated one.
	ID, Name string
	Identity *IdentityProvider
	Control  *Control
	// PageKey is the secret of a data store whose storage is there already; nil
	// for a new one.
	PageKey []byte
	// Admit, if not nil, may refuse the data store, by the records of all that
	// there are, deleted ones included. It may be run more than once.
	Admit func(all []Record) error
	// Also, if not nil, runs in the transaction of Records that makes the data
	// store ACTIVE, such as to begin the job that fills it: there is no ACTIVE
	// data store without it. That it is ACTIVE is then for that job to tell, and
	// not for Options.Changed. It may be run more than once.
	Also func(tx kv.Tx, r Record) error
}

// CreateFrom makes a data store.
func (c *Catalog) CreateFrom(ctx context.Context, d Draft) (*Store, error) {
	if d.ID == "" {
		d.ID = NewStoreID()
	}
	if !validStoreID.MatchString(d.ID) {
		return nil, fhir.Errorf(fhir.KindInvalid, "the data store id %q is not allowed: use 1 to 64 of a-z, 0-9 and '-', beginning with a letter or digit", d.ID)
	}
	if d.Identity != nil {
		if err := d.Identity.Check(); err != nil {
			return nil, err
		}
	}
	r := Record{
		ID: d.ID, Name: d.Name, Release: "R4", Status: StatusCreating, Created: c.opt.Now().UTC(),
		Identity: d.Identity, Control: d.Control,
	}
	if err := c.reserve(ctx, r, d.PageKey, d.Admit); err != nil {
		return nil, err
	}
	r.Status = StatusActive
	err := c.prepare(ctx, r)
	if err == nil {
		err = c.open(ctx, r)
	}
	if err == nil {
		err = c.activate(ctx, r, d.Also)
	}
	if err != nil {
		// Who asked may be gone: that is no reason to leave a half.
		return nil, errors.Join(err, c.closeStore(d.ID), c.forget(context.WithoutCancel(ctx), r))
	}
	return c.Store(d.ID)
}

// activate writes the record of a data store that is made.
func (c *Catalog) activate(ctx context.Context, r Record, also func(kv.Tx, Record) error) error {
	if also == nil {
		return c.put(ctx, r)
	}
	return c.opt.Backend.Records().Update(ctx, func(tx kv.Tx) error {
		return errors.Join(c.records.Put(tx, r.ID, r, time.Time{}), also(tx, r))
	})
}

// reserve writes the record of a data store in the making, unless the id is
// taken or admit refuses it.
func (c *Catalog) reserve(ctx context.Context, r Record, key []byte, admit func([]Record) error) error {
	if key == nil {
		key = randomBytes(32)
	}
	return c.opt.Backend.Records().Update(ctx, func(tx kv.Tx) error {
		old, err := c.records.Get(tx, r.ID)
		if err == nil && old.Status != StatusDeleted {
			return fhir.Errorf(fhir.KindConflict, "a data store with the id %q exists", r.ID)
		}
		if err == nil && old.HasStorage() {
			return fhir.Errorf(fhir.KindConflict, "the data store %q was deleted, and is kept until %s so that it can be restored; choose another id", r.ID, old.Kept.Format(time.RFC3339))
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if admit != nil {
			all, err := c.all(tx)
			if err == nil {
				err = admit(all)
			}
			if err != nil {
				return err
			}
		}
		if err := c.secrets.Put(tx, r.ID, secret{PageKey: key}, time.Time{}); err != nil {
			return err
		}
		return errors.Join(c.records.Put(tx, r.ID, r, time.Time{}), c.changed(tx, r))
	})
}

// all are the records of all data stores, oldest first.
func (c *Catalog) all(tx kv.Tx) ([]Record, error) {
	var list []Record
	for r, err := range c.records.All(tx) {
		if err != nil {
			return nil, err
		}
		list = append(list, r.Value)
	}
	slices.SortStableFunc(list, func(a, b Record) int { return a.Created.Compare(b.Created) })
	return list, nil
}

// Change rewrites the record of an active data store: its Name, Identity and
// Control; nothing else of it may be changed. It holds from the next request
// on. change may be run more than once.
func (c *Catalog) Change(ctx context.Context, id string, change func(*Record) error) (Record, error) {
	s, err := c.Store(id)
	if err != nil {
		return Record{}, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	var r Record
	err = c.opt.Backend.Records().Update(ctx, func(tx kv.Tx) (err error) {
		if r, err = c.records.Get(tx, id); err != nil {
			return err
		}
		if r.Status != StatusActive {
			return fhir.Errorf(fhir.KindConflict, "the data store %q is in state %s", id, r.Status)
		}
		if err := change(&r); err != nil {
			return err
		}
		if r.Identity != nil {
			if err := r.Identity.Check(); err != nil {
				return err
			}
		}
		return c.records.Put(tx, id, r, time.Time{})
	})
	if err != nil {
		return r, err
	}
	// The same provider keeps its pointer, by which others know it.
	if !reflect.DeepEqual(s.identity.Load(), r.Identity) {
		s.identity.Store(r.Identity)
	}
	return r, nil
}

// Clone copies a Control, so that a change of the copy leaves it as it is; nil
// gives an empty one.
func (c *Control) Clone() *Control {
	var other Control
	if c != nil {
		other = *c
	}
	tags := map[string]string{}
	maps.Copy(tags, other.Tags)
	other.Tags = tags
	return &other
}
