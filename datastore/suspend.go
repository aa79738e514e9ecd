package datastore

import (
	"context"
	"errors"
	"fmt"

	"github.com/tarnhealth/tarn/fhir"
)

// ErrKey says that the key of a data store cannot be used now: it is disabled,
// or what keeps it is away. A Backend's OpenStore returns it; the data store is
// then unavailable until Resume.
var ErrKey = errors.New("datastore: the key of the data store cannot be used")

// ErrKeyAway is the ErrKey of a key that what keeps it cannot be asked for now.
var ErrKeyAway = fmt.Errorf("%w: what keeps it cannot be reached", ErrKey)

// A Preparer is a Backend that is to know of a data store before its storage is
// made. keyID is the customer's key that the data store is encrypted with; ""
// for the server's own. The error may wrap ErrKey.
type Preparer interface {
	PrepareStore(ctx context.Context, id, keyID string) error
}

// prepare tells the backend of a data store that is about to be made.
func (c *Catalog) prepare(ctx context.Context, r Record) error {
	keyID := ""
	if r.Control != nil {
		keyID = r.Control.KeyID
	}
	p, can := c.opt.Backend.(Preparer)
	switch {
	case can:
	case keyID != "":
		return fhir.Errorf(fhir.KindNotSupported, "this server does not encrypt with keys of a key management service")
	default:
		return nil
	}
	err := p.PrepareStore(ctx, r.ID, keyID)
	if errors.Is(err, ErrKeyAway) {
		return fhir.Errorf(fhir.KindUnavailable, "the data store was not made: the service that keeps the key %q cannot be reached; try again", keyID).Because(err).With("Retry-After", "60")
	}
	if errors.Is(err, ErrKey) {
		return fhir.Errorf(fhir.KindInvalid, "the data store cannot be encrypted with the key %q: %v", keyID, err).Because(err)
	}
	return err
}

// openOrSuspend opens a data store, or remembers why its key does not let it.
func (c *Catalog) openOrSuspend(ctx context.Context, r Record) error {
	err := c.open(ctx, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.suspended, r.ID)
		return nil
	}
	if !errors.Is(err, ErrKey) {
		return err
	}
	if c.suspended == nil {
		c.suspended = map[string]error{}
	}
	c.suspended[r.ID] = err
	c.opt.Logger.Error("a data store is unavailable: its key cannot be used", "store", r.ID, "error", err)
	return nil
}

// Suspend closes a data store whose key may no longer be used. Requests that run
// are waited for; new ones are refused with the reason until Resume.
func (c *Catalog) Suspend(id string, why error) error {
	c.opt.Logger.Error("a data store is unavailable: its key may no longer be used", "store", id, "error", why)
	return c.suspend(id, why)
}

func (c *Catalog) suspend(id string, why error) error {
	c.mu.Lock()
	if c.suspended == nil {
		c.suspended = map[string]error{}
	}
	c.suspended[id] = why
	c.mu.Unlock()
	return c.closeStore(id)
}

// Resume opens a suspended data store again, if its key lets it; what hinders
// it else is an error.
func (c *Catalog) Resume(ctx context.Context, id string) error {
	r, err := c.Describe(ctx, id)
	if err != nil {
		return err
	}
	if r.Status == StatusDeleted {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.suspended, id) // it is kept, and nobody uses it
		return nil
	}
	if r.Status != StatusActive {
		return fhir.Errorf(fhir.KindConflict, "the data store %q is in state %s", id, r.Status)
	}
	if why := c.Suspended(id); why == nil {
		return nil
	}
	if err := c.openOrSuspend(ctx, r); err != nil {
		return err
	}
	return c.Suspended(id)
}

// Reopen closes a data store and opens it again, after something that its
// backend does when it opens it has changed. Requests meanwhile are refused with
// KindUnavailable.
func (c *Catalog) Reopen(ctx context.Context, id string) error {
	if err := c.suspend(id, errReopening); err != nil {
		c.opt.Logger.Error("a data store could not be closed cleanly", "store", id, "error", err)
	}
	return c.Resume(ctx, id)
}

var errReopening = errors.New("datastore: the data store is being opened again")

// Suspended is why a data store is unavailable, nil where it is not.
func (c *Catalog) Suspended(id string) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.suspended[id]
}

// unavailable is what callers are told of a suspended data store: not what a
// service says about its keys, which is for the operator.
func unavailable(id string, why error) error {
	if errors.Is(why, errReopening) {
		return fhir.Errorf(fhir.KindUnavailable, "the data store %q is being opened again; try again", id).With("Retry-After", "5")
	}
	if errors.Is(why, ErrKeyAway) {
		return fhir.Errorf(fhir.KindUnavailable, "the data store %q is unavailable: the service that keeps the key that it is encrypted with cannot be reached; when it can, the data store comes back", id).With("Retry-After", "60")
	}
	return fhir.Errorf(fhir.KindUnavailable, "the data store %q is unavailable: the key that it is encrypted with cannot be used now; when its operator has enabled the key, the data store comes back", id).With("Retry-After", "60")
}
