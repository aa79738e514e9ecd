// Package kv owns the ordered-record contract for everything that is not a
// FHIR resource: data-store records, clients, users, keys, sessions, jobs.
// Backends implement DB; Table gives typed records on top. The conformance
// suite is in kvtest.
//
// It leaves to others: what records mean, and their secrecy.
package kv

import (
	"context"
	"errors"
	"iter"
	"time"
)

// A DB is an ordered map from byte keys to byte values. Safe for concurrent use.
type DB interface {
	// View runs fn on a consistent, read-only state.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn and, where it returns nil, makes its writes durable
	// together. Updates are serializable; fn may be run more than once.
	Update(ctx context.Context, fn func(Tx) error) error
	Close() error
}

// A Counter is a DB that alone has its records, and counts its changes.
type Counter interface {
	DB
	// Changes is how many updates have changed something. What a view found that
	// began when it was n still holds while it is n.
	Changes() uint64
}

// A Tx is valid until the function that it was given to returns.
type Tx interface {
	// Get returns a value, or ErrNotFound. The value is the caller's to keep.
	Get(key []byte) ([]byte, error)
	// Set stores a value. A record with a non-zero expires is gone at that time.
	Set(key, value []byte, expires time.Time) error
	// Delete removes a key; a missing one is no error.
	Delete(key []byte) error
	// Scan yields records with from ≤ key < to in key order; a nil to has no
	// end. The transaction's own writes are seen. Do not write while scanning.
	Scan(from, to []byte) iter.Seq2[Record, error]
}

// A Record is one key and its value. Both are the caller's to keep.
type Record struct{ Key, Value []byte }

// Errors.
var (
	ErrNotFound = errors.New("kv: no such record")
	ErrReadOnly = errors.New("kv: write in a view")
	ErrClosed   = errors.New("kv: closed")
)
