package datastore

import (
	"bytes"
	"context"
	"errors"
	"iter"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// maxPurges bounds how often a purge looks again for what was written while it
// went on.
const maxPurges = 10

// Purge erases a patient and everything in the patient's compartment with all
// versions: what is there, what is deleted, and past versions of what is not in
// the compartment any more. What is in the compartments of other patients as
// well stays, and is named. The patient goes last, so that a purge that was
// cut off can be repeated. A Limit does not count.
func (s *Store) Purge(ctx context.Context, access authz.Access, e Erasing, id string) (Erased, error) {
	ctx, e.Limit = apart(ctx), 0
	x, err := s.newEraser(ctx, access, e)
	if err != nil {
		return Erased{}, err
	}
	defer func() { x.view.Close() }()
	p := &purge{eraser: x, id: id, key: search.ReferenceKey("Patient", id)}
	self := store.Erasure{Type: "Patient", ID: id}
	if err = x.exists(ctx, self); err == nil {
		err = p.reaches()
	}
	if err != nil {
		return x.result, err
	}
	for range maxPurges {
		before := x.result.count()
		if err = p.run(ctx); err != nil || x.DryRun || x.result.count() == before {
			break
		}
		if err = x.reopen(ctx); err != nil {
			break
		}
	}
	if err == nil {
		err = x.erase(ctx, []store.Erasure{self})
	}
	return x.finish(ctx, err)
}

// reopen takes a view of now in the place of the one before.
func (x *eraser) reopen(ctx context.Context) error {
	view, err := x.view.At(ctx, 0)
	if err != nil {
		return err
	}
	x.view.Close()
	x.view = view
	return nil
}

// A purge is the erasure of one patient's compartment.
type purge struct {
	*eraser
	id  string
	key []byte
	// walked is set once the histories were looked through.
	walked bool
}

// run erases what is in the compartment now.
func (p *purge) run(ctx context.Context) error {
	p.result.Kept, p.result.Keeping = nil, 0
	for resourceType, where := range p.compartment() {
		if err := p.ofType(ctx, resourceType, where); err != nil {
			return err
		}
	}
	p.walked = true
	return nil
}

// compartment yields the types that can be in the compartment, with the
// condition for it.
func (p *purge) compartment() iter.Seq2[string, search.Node] {
	return func(yield func(string, search.Node) bool) {
		for _, t := range p.store.Definitions().Schema.Types {
			if t.Kind != fhir.KindResource || t.Name == auditEvent {
				continue
			}
			where, ok := p.store.Registry().CompartmentNode("Patient", p.id, t.Name)
			if ok && !yield(t.Name, where) {
				return
			}
		}
	}
}

// reaches refuses a caller that cannot find and erase all of the compartment:
// what is left would pass for erased.
func (p *purge) reaches() error {
	for resourceType := range p.compartment() {
		for _, i := range []authz.Interaction{authz.Erase, authz.SearchType, authz.HistoryOfType} {
			if err := p.access.Check(i, resourceType); err != nil {
				return err
			}
			if !p.view.open(i, resourceType) {
				return fhir.Errorf(fhir.KindForbidden, "a patient is purged by a caller who may find and erase every resource of the compartment; this caller may not %s every %s", i, resourceType)
			}
		}
	}
	return nil
}

func (p *purge) ofType(ctx context.Context, resourceType string, where search.Node) error {
	batch := p.batch()
	whole := map[string]bool{}
	err := p.matches(ctx, search.Plan{Parts: []search.Part{{Type: resourceType, Where: where}}}, func(v *store.Version) error {
		if v.Type == "Patient" && v.ID == p.id {
			return nil
		}
		if alone, err := p.alone(v); err != nil || !alone {
			p.keep(v)
			return err
		}
		whole[v.ID] = true
		return batch.add(ctx, store.Erasure{Type: v.Type, ID: v.ID})
	}, batch.flush)
	if err != nil || p.walked {
		return err
	}
	return batch.walk(ctx, store.History{Type: resourceType}, p.mayConcern, func(v *store.Version, current bool) error {
		return p.past(ctx, batch, v, current, whole)
	})
}

func (p *purge) keep(v *store.Version) {
	p.result.Keeping++
	if len(p.result.Kept) < maxNamed {
		p.result.Kept = append(p.result.Kept, v.Type+"/"+v.ID)
	}
}

// past takes a version that is not shown any more: of a deleted resource that
// was in the compartment all versions, of another only those that were. whole
// are the ids of what is erased whole.
func (p *purge) past(ctx context.Context, batch *batcher, v *store.Version, current bool, whole map[string]bool) error {
	last := *v
	switch {
	case v.Type == "Patient" && v.ID == p.id, whole[v.ID], current && !v.Deleted(), !current && v.Deleted():
		return nil
	case v.Deleted():
		var err error
		last, err = p.view.view.ReadVersion(ctx, v.Type, v.ID, v.Number-1)
		if errors.Is(err, store.ErrNotFound) || err == nil && last.Deleted() {
			return nil
		}
		if err != nil {
			return storeError(err)
		}
	}
	if alone, err := p.alone(&last); err != nil || !alone {
		return err
	}
	e := store.Erasure{Type: v.Type, ID: v.ID, Number: v.Number}
	if v.Deleted() {
		whole[v.ID] = true
		e.Number = 0
	}
	return batch.add(ctx, e)
}

// alone reports whether a version is in the patient's compartment and in no
// other patient's.
func (p *purge) alone(v *store.Version) (bool, error) {
	c, err := candidate(p.store.params.now.Load(), p.store.base, *v)
	if err != nil {
		return false, err
	}
	in, others := false, 0
	for _, e := range c.Entries {
		if e.Param.Code != search.MarkCompartment+"Patient" {
			continue
		}
		if bytes.Equal(e.Key, p.key) {
			in = true
		} else {
			others++
		}
	}
	return in && others == 0, nil
}

// mayConcern is false for the versions, most of a history, that do not name the
// patient at all. A text with an escape may do so in another spelling.
func (p *purge) mayConcern(v *store.Version) bool {
	return v.Deleted() || bytes.Contains(v.Body.JSON, []byte(p.id)) || bytes.IndexByte(v.Body.JSON, '\\') >= 0
}
