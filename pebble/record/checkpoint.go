package record

import (
	"context"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
)

// Checkpoint copies the files of the records to dir, which must not be there
// and be on the same disk. The copy is the records between two updates, and
// opens as a folder of its own; updates wait meanwhile.
func (d *DB) Checkpoint(ctx context.Context, dir string) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.open.Done()
	engine.Flush(d.db)
	select {
	case d.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.writer }()
	if err := d.failure(); err != nil {
		return err
	}
	return d.db.Checkpoint(dir, lsm.WithFlushedWAL())
}
