package datastore

import (
	"context"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// maxGone is how many erased resources are looked for in references.
const maxGone = 1000

// referring finds the resources that still refer to what is erased, as far as
// the caller may see them. The AuditEvents that record erasures do not count.
func (x *eraser) referring(ctx context.Context) error {
	if len(x.gone) == 0 {
		return nil
	}
	view, err := x.store.View(ctx, x.access, 0)
	if err != nil {
		return err
	}
	defer view.Close()
	keys := map[string][][]byte{}
	for _, e := range x.gone {
		keys[e.Type] = append(keys[e.Type], search.ReferenceKey(e.Type, e.ID))
	}
	for source, params := range x.store.references() {
		where := referringTo(search.Include{Source: source, Params: params}, keys)
		if source == auditEvent || len(where) == 0 {
			continue
		}
		if err := x.referringOf(ctx, view, source, where); err != nil {
			return err
		}
	}
	return nil
}

// references are all reference parameters, by the type that they are of.
func (s *Store) references() map[string][]*search.Param {
	all := map[string][]*search.Param{}
	for _, p := range s.Registry().Params {
		if p.Def != nil && p.Def.Type == definition.ParamReference {
			all[p.Type] = append(all[p.Type], p)
		}
	}
	return all
}

// referringOf adds the resources of one type.
func (x *eraser) referringOf(ctx context.Context, view *View, source string, where search.Node) error {
	q := &search.Query{Plan: search.Plan{Parts: []search.Part{{Type: source, Where: where}}}}
	r, err := view.Search(ctx, q, store.Page{Limit: maxNamed, Total: true})
	if fhir.KindOf(err) == fhir.KindForbidden {
		return nil
	}
	if err != nil {
		return err
	}
	x.result.ReferringTotal += r.Total
	for v, err := range r.Matches {
		if err != nil {
			return storeError(err)
		}
		if len(x.result.Referring) < maxNamed {
			x.result.Referring = append(x.result.Referring, v.Type+"/"+v.ID)
		}
	}
	return nil
}
