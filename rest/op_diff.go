package rest

import (
	"net/http"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/patch"
)

// diffOperation is $diff: what makes one version of a resource into another,
// as the Parameters of a FHIRPath Patch. fromVersion is by default the version
// before toVersion, and toVersion the current one.
func diffOperation() operation {
	return operation{
		code: "diff", levels: []level{levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only("fromVersion", "toVersion"); err != nil {
				return err
			}
			view, done, err := r.openView(0)
			if err != nil {
				return err
			}
			defer done()
			to := in.text("toVersion")
			if to == "" {
				v, err := view.Read(r.ctx, r.resourceType, r.id)
				if err != nil {
					return err
				}
				to = versionID(&v)
			}
			from := in.text("fromVersion")
			if from == "" {
				n, err := strconv.ParseUint(to, 10, 64)
				if err != nil || n < 2 {
					return fhir.Errorf(fhir.KindNotFound, "there is no version before %s/%s/_history/%s", r.resourceType, r.id, to)
				}
				from = strconv.FormatUint(n-1, 10)
			}
			var trees [2]*fhir.Tree
			for i, number := range []string{from, to} {
				v, err := view.VRead(r.ctx, r.resourceType, r.id, number)
				if err != nil {
					return err
				}
				if trees[i], err = r.store.Read(v); err != nil {
					return err
				}
			}
			return r.writeJSON(w, http.StatusOK, patch.Diff(trees[0], trees[1]))
		},
	}
}
