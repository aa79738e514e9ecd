package token

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// A usedID is a record of something that may be used once.
type usedID struct{}

// maxID is the length of the longest jti, in bytes.
const maxID = 512

// useOnce records the use of an id of an owner, durably, until it expires by
// itself; fresh is false where it was used before, in whatever process.
func useOnce(ctx context.Context, db kv.DB, table kv.Table[usedID], owner, id string, expires time.Time) (fresh bool, err error) {
	sum := cacheKey(owner, id)
	key := base64.RawURLEncoding.EncodeToString(sum[:])
	err = db.Update(ctx, func(tx kv.Tx) error {
		_, err := table.Get(tx, key)
		if fresh = errors.Is(err, kv.ErrNotFound); !fresh {
			return err
		}
		return table.Put(tx, key, usedID{}, expires)
	})
	return fresh && err == nil, err
}
