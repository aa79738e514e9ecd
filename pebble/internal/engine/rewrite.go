package engine

import (
	"context"

	lsm "github.com/cockroachdb/pebble/v2"
)

// Rewrite writes all tables anew.
//
// The engine compacts one level into the next, and leaves alone what is on the
// last one and overlaps nothing above. So something comes above that overlaps
// everything and changes nothing: it takes range keys away, of which there are
// none. Keys begin with an ASCII byte.
func Rewrite(ctx context.Context, db *lsm.DB, failure *Failure) error {
	first, last := []byte{0}, []byte{0xff}
	if err := db.RangeKeyUnset(first, last, nil, lsm.Sync); err != nil {
		return err
	}
	if err := FlushAll(ctx, db, failure); err != nil {
		return err
	}
	return db.Compact(ctx, first, last, false)
}
