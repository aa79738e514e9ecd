package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

// update answers PUT [base]/[type]/[id], which creates where there is nothing
// yet, and the conditional PUT [base]/[type]?criteria.
// http://hl7.org/fhir/R4/http.html#update and #cond-update
func update(w http.ResponseWriter, r *request) error { return r.write(w, updateOp) }

func updateOp(r *request) (op datastore.Op, err error) {
	op = datastore.Op{Interaction: authz.Update, Type: r.resourceType, ID: r.id}
	if r.level == levelType {
		if op.Criteria = r.criteria(); len(op.Criteria) == 0 {
			return op, fhir.Errorf(fhir.KindInvalid, "an update needs an id (PUT [base]/%s/[id]) or search criteria (PUT [base]/%[1]s?identifier=…)", r.resourceType)
		}
	} else if err := r.onlyShaping(); err != nil {
		return op, err
	}
	if op.IfMatch, err = r.ifMatch(); err != nil {
		return op, err
	}
	if op.IfNoneMatch, err = r.ifNoneMatchAny(); err != nil {
		return op, err
	}
	if op.Level, err = r.validationLevel(); err != nil {
		return op, err
	}
	op.Resource, err = r.resource()
	op.Contents = r.uploads
	return op, err
}
