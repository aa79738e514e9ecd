package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// An Operation on a whole data store is carried out by another package.
type Operation struct {
	// Code is its name without the $.
	Code string
	// AffectsState keeps GET from calling it.
	AffectsState bool
	// Serve answers with a resource, as JSON. It decides who may call, and reads
	// the body itself.
	Serve func(c *OperationCall) ([]byte, error)
}

// An OperationCall is a call of an Operation.
type OperationCall struct {
	Request *http.Request
	Store   *datastore.Store
	Access  authz.Access
	Query   []search.Pair
}

// operation is a row of the operation table.
func (o *Operation) operation() operation {
	return operation{
		code: o.Code, on: []string{""}, levels: []level{levelSystem}, affectsState: o.AffectsState, ownBody: true,
		serve: func(w http.ResponseWriter, r *request, _ *arguments) error {
			if r.http == nil {
				return fhir.Errorf(fhir.KindNotSupported, "$%s cannot be an entry of a Bundle", o.Code)
			}
			body, err := o.Serve(&OperationCall{r.http, r.store, r.access, r.query})
			if err != nil {
				return err
			}
			return r.writeJSON(w, http.StatusOK, body)
		},
	}
}
