package pebble

import (
	"context"
	"errors"

	"github.com/tarnhealth/tarn/store"
)

// Erase implements store.Store.
func (s *Store) Erase(context.Context, []store.Erasure) (int, error) {
	return 0, errors.ErrUnsupported
}

// Index implements store.Store.
func (s *Store) Index(context.Context, store.Indexing) error { return errors.ErrUnsupported }

// Unindex implements store.Store.
func (s *Store) Unindex(context.Context, []string) error { return errors.ErrUnsupported }
