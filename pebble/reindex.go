package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/pebble/internal/lists"
)

// entriesKey holds the number of the way that entries were made in.
func entriesKey() []byte { return []byte{tagMeta, 'e', 'n', 't', 'r', 'i', 'e', 's'} }

// checkEntries drops an index that was made another way: replay then makes it
// anew from the bodies, which are the truth. Dropping and noting the new way
// are one batch, and what replay has sealed when it is cut off stays done.
func (s *Store) checkEntries() error {
	want := strconv.Itoa(s.opt.EntriesVersion) + "/" + strconv.Itoa(lists.Layout)
	var have string
	found, err := s.get(entriesKey(), func(value []byte) error {
		have = string(value)
		return nil
	})
	if err != nil || found && have == want {
		return err
	}
	if !found {
		sealed, _, err := s.readSeal()
		if err != nil || sealed == 0 { // a new folder: there is no index to drop
			return errors.Join(err, s.db.Set(entriesKey(), []byte(want), lsm.Sync))
		}
	}
	// From tagDead to tagSeal: what seals write and nothing else. The flush
	// takes that range out of the engine's memory, where it would make it
	// rotate its log at each seal.
	batch := s.db.NewBatch()
	err = errors.Join(
		batch.DeleteRange([]byte{tagDead}, []byte{tagSeal + 1}, nil),
		batch.Set(entriesKey(), []byte(want), nil),
		batch.Commit(lsm.Sync),
		engine.FlushAll(context.Background(), s.db, &s.failure))
	if err != nil {
		return fmt.Errorf("dropping the index: %w", err)
	}
	slog.Info("the search index is made anew", "entries", want, "were", have)
	return nil
}
