package rest

import (
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// references are the resources of the data store that a value refers to by
// literal references, in order and each once.
func (r *request) references(n fhir.Node) []fhir.Ref {
	var refs []fhir.Ref
	seen := map[string]bool{}
	var walk func(n fhir.Node)
	walk = func(n fhir.Node) {
		if n.Type().Name == "Reference" {
			ref := fhir.ParseReference(n.TextOf("reference"), r.store.Base())
			if key := ref.Type + "/" + ref.ID; ref.Kind == fhir.RefRelative && !seen[key] {
				seen[key] = true
				refs = append(refs, ref)
			}
		}
		for c := range n.Children() {
			walk(c)
		}
	}
	walk(n)
	return refs
}

// readReferred reads what a reference names. What is missing, deleted, or not
// for this caller is left out: ok is false.
func (r *request) readReferred(view *datastore.View, ref fhir.Ref) (v store.Version, ok bool, err error) {
	v, err = view.Read(r.ctx, ref.Type, ref.ID)
	if err != nil {
		switch fhir.KindOf(err) {
		case fhir.KindNotFound, fhir.KindGone, fhir.KindForbidden:
			return v, false, nil
		}
	}
	return v, err == nil, err
}
