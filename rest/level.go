package rest

import (
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/validate"
)

// HealthLake's headers: how strictly a request's resources are validated, and
// in the answer, that something was stored although it breaks rules.
const (
	levelHeader  = "X-Amzn-Healthlake-Fhir-Validation-Level"
	issuesHeader = "X-Amzn-Healthlake-Validation-Issues"
)

// validationLevel is the level that the request asks for.
func (r *request) validationLevel() (validate.Level, error) {
	l, err := validate.ParseLevel(r.header.Get(levelHeader))
	var e *fhir.Error
	if errors.As(err, &e) {
		return l, e.At("http." + levelHeader)
	}
	return l, err
}

// setIssuesHeader says that a resource was stored with findings.
func setIssuesHeader(header http.Header, outcomes ...datastore.Outcome) {
	for i := range outcomes {
		if len(outcomes[i].Issues) > 0 {
			header.Set(issuesHeader, "true")
		}
	}
}
