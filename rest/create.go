package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
)

// create answers POST [base]/[type], with If-None-Exist too.
// http://hl7.org/fhir/R4/http.html#create
func create(w http.ResponseWriter, r *request) error { return r.write(w, createOp) }

func createOp(r *request) (datastore.Op, error) {
	if err := r.onlyShaping(); err != nil {
		return datastore.Op{}, err
	}
	criteria, err := r.ifNoneExist()
	if err != nil {
		return datastore.Op{}, err
	}
	level, err := r.validationLevel()
	if err != nil {
		return datastore.Op{}, err
	}
	key, err := r.idempotencyKey()
	if err != nil {
		return datastore.Op{}, err
	}
	tree, err := r.resource()
	return datastore.Op{
		Interaction: authz.Create, Type: r.resourceType, Criteria: criteria, Resource: tree, Level: level, Key: key, Contents: r.uploads,
	}, err
}

// write carries out one write interaction.
func (r *request) write(w http.ResponseWriter, makeOp func(*request) (datastore.Op, error)) error {
	defer r.discardUploads()
	if err := r.checkOffer(); err != nil {
		return err
	}
	op, err := makeOp(r)
	if err != nil {
		return err
	}
	s, err := r.shapeOfWritten()
	if err != nil {
		return err
	}
	outcomes, err := r.store.Commit(r.ctx, r.access, []datastore.Op{op}, nil)
	if err != nil {
		return err
	}
	setIssuesHeader(w.Header(), outcomes...)
	if r.offers() {
		return r.offerUpload(w, &outcomes[0])
	}
	return r.writeWritten(w, &outcomes[0], s)
}
