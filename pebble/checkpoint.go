package pebble

import (
	"context"
	"time"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/store"
)

// A Checkpoint describes a copy of a store's files.
type Checkpoint struct {
	// T is the logical time that the copy is of, At when its last version was
	// written; zero where there is none.
	T  store.T
	At time.Time
	// Erasures is how often something was erased since the store was opened:
	// what has another number of them may hold what is gone now.
	Erasures uint64
}

// Checkpoint copies the store's files to dir, which must not be there and be on
// the same disk: tables, which never change, become links. The copy is exactly
// the store at one T, and opens as a folder of its own. Commits, seals and
// erasures wait for the milliseconds that the links take; reads go on.
func (s *Store) Checkpoint(ctx context.Context, dir string) (Checkpoint, error) {
	if err := s.users.Enter(); err != nil {
		return Checkpoint{}, err
	}
	defer s.users.Leave()
	// The log is copied: what is flushed is not in it.
	engine.Flush(s.db, &s.failure)
	var made Checkpoint
	err := s.alone(ctx, func() error {
		// The engine copies its list of tables first and its log last. Files
		// that it took over between would be missing.
		s.files.Lock()
		defer s.files.Unlock()
		made = Checkpoint{T: store.T(s.now.Load()), Erasures: s.stats.erased.Load()}
		if made.T > 0 {
			h, _, _, err := s.header(doc(made.T))
			if err != nil {
				return err
			}
			made.At = h.updated()
		}
		return s.failure.Checkpoint(s.db, s.disk, dir)
	})
	return made, err
}

// Erasures is as in Checkpoint.
func (s *Store) Erasures() uint64 { return s.stats.erased.Load() }

// CheckpointRecords copies the files of the records to dir, as Store.Checkpoint
// does those of a data store.
func (f *Folder) CheckpointRecords(ctx context.Context, dir string) error {
	return f.records.Checkpoint(ctx, dir)
}
