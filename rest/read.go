package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// read answers GET [base]/[type]/[id].
// http://hl7.org/fhir/R4/http.html#read
func read(w http.ResponseWriter, r *request) error {
	if !fhir.ValidID(r.id) {
		return r.noSuchID()
	}
	view, done, err := r.openView(0)
	if err != nil {
		return err
	}
	defer done()
	v, err := view.Read(r.ctx, r.resourceType, r.id)
	if err != nil {
		return err
	}
	return r.writeRead(w, &v)
}

// writeRead answers read and vread, as _summary or _elements asks.
func (r *request) writeRead(w http.ResponseWriter, v *store.Version) error {
	if err := r.onlyParameters("_summary", "_elements"); err != nil {
		return err
	}
	if err := r.matched(versionID(v), versionPath(v)); err != nil {
		return err
	}
	if r.offers() && r.asksForFHIR() {
		return r.offerDownload(w, v)
	}
	if done, err := r.writeContent(w, v); done || err != nil {
		return err
	}
	s, err := r.shape(r.resourceType)
	if err != nil {
		return err
	}
	setVersionHeaders(w.Header(), v)
	if r.notModified(v) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return r.writeVersion(w, http.StatusOK, v, s)
}

func (r *request) noSuchID() error {
	return fhir.Errorf(fhir.KindNotFound, "%s/%s does not exist: an id is 1 to 64 of A-Z, a-z, 0-9, '-' and '.'", r.resourceType, r.id)
}
