package datastore

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// auditEvent is the type of resources that are never erased.
const auditEvent = "AuditEvent"

// erasedAtOnce is how many resources or versions are erased together, with one
// AuditEvent.
const erasedAtOnce = 500

// An Erasing is what all erasures have in common.
type Erasing struct {
	// Operation names what was asked for ("$erase"), for the AuditEvents.
	Operation string
	// Record keeps a record of what is about to be erased, durably, and returns
	// the id of its AuditEvent; nil commits the AuditEvent to the data store.
	Record func(audit.Record) (id string, err error)
	// Limit is how many resources or versions are erased at most; 0 is any
	// number.
	Limit int
	// DryRun erases nothing, and finds what would be.
	DryRun bool
	// Progress, where not nil, is told from time to time what is erased so far.
	Progress func(Erased)
}

// Erased is what an erasure came to.
type Erased struct {
	// Resources are the numbers of whole resources by type; Single is the
	// number of versions erased by themselves.
	Resources map[string]int
	Single    int
	// Versions is how many versions are gone in all; 0 in a dry run.
	Versions int
	// Audits are the ids of the AuditEvents.
	Audits []string
	// More is set where the limit was reached and there is more to erase.
	More bool
	// Kept are resources ("Group/1") that were left because they are in the
	// compartments of other patients as well; Keeping is how many these are.
	Kept    []string
	Keeping int
	// Referring are resources that refer to what was erased; ReferringTotal is
	// how many these are. Of very many erased resources only some are looked at.
	Referring      []string
	ReferringTotal int
}

// maxNamed bounds the lists of an Erased.
const maxNamed = 20

func (r *Erased) count() int {
	n := r.Single
	for _, of := range r.Resources {
		n += of
	}
	return n
}

// An eraser is one erasure in the making.
type eraser struct {
	Erasing
	store  *Store
	access authz.Access
	view   *View // the caller's, of when the erasure began
	result Erased
	// gone are resources that were erased, to look for references to.
	gone []store.Erasure
}

func (s *Store) newEraser(ctx context.Context, access authz.Access, e Erasing) (*eraser, error) {
	view, err := s.View(ctx, access, 0)
	if err != nil {
		return nil, err
	}
	return &eraser{Erasing: e, store: s, access: access, view: view, result: Erased{Resources: map[string]int{}}}, nil
}

// finish looks for what refers to what is gone.
func (x *eraser) finish(ctx context.Context, err error) (Erased, error) {
	if err == nil && !x.DryRun {
		err = x.referring(ctx)
	}
	return x.result, err
}

// Erase removes resources with all their versions, or single versions that are
// not the current ones, for good. Nothing is erased that is not recorded: an
// AuditEvent is committed before. KindNotFound where something is not there,
// KindForbidden for AuditEvents, KindConflict for a current version.
func (s *Store) Erase(ctx context.Context, access authz.Access, e Erasing, erasures []store.Erasure) (Erased, error) {
	ctx = apart(ctx)
	x, err := s.newEraser(ctx, access, e)
	if err != nil {
		return Erased{}, err
	}
	defer x.view.Close()
	for _, one := range erasures {
		if err := x.exists(ctx, one); err != nil {
			return x.result, err
		}
	}
	for batch := range slices.Chunk(erasures, erasedAtOnce) {
		if err = x.erase(ctx, batch); err != nil {
			break
		}
	}
	return x.finish(ctx, err)
}

// check refuses what the caller may not erase.
func (x *eraser) check(resourceType string) error {
	if resourceType == auditEvent {
		return fhir.Errorf(fhir.KindForbidden, "AuditEvent resources record what was done; they cannot be erased")
	}
	return x.access.Check(authz.Erase, resourceType)
}

// exists refuses what is not there for the caller; a deleted resource is.
func (x *eraser) exists(ctx context.Context, e store.Erasure) error {
	if err := x.check(e.Type); err != nil {
		return err
	}
	current, err := x.view.Read(ctx, e.Type, e.ID)
	if err != nil && fhir.KindOf(err) != fhir.KindGone {
		return err
	}
	if e.Number != 0 {
		if current.Number == e.Number {
			return stillCurrent(e)
		}
		if _, err := x.view.VRead(ctx, e.Type, e.ID, strconv.FormatUint(e.Number, 10)); err != nil && fhir.KindOf(err) != fhir.KindGone {
			return err
		}
	}
	allowed, err := x.mayErase(ctx, e)
	if err == nil && !allowed {
		err = refusal(authz.Erase, erasureName(e))
	}
	return err
}

