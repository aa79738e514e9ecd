package datastore

import (
	"context"
	"errors"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// An Asked is an interaction that ExplainAccess explains.
type Asked struct {
	Interaction authz.Interaction
	Type        string
	// ID names a stored resource, "" for the type as a whole.
	ID string
	// Resource is what is to be stored, nil for what is stored.
	Resource *fhir.Tree
}

// ExplainAccess tells step by step why a caller may or may not do something, now.
// exists is false where there is no such resource: then it is explained for the
// type. It is for administrators: the steps tell what the caller may not know.
func (s *Store) ExplainAccess(ctx context.Context, access authz.Access, asked Asked) (steps []authz.Step, exists bool, err error) {
	v, err := s.View(ctx, access, 0)
	if err != nil {
		return nil, false, err
	}
	defer v.Close()
	c, err := v.asked(ctx, asked)
	if err != nil {
		return nil, false, storeError(err)
	}
	steps, err = v.access.Explain(asked.Interaction, asked.Type, c, v.exists(ctx))
	if err != nil || c == nil {
		return steps, false, storeError(err)
	}
	// What counts is what is enforced.
	last := &steps[len(steps)-1]
	if last.Allows = v.access.Check(asked.Interaction, asked.Type) == nil; last.Allows {
		last.Allows, err = v.allows(ctx, asked.Interaction, c)
	}
	if err != nil {
		return nil, true, storeError(err)
	}
	return steps, true, v.nameConsents(ctx, steps, c)
}

// asked is what is explained, nil where there is none.
func (v *View) asked(ctx context.Context, asked Asked) (*search.Candidate, error) {
	if asked.Resource != nil {
		id := asked.ID
		if id == "" {
			id = "new"
		}
		entries, err := v.store.params.now.Load().extract(asked.Resource, id, v.store.base)
		return &search.Candidate{Type: asked.Type, ID: id, LastUpdated: v.store.now(), Entries: entries, Tree: asked.Resource}, err
	}
	if asked.ID == "" {
		return nil, nil
	}
	version, err := v.view.Read(ctx, asked.Type, asked.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return v.guard.candidate(ctx, &version)
}

// nameConsents adds the Consents of the patients that a resource is about.
func (v *View) nameConsents(ctx context.Context, steps []authz.Step, c *search.Candidate) error {
	var patients []string
	for _, e := range c.Entries {
		if t, id, ok := search.ParseReferenceKey(e.Key); ok && t == "Patient" && e.Param.Code == search.MarkCompartment+"Patient" {
			patients = append(patients, id)
		}
	}
	for i := range steps {
		if steps[i].By != "consent" || len(patients) == 0 {
			continue
		}
		ids, err := v.store.consents.Applies(ctx, patients)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			steps[i].Name = "Consent/" + strings.Join(ids, ", Consent/")
		}
	}
	return nil
}
