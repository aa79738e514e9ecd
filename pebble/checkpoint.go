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
	// What is erased from now on may be in the copy, and then counts as such.
	erased := s.stats.erased.Load()
	s.shortenLog(erased)
	made := Checkpoint{Erasures: erased}
	err := s.alone(ctx, func() error {
		// The engine copies its list of tables first and its log last. Files
		// that it took over between would be missing.
		s.files.Lock()
		defer s.files.Unlock()
		made.T = store.T(s.now.Load())
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

// longLog is how much of the log is copied at most, in bytes. The log is copied
// anew each time, and what is flushed is not in it; but two tables that were
// flushed are merged with all that they overlap, which are MB to be copied anew
// for a few KB of changes.
const longLog = 256 << 10

// shortenLog writes out what is in memory where the log is long, or has what was
// erased: a copy must not hold it.
func (s *Store) shortenLog(erased uint64) {
	if s.copied.Load() != erased || s.db.Metrics().WAL.Size > longLog {
		engine.Flush(s.db, &s.failure)
		s.copied.Store(erased)
	}
}

// Erasures is as in Checkpoint.
func (s *Store) Erasures() uint64 { return s.stats.erased.Load() }

// CheckpointRecords copies the files of the records to dir, as Store.Checkpoint
// does those of a data store.
func (f *Folder) CheckpointRecords(ctx context.Context, dir string) error {
	return f.records.Checkpoint(ctx, dir)
}
