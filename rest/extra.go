package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// An Operation on a whole data store, or on the resources of one type, is carried
// out by another package.
type Operation struct {
	// Code is its name without the $.
	Code string
	// On is the type whose operation it is, called on the type or on one
	// resource; "" for one on the data store. Definition is the canonical URL of
	// its definition, "" for one that is made of Code.
	On, Definition string
	// AffectsState keeps GET from calling it.
	AffectsState bool
	// Serve answers with a resource, as JSON. It decides who may call and, where
	// On is "", reads the body itself.
	Serve func(c *OperationCall) ([]byte, error)
}

// An OperationCall is a call of an Operation.
type OperationCall struct {
	Request *http.Request
	Store   *datastore.Store
	Access  authz.Access
	// ID is that of the resource that it is called on, "" for none.
	ID string
	// Query are the parameters of the URL and, where On is not "", the primitive
	// ones of the body.
	Query []search.Pair
}

// operation is a row of the operation table.
func (o *Operation) operation() operation {
	levels := []level{levelSystem}
	if o.On != "" {
		levels = []level{levelType, levelInstance}
	}
	return operation{
		code: o.Code, on: []string{o.On}, levels: levels, affectsState: o.AffectsState, ownBody: o.On == "", definition: o.Definition,
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if r.http == nil {
				return fhir.Errorf(fhir.KindNotSupported, "$%s cannot be an entry of a Bundle", o.Code)
			}
			call := &OperationCall{Request: r.http, Store: r.store, Access: r.access, ID: r.id, Query: r.query}
			if o.On != "" {
				call.Query = in.pairs
			}
			body, err := o.Serve(call)
			if err != nil {
				return err
			}
			return r.writeJSON(w, http.StatusOK, body)
		},
	}
}
