package record

import (
	"context"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
)

// Rewrite writes all files anew, by what Options.FS writes now: after that, none
// but those that are open for writing is from before.
func (d *DB) Rewrite(ctx context.Context) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.open.Done()
	return engine.Rewrite(ctx, d.db)
}
