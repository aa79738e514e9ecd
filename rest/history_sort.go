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
			var err error
			if !v.Deleted() {
				v, err = view.VRead(p.r.ctx, v.Type, v.ID, versionID(&v))
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}
