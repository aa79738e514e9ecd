package vault

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/server/repeat"
)

// Watch suspends data stores whose customers' keys may no longer be used, and
// resumes them when they may, until ctx ends.
func (v *Vault) Watch(ctx context.Context, stores *datastore.Catalog, every time.Duration, log *slog.Logger) {
	repeat.Every(ctx, every, func() {
		if err := v.CheckAll(ctx, stores); err != nil && ctx.Err() == nil {
			log.Error("customers' keys cannot be checked", "error", err)
		}
	})
}

// CheckAll asks all customers' keys once, and lets data keys go that nothing
// needs any more.
func (v *Vault) CheckAll(ctx context.Context, stores *datastore.Catalog) error {
	ids, err := v.Customers()
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if stores.Suspended(id) != nil {
			if err := stores.Resume(ctx, id); err != nil && !errors.Is(err, datastore.ErrKey) {
				errs = append(errs, err)
			}
			continue
		}
		why := v.Check(ctx, id)
		if errors.Is(why, datastore.ErrKey) {
			errs = append(errs, stores.Suspend(id, why))
			v.Lock(id)
			continue
		}
		errs = append(errs, why)
	}
	return errors.Join(append(errs, v.settleAll(ctx, stores))...)
}

func (v *Vault) settleAll(ctx context.Context, stores *datastore.Catalog) error {
	owners, err := v.Owners()
	if err != nil {
		return err
	}
	for _, owner := range owners {
		if stores.Suspended(owner) != nil {
			continue
		}
		if _, err := v.Settle(ctx, owner); err != nil {
			return err
		}
	}
	return nil
}
