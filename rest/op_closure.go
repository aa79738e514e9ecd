package rest

import (
	"net/http"
	"strconv"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest/answer"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/closure"
)

// closureOperation is $closure: a table of a client's own.
// http://hl7.org/fhir/R4/conceptmap-operation-closure.html
func closureOperation() operation {
	return operation{
		code: "closure", on: []string{"ConceptMap"}, levels: []level{levelSystem}, affectsState: true,
		definition: "http://hl7.org/fhir/OperationDefinition/ConceptMap-closure",
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only("name", "concept", "version"); err != nil {
				return err
			}
			if err := r.access.Check(authz.Read, "CodeSystem"); err != nil {
				return err
			}
			return r.withTerminology(func(s *terminology.Service) error {
				changes, err := r.closure(s, in)
				if err != nil {
					return err
				}
				body, err := answer.Closure(in.text("name"), changes, r.h.Now().UTC().Format(fhir.TimeLayout))
				if err != nil {
					return err
				}
				return r.writeJSON(w, http.StatusOK, body)
			})
		},
	}
}

// closure makes a table, adds to it, or tells what came to it after a version.
func (r *request) closure(s *terminology.Service, in *arguments) (none closure.Changes, err error) {
	caller := r.access.Caller()
	client, name, version := caller.Issuer+" "+caller.Client, in.text("name"), in.text("version")
	var concepts []terminology.Coding
	for p := range in.parameters.Each("parameter") {
		if p.TextOf("name") == "concept" {
			concepts = append(concepts, codingOf(p.Child("value")))
		}
	}
	relate := func(a, b terminology.Coding) (string, error) {
		system, err := s.System(terminology.Canonical(a.System, a.Version))
		if err != nil {
			return "", err
		}
		return system.Subsumption(a.Code, b.Code)
	}
	switch {
	case len(concepts) > 0 && version != "":
		return none, fhir.Errorf(fhir.KindInvalid, "$closure takes concepts to add, or the version after which to tell what came; not both")
	case version != "":
		n, err := strconv.Atoi(version)
		if err != nil {
			return none, invalidParameter("version", "%q is not a version that this operation has answered with", version)
		}
		return r.store.Closures().Since(r.ctx, client, name, n, relate)
	case len(concepts) == 0:
		return none, r.store.Closures().Reset(r.ctx, client, name)
	}
	if err := needSystem(concepts); err != nil {
		return none, err
	}
	for _, c := range concepts {
		if _, err := relate(c, c); err != nil {
			return none, err // it is no concept
		}
	}
	return r.store.Closures().Add(r.ctx, client, name, concepts, relate)
}
