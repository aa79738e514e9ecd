package bulk

import (
	"context"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bulk/newest"
)

// newest is the time of the data, the transactionTime of the manifest: when the
// newest version of it was written. What is written later is not older, so an
// export since then misses nothing. For a caller who does not see everything it
// is the newest that the caller sees: otherwise it would tell when somebody wrote
// about somebody else. Where there is none, it is when the data store was made.
func (x *exporter) newest(ctx context.Context) (at time.Time, err error) {
	bound, err := x.store.Bind(ctx, x.by)
	switch {
	case err != nil:
	case bound.All(authz.SearchType):
		at, err = newest.OfAll(ctx, x.store, x.view.T())
	default:
		at, err = newest.Seen(ctx, x.view, x.typesOf(x.store, x.by, &x.spec))
	}
	if at.IsZero() {
		at = x.store.Record().Created
	}
	return at.UTC().Truncate(time.Millisecond), err
}
