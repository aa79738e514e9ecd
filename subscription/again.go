package subscription

import (
	"context"
	"crypto/subtle"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
)

// again is what a Subscription was stored as whose create comes again by its
// idempotency key. The values of its headers are not in what was stored: they are
// held against those that are kept, where there are any still.
func (x *admission) again(ctx context.Context) (datastore.Admitted, error) {
	kept, known, err := x.service.newestAuthor(ctx, x.Store.Record().ID, x.ID)
	if err != nil {
		return datastore.Admitted{}, err
	}
	if known {
		headers, err := x.service.headersOf(ctx, &kept)
		if err != nil {
			return datastore.Admitted{}, err
		}
		if !sameHeaders(headers, x.asked.Headers) {
			return datastore.Admitted{}, fhir.Errorf(fhir.KindUnprocessable,
				"the idempotency key was used before with other headers than these, or they were changed since; use a new key for a new request").At("Subscription.channel.header")
		}
	}
	body, err := x.body()
	return datastore.Admitted{Body: body}, err
}

// sameHeaders compares headers with their values. None has a line feed in it.
func sameHeaders(a, b []string) bool {
	return subtle.ConstantTimeCompare([]byte(strings.Join(a, "\n")), []byte(strings.Join(b, "\n"))) == 1
}

// newestAuthor is who asked for the newest version of a Subscription for which
// that is known.
func (s *Service) newestAuthor(ctx context.Context, ds, id string) (newest author, known bool, err error) {
	err = s.parts.Records.View(ctx, func(tx kv.Tx) error {
		for a, err := range authors.Below(tx, key(ds, id)+"/") {
			if err != nil {
				return err
			}
			newest, known = a.Value, true
		}
		return nil
	})
	return newest, known, err
}
