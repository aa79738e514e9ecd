package smart

import (
	"context"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/smart/about"
)

// A Context is the launch context of a token.
type Context = about.Context

// actsFor is patientsOf with the patient that a user's own RelatedPerson is of,
// and those whom the user's Persons lead to, as package authz has it.
func (s *Service) actsFor(ctx context.Context, store *datastore.Store, user *login.User, p login.Profile) (ids []string, all bool, err error) {
	if ids, all, err = relatedTo(ctx, store, p); all || err != nil {
		return ids, all, err
	}
	access, err := s.cfg.Access(ctx, user, store)
	if err != nil {
		return nil, false, err
	}
	linked, err := store.LinkedPatients(ctx, access)
	for _, id := range linked {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, false, err
}

// relatedTo is patientsOf with the patient that a user's own RelatedPerson is of,
// while that is active. http://hl7.org/fhir/R4/relatedperson.html
func relatedTo(ctx context.Context, store *datastore.Store, p login.Profile) (ids []string, all bool, err error) {
	ids, all = patientsOf(p)
	kind, id, _ := strings.Cut(p.FHIRUser, "/")
	if kind != "RelatedPerson" {
		return ids, all, nil
	}
	of, err := store.RelatedPatient(ctx, id)
	if of != "" && !slices.Contains(ids, of) {
		ids = append(ids, of)
	}
	return ids, all, err
}

// patientsOf returns the ids of the patients that a user may have in context,
// and whether that is all: a patient, a related person or a person has those
// they may act for, a practitioner whomever they may see.
func patientsOf(p login.Profile) (ids []string, all bool) {
	kind, id, _ := strings.Cut(p.FHIRUser, "/")
	if kind == "Practitioner" || kind == "PractitionerRole" {
		return nil, true
	}
	if kind == "Patient" {
		ids = append(ids, id)
	}
	for _, one := range p.Patients {
		if one != id || kind != "Patient" {
			ids = append(ids, one)
		}
	}
	return ids, false
}
