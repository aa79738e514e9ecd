package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/terminology/capabilities"
)

// terminologyCapabilities answers GET [base]/metadata?mode=terminology.
// http://hl7.org/fhir/R4/http.html#capabilities
func (r *request) terminologyCapabilities(w http.ResponseWriter) error {
	s, err := r.shape("TerminologyCapabilities")
	if err != nil {
		return err
	}
	facts := capabilities.Facts{Base: r.store.Base(), Version: r.h.Version, Date: r.h.started}
	facts.Books, facts.External = r.store.Loaded()
	body, err := capabilities.Statement(facts)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "public, max-age=60")
	return r.writeShaped(w, "TerminologyCapabilities", body, s)
}
