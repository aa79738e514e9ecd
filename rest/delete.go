package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

// remove answers DELETE [base]/[type]/[id] and the conditional
// DELETE [base]/[type]?criteria, which deletes one resource at most.
// http://hl7.org/fhir/R4/http.html#delete
func remove(w http.ResponseWriter, r *request) error { return r.write(w, deleteOp) }

func deleteOp(r *request) (op datastore.Op, err error) {
	op = datastore.Op{Interaction: authz.Delete, Type: r.resourceType, ID: r.id}
	if r.level == levelType {
		if op.Criteria = r.criteria(); len(op.Criteria) == 0 {
			return op, fhir.Errorf(fhir.KindPrecondition, "a delete needs an id (DELETE [base]/%s/[id]) or search criteria (DELETE [base]/%[1]s?identifier=…); all of a type is never deleted at once", r.resourceType)
		}
	} else if !fhir.ValidID(r.id) {
		return op, fhir.Errorf(fhir.KindInvalid, "%q is not a resource id: use 1 to 64 of A-Z, a-z, 0-9, '-' and '.'", r.id)
	}
	op.IfMatch, err = r.ifMatch()
	return op, err
}
