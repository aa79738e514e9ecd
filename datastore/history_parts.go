package datastore

import (
	"slices"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// historyParts are what the index can tell of the versions that the caller may
// see in a history: the entries of every version are in it, so that a patient's
// history costs what there is of the patient. Each version is still looked at
// before it is shown. It is nil where everything is to be looked at.
func (v *View) historyParts(i authz.Interaction, resourceType string) []search.Part {
	parts, narrowed := []search.Part{}, false
	for _, t := range v.store.Definitions().Schema.Types {
		if t.Kind != fhir.KindResource || resourceType != "" && t.Name != resourceType {
			continue
		}
		where, ok := v.access.Filter(i, t.Name)
		switch {
		case v.access.BySecurityContext(i, t.Name):
			where = nil // nothing of it is in the index
		case !ok:
			narrowed = true
			continue
		}
		where = v.told(where)
		narrowed = narrowed || where != nil
		parts = append(parts, search.Part{Type: t.Name, Where: where})
	}
	if !narrowed {
		return nil
	}
	return parts
}

// told is what the index tells of a condition on any version: it holds where the
// condition does, and perhaps elsewhere. nil always holds.
func (v *View) told(n search.Node) search.Node {
	all, ok := n.(search.And)
	switch {
	case ok:
		var kept search.And
		for _, m := range all {
			if m = v.told(m); m != nil {
				kept = append(kept, m)
			}
		}
		if kept != nil {
			return kept
		}
	case n != nil && v.tells(n):
		return n
	}
	return nil
}

// tells reports whether the index decides a condition for every version, those
// that are superseded too. The entries of parameters that come and go may not all
// be there.
func (v *View) tells(n search.Node) bool {
	every := func(nodes []search.Node) bool {
		return !slices.ContainsFunc(nodes, func(m search.Node) bool { return !v.tells(m) })
	}
	stays := func(p *search.Param) bool { return p.Ordinal < len(v.store.params.base.Params) }
	switch n := n.(type) {
	case nil, search.IDs, search.Updated:
		return true
	case search.Terms:
		return n.Recheck == nil && stays(n.Param)
	case search.And:
		return every(n)
	case search.Or:
		return every(n)
	case search.Not:
		return v.tells(n.Node)
	case search.Chain:
		return stays(n.Param) && v.tells(n.Where)
	case search.Has:
		return stays(n.Param) && v.tells(n.Where)
	}
	return false
}
