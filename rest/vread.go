package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
)

// vread answers GET [base]/[type]/[id]/_history/[version].
// http://hl7.org/fhir/R4/http.html#vread
func vread(w http.ResponseWriter, r *request) error {
	if !fhir.ValidID(r.id) {
		return r.noSuchID()
	}
	view, done, err := r.openView(0)
	if err != nil {
		return err
	}
	defer done()
	v, err := view.VRead(r.ctx, r.resourceType, r.id, r.version)
	if err != nil {
		return err
	}
	return r.writeRead(w, &v)
}
