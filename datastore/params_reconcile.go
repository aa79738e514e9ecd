package datastore

import (
	"context"
	"fmt"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// startParams compares what is recorded of the search parameters with the
// resources, which count, and begins the background work.
func (s *Store) startParams(ctx context.Context) error {
	if err := s.reconcile(ctx); err != nil {
		return err
	}
	s.guideParams(ctx, s.Guides())
	s.params.start(s.backend, func(r *registries, v store.Version) ([]search.Entry, error) {
		c, err := candidate(r, s.base, v)
		if err != nil {
			return nil, err
		}
		return c.Entries, nil
	})
	return nil
}

// reconcile finds the SearchParameter resources that were written, and those
// that went, without a record of it: a crash came between.
func (s *Store) reconcile(ctx context.Context) error {
	p := s.params
	p.defining.Lock()
	defer p.defining.Unlock()
	view, err := s.backend.View(ctx, 0)
	if err != nil {
		return err
	}
	defer view.Close()
	there := map[string]bool{}
	plan := search.Plan{Parts: []search.Part{{Type: searchParameter}}}
	for v, err := range store.All(ctx, view, plan, search.MaxCount) {
		if err != nil {
			return err
		}
		there[v.ID] = true
		if err := s.reconcileOne(ctx, v); err != nil {
			return err
		}
	}
	p.mu.Lock()
	var gone []change
	for id, c := range p.customs {
		if !there[id] && c.newest() != nil && !c.ofGuide() {
			gone = append(gone, change{id: id})
		}
	}
	p.mu.Unlock()
	if len(gone) > 0 {
		p.apply(ctx, gone, make([]store.Version, len(gone)))
	}
	return nil
}

// reconcileOne follows one resource. One that cannot be used, for it was
// stored before definitions were checked, is noted and told.
func (s *Store) reconcileOne(ctx context.Context, v store.Version) error {
	p := s.params
	if c := p.customs[v.ID]; c != nil && c.T == v.T {
		return nil
	}
	tree, err := s.Read(v)
	if err != nil {
		return fmt.Errorf("stored version %s/%s/_history/%d: %w", v.Type, v.ID, v.Number, err)
	}
	c := change{id: v.ID}
	if tree.Root().TextOf("status") == "active" {
		if c.def, err = p.read(tree, []string{v.ID}); err == nil {
			_, err = p.admit([]change{c})
		}
	}
	if err != nil {
		c.def = nil
	}
	if c.def == nil && err == nil && p.customs[v.ID] == nil {
		return nil
	}
	p.apply(ctx, []change{c}, []store.Version{v})
	if err != nil {
		p.log.Error("a stored search parameter cannot be used", "id", v.ID, "error", err)
		p.refuse(v, err)
	}
	return nil
}

// refuse notes why a stored definition is not in use.
func (p *searchParams) refuse(v store.Version, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.customs[v.ID] == nil {
		p.customs[v.ID] = &custom{ID: v.ID}
	}
	p.customs[v.ID].T, p.customs[v.ID].Error = v.T, err.Error()
}
