package record

import (
	"context"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
)

// Rewrite writes all files anew, by what Options.FS writes now: after that, none
// but those that are open for writing is from before.
func (d *DB) Rewrite(ctx context.Context) error {
	at, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer d.leave()
	return at.failure.Guard(func() error { return engine.Rewrite(ctx, at.db, &at.failure) })
}
