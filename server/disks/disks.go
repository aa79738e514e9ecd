// Package disks watches what a full or failing disk does to a data folder: it
// says which data stores cannot be written, and opens them again when a disk that
// was full has space.
//
// It leaves to others: what becomes of writes meanwhile (pebble), and the server's
// own records and the audit log, which try again (pebble/record, audit).
package disks

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/durable"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server/repeat"
)

// Every is how often a server looks.
const Every = 5 * time.Second

// A Watch is that of one data folder.
type Watch struct {
	// Stores are the data stores that were opened, by id.
	Stores func() map[string]*pebble.Store
	// Records is why the server's own records cannot be written; nil where they
	// can be.
	Records func() error
	// Audit is why the audit log cannot be written, nil where it can be; it is nil
	// itself where there is none.
	Audit func() error
	// Reopen closes a data store and opens it again.
	Reopen func(ctx context.Context, id string) error
	Log    *slog.Logger
}

// Run looks until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	repeat.Every(ctx, Every, func() { w.Check(ctx) })
}

// Check opens those data stores again whose disk was full and has space now. It
// is safe: all that was acknowledged is there, and a write that was refused when
// the disk became full may be there too.
func (w *Watch) Check(ctx context.Context) {
	stores := w.Stores()
	for _, id := range slices.Sorted(maps.Keys(stores)) {
		if !stores[id].Reopenable() {
			continue
		}
		if err := w.Reopen(ctx, id); err != nil {
			w.Log.Error("a data store whose disk was full cannot be opened again", "store", id, "error", err)
			continue
		}
		w.Log.Info("the disk has space again: a data store can be written", "store", id)
	}
}

// Failed says of each data store that cannot be written why, in a line, ordered
// by id.
func (w *Watch) Failed() []string {
	var lines []string
	stores := w.Stores()
	for _, id := range slices.Sorted(maps.Keys(stores)) {
		if err := stores[id].Failed(); err != nil {
			lines = append(lines, fmt.Sprintf("data store %s is read-only: %s", id, reason(err)))
		}
	}
	return lines
}

// Fatal is why the server as a whole cannot work, "" where it can: signing in,
// jobs and the audit log need its own records.
func (w *Watch) Fatal() string {
	if err := w.Records(); err != nil {
		return "the server's own records are read-only: " + reason(err)
	}
	if w.Audit == nil {
		return ""
	}
	if err := w.Audit(); err != nil {
		return "the audit log cannot be written: " + reason(err)
	}
	return ""
}

// reason is what everybody may know of a failure.
func reason(err error) string {
	if durable.Full(err) {
		return "the disk is full; free some space"
	}
	return "the disk failed; repair it and start the server again"
}
