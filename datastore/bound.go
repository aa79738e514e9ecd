package datastore

import (
	"context"

	"github.com/tarnhealth/tarn/authz"
)

// bound is an access completed by the Persons and narrowed by the Consents that
// there are now. Every way into the data store begins with it. Where they cannot
// be read nobody gets in.
func (s *Store) bound(ctx context.Context, access authz.Access) (authz.Access, error) {
	whole, err := s.links.Bind(ctx, access)
	if err != nil {
		return authz.Access{}, storeError(err)
	}
	narrowed, err := s.consents.Bind(ctx, whole)
	if err != nil {
		return authz.Access{}, storeError(err)
	}
	return narrowed, nil
}

// Bind is an access as the data store takes it now, completed by its Persons and
// narrowed by its Consents: for what is decided of a caller outside of a View.
func (s *Store) Bind(ctx context.Context, access authz.Access) (authz.Access, error) {
	return s.bound(ctx, access)
}

// LinkedPatients are the ids of the patients whom the Persons that there are now
// lead the user of an access to, sorted; whether the user may see them is another
// matter.
func (s *Store) LinkedPatients(ctx context.Context, access authz.Access) ([]string, error) {
	ids, err := s.links.Patients(ctx, access)
	return ids, storeError(err)
}

// RelatedPatient is the id of the patient of a RelatedPerson, while that is active;
// "" for none.
func (s *Store) RelatedPatient(ctx context.Context, id string) (string, error) {
	patient, err := s.links.Related(ctx, id)
	return patient, storeError(err)
}
