package rest

import (
	"iter"
	"slices"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// maxReversed is how many versions a history that begins with the oldest may
// have: the store yields the newest first.
const maxReversed = 50_000

// reversed turns versions around and leaves out those of the pages before. It
// keeps no bodies, and reads those of the page again.
func (p *historyPage) reversed(view *datastore.View, versions iter.Seq2[store.Version, error]) iter.Seq2[store.Version, error] {
	return func(yield func(store.Version, error) bool) {
		var all []store.Version
		for v, err := range versions {
			switch {
			case err != nil:
				yield(v, err)
				return
			case len(all) == maxReversed:
				yield(v, fhir.Errorf(fhir.KindTooCostly, "the history has more than %d versions, too many to be sorted with the oldest first; narrow it by _since", maxReversed).At("http._sort"))
				return
			case v.T > p.after:
				v.Body = fhir.Body{}
				all = append(all, v)
			}
		}
		for _, v := range slices.Backward(all) {
			again, ok, err := p.again(view, &v)
			if err == nil && !ok {
				continue
			}
			if !yield(again, err) || err != nil {
				return
			}
		}
	}
}

// again reads a version of the history once more; ok is false where the caller
// may see it in the history, but not by itself.
func (p *historyPage) again(view *datastore.View, v *store.Version) (found store.Version, ok bool, err error) {
	if v.Deleted() {
		return *v, true, nil
	}
	versions, err := view.History(p.r.ctx, store.History{Type: v.Type, ID: v.ID, Before: v.T + 1})
	if err != nil {
		return found, false, err
	}
	for found, err := range versions {
		return found, err == nil && found.T == v.T, err
	}
	return found, false, nil
}
