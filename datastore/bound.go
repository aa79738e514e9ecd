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
