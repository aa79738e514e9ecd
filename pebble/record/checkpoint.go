package record

import (
	"context"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
)

// Checkpoint copies the files of the records to dir, which must not be there
// and be on the same disk. The copy is the records between two updates, and
// opens as a folder of its own; updates wait meanwhile.
func (d *DB) Checkpoint(ctx context.Context, dir string) error {
	at, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer d.leave()
	engine.Flush(at.db, &at.failure)
	select {
	case d.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.writer }()
	if err := at.failure.Get(); err != nil {
		return err
	}
	return at.failure.Checkpoint(at.db, at.disk, dir)
}
