package pebble

import (
	"context"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
)

// Rewrite writes all files of the store anew, by what Options.FS writes now:
// after that, none but those that are open for writing is from before. Requests
// go on meanwhile. It needs as much free space as the store has.
func (s *Store) Rewrite(ctx context.Context) error {
	if err := s.users.Enter(); err != nil {
		return err
	}
	defer s.users.Leave()
	return s.failure.Guard(func() error { return engine.Rewrite(ctx, s.db, &s.failure) })
}

// RewriteRecords writes all files of the records anew, by what the file system
// of FolderOptions.Seal writes now.
func (f *Folder) RewriteRecords(ctx context.Context) error { return f.records.Rewrite(ctx) }