// mayErase reports whether the caller may erase every version of what an
// erasure names.
func (x *eraser) mayErase(ctx context.Context, e store.Erasure) (bool, error) {
	if x.view.open(authz.Erase, e.Type) {
		return true, nil
	}
	if e.Number != 0 {
		v, err := x.view.view.ReadVersion(ctx, e.Type, e.ID, e.Number)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, storeError(err)
		}
		return x.view.shows(ctx, authz.Erase, &v)
	}
	for v, err := range x.view.view.History(ctx, store.History{Type: e.Type, ID: e.ID}) {
		if err != nil {
			return false, storeError(err)
		}
		if allowed, err := x.view.shows(ctx, authz.Erase, &v); !allowed || err != nil {
			return false, err
		}
	}
	return true, nil
}

func stillCurrent(e store.Erasure) error {
	return fhir.Errorf(fhir.KindConflict, "version %d is the current one of %s/%s; write or delete the resource first, or erase all of it", e.Number, e.Type, e.ID)
}

// erase erases a batch, and records it before. What is gone already, for
// another erasure was faster, does not count.
func (x *eraser) erase(ctx context.Context, batch []store.Erasure) error {
	if len(batch) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	for _, e := range batch {
		if err := x.check(e.Type); err != nil {
			return err
		}
	}
	if x.DryRun {
		x.note(batch, 0)
		return nil
	}
	if slices.ContainsFunc(batch, func(e store.Erasure) bool { return e.Type == searchParameter }) {
		x.store.params.defining.Lock()
		defer x.store.params.defining.Unlock()
		if _, err := x.store.params.admit(definitions(batch)); err != nil {
			return err
		}
	}
	if err := x.audit(ctx, batch, nil); err != nil {
		return err
	}
	// Once it is recorded it is done, whatever becomes of the caller.
	ctx = context.WithoutCancel(ctx)
	left, versions, err := x.store.eraseThere(ctx, batch)
	if err != nil {
		return errors.Join(err, x.audit(ctx, batch, err))
	}
	x.note(left, versions)
	x.store.forgetParams(ctx, left)
	if x.Progress != nil {
		x.Progress(x.result)
	}
	return nil
}

// eraseThere erases those of a batch that are there.
func (s *Store) eraseThere(ctx context.Context, batch []store.Erasure) (left []store.Erasure, versions int, err error) {
	left = slices.Clone(batch)
	for len(left) > 0 {
		versions, err = s.contents.Erase(ctx, left, func() (int, error) { return s.backend.Erase(ctx, left) })
		var failed *store.OpError
		switch {
		case err == nil:
			return left, versions, nil
		case !errors.As(err, &failed):
			return nil, 0, storeError(err)
		case errors.Is(err, store.ErrVersion):
			return nil, 0, stillCurrent(left[failed.Index])
		case !errors.Is(err, store.ErrNotFound):
			return nil, 0, storeError(err)
		}
		left = slices.Delete(left, failed.Index, failed.Index+1)
	}
	return nil, 0, nil
}

// note counts a batch.
func (x *eraser) note(batch []store.Erasure, versions int) {
	x.result.Versions += versions
	for _, e := range batch {
		if e.Number != 0 {
			x.result.Single++
			continue
		}
		x.result.Resources[e.Type]++
		if len(x.gone) < maxGone {
			x.gone = append(x.gone, e)
		}
	}
}

// forgetParams takes the parameters out of use whose resources are erased.
func (s *Store) forgetParams(ctx context.Context, erased []store.Erasure) {
	if changes := definitions(erased); len(changes) > 0 {
		s.params.apply(ctx, changes, make([]store.Version, len(changes)))
	}
}

// definitions are the changes of erased SearchParameters.
func definitions(erased []store.Erasure) (changes []change) {
	for _, e := range erased {
		if e.Type == searchParameter && e.Number == 0 {
			changes = append(changes, change{id: e.ID})
		}
	}
	return changes
}
