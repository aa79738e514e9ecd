package consented

import (
	"context"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/authz/consent"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A finder finds out who a caller is in the words of Consents.
type finder struct {
	*Consents
	registry *search.Registry
	set      *consent.Set
	view     store.View
}

// who is the caller with what it belongs to: a practitioner's active roles, the
// organizations of those, the active care teams and the groups it is in. They
// are looked up only where a rule names such an actor.
func (f *finder) who(ctx context.Context, access authz.Access, policy authz.ConsentPolicy) (*consent.Who, error) {
	caller := access.Caller()
	w := &consent.Who{References: map[string]bool{}, Purpose: caller.Purpose, Identifiers: nonEmpty(caller.Client, caller.Subject)}
	if w.Purpose == "" {
		w.Purpose = policy.Purpose
	}
	if caller.Client != "" {
		w.References["Device/"+caller.Client] = true
	}
	w.Known = caller.FHIRUser != "" || !slices.ContainsFunc(caller.Scopes.Resources, func(s authz.Scope) bool { return s.Level != authz.LevelSystem })
	if caller.FHIRUser == "" {
		return w, nil
	}
	ref := fhir.ParseReference(caller.FHIRUser, f.opt.Base)
	if ref.Kind != fhir.RefRelative {
		w.References[ref.Text] = true
		return w, nil
	}
	w.References[ref.Type+"/"+ref.ID] = true
	w.Own = access.Own()
	return w, f.affiliations(ctx, w, ref.Type, ref.ID)
}

func nonEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// affiliations adds what the caller belongs to.
func (f *finder) affiliations(ctx context.Context, w *consent.Who, resourceType, id string) (err error) {
	if !f.set.NamesActors("Organization", roleType, careTeamType, groupType, "Practitioner") {
		return nil
	}
	if f.view, err = f.store.View(ctx, 0); err != nil {
		return err
	}
	defer f.view.Close()
	switch resourceType {
	case "Practitioner":
		err = f.find(ctx, roleType, []search.Pair{{Name: "practitioner", Value: "Practitioner/" + id}, {Name: "active:not", Value: "false"}}, w, "organization")
	case roleType:
		err = f.find(ctx, roleType, []search.Pair{{Name: "_id", Value: id}, {Name: "active:not", Value: "false"}}, w, "organization", "practitioner")
	}
	if err != nil {
		return err
	}
	is := strings.Join(sorted(w.References), ",")
	if err := f.find(ctx, careTeamType, []search.Pair{{Name: "participant", Value: is}, {Name: "status", Value: "active"}}, w); err != nil {
		return err
	}
	return f.find(ctx, groupType, []search.Pair{{Name: "member", Value: is}}, w)
}

func sorted(set map[string]bool) (all []string) {
	for ref := range set {
		if fhir.ParseReference(ref, "").Kind == fhir.RefRelative {
			all = append(all, ref)
		}
	}
	slices.Sort(all)
	return all
}

// find adds the resources of a search, and what they refer to by some elements.
func (f *finder) find(ctx context.Context, resourceType string, pairs []search.Pair, w *consent.Who, elements ...string) error {
	q, err := f.registry.Parse([]string{resourceType}, pairs, search.Options{})
	if err != nil {
		return err
	}
	for v, err := range store.All(ctx, f.view, q.Plan, pageSize) {
		if err != nil {
			return err
		}
		w.References[v.Type+"/"+v.ID] = true
		if len(elements) == 0 {
			continue
		}
		tree, err := f.opt.Read(v)
		if err != nil {
			return err
		}
		for _, name := range elements {
			if ref := fhir.ParseReference(tree.Root().Child(name).TextOf("reference"), f.opt.Base); ref.Kind == fhir.RefRelative {
				w.References[ref.Type+"/"+ref.ID] = true
			}
		}
	}
	return nil
}
