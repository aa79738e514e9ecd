package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	lsm "github.com/cockroachdb/pebble/v2"
)

// entriesKey holds the number of the way that entries were made in.
func entriesKey() []byte { return []byte{tagMeta, 'e', 'n', 't', 'r', 'i', 'e', 's'} }

// checkEntries drops an index that was made another way: replay then makes it
// anew from the bodies, which are the truth. Dropping and noting the new way
// are one batch, and what replay has sealed when it is cut off stays done.
func (s *Store) checkEntries() error {
	want := strconv.Itoa(s.opt.EntriesVersion)
	var have string
	found, err := s.get(entriesKey(), func(value []byte) error {
		have = string(value)
		return nil
	})
	if err != nil || found && have == want {
		return err
	}
	batch := s.db.NewBatch()
	// From tagDead to tagSeal: what seals write and nothing else.
	err = errors.Join(
		batch.DeleteRange([]byte{tagDead}, []byte{tagSeal + 1}, nil),
		batch.Set(entriesKey(), []byte(want), nil),
		batch.Commit(lsm.Sync))
	if err != nil {
		return fmt.Errorf("dropping the index: %w", err)
	}
	if found {
		slog.Info("the search index is made anew", "entries", want, "were", have)
	}
	return nil
}
