package pebble

import "github.com/tarnhealth/tarn/pebble/internal/engine"

// Failed is why the store cannot be written since its disk failed, nil where it
// can be.
func (s *Store) Failed() error { return s.failure.Get() }

// Reopenable reports whether all that hinders a store, which may be closed, was
// that its disk was full, and there is space now: closed and opened again, it can
// be written. It tries that with a file.
func (s *Store) Reopenable() bool {
	return s.failure.Passes() && engine.Room(s.opt.FS, s.dir) == nil
}

// RecordsFailed is why the records cannot be written since their disk failed, nil
// where they can be. They are opened again by themselves.
func (f *Folder) RecordsFailed() error { return f.records.Failed() }
