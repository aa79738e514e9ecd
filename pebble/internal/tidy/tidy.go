// Package tidy owns the merging of many small files on an engine's last level
// into few. Files that are taken over as they are (ingest) in the order of
// their keys lie there for good, for the engine compacts only what overlaps.
// A load in small groups so leaves a file of 200 KB for each group: more than
// the engine keeps open, so that each record that is not in memory costs the
// opening of a file, which takes ten times as long as reading a block.
//
// It leaves to others: which kinds of records are written like that, and when
// it is time to look (pebble).
package tidy

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/pebble/internal/ingest"
	"github.com/tarnhealth/tarn/pebble/internal/keyrange"
)

const (
	// small is the size below which a file is merged with its neighbours.
	small = 1 << 20
	// enough is how many small files must lie side by side to be merged.
	enough = 16
	// piece is about how many bytes are merged at once.
	piece = 32 << 20
)

// A Tidier is that of one engine. Its methods are safe for concurrent use.
type Tidier struct {
	// Dir is where the files are; Failure guards what is written.
	Dir     ingest.Dir
	Failure *engine.Failure
	// Tags are the first bytes of the keys whose files are merged.
	Tags []byte

	mu      sync.Mutex
	stop    context.CancelFunc
	ctx     context.Context
	done    sync.WaitGroup
	running bool
	// again is set where files came since the run began.
	again bool
}

// Look has a goroutine merge what there is to merge.
func (t *Tidier) Look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx == nil {
		t.ctx, t.stop = context.WithCancel(context.Background())
	}
	if t.again = t.running; t.running || t.ctx.Err() != nil {
		return
	}
	t.running = true
	t.done.Go(t.run)
}

// Close ends the goroutine. What is not merged is found at the next Look.
func (t *Tidier) Close() {
	t.mu.Lock()
	if t.ctx == nil {
		t.ctx, t.stop = context.WithCancel(context.Background())
	}
	t.stop()
	t.mu.Unlock()
	t.done.Wait()
}

func (t *Tidier) run() {
	for {
		// Nothing is lost where this fails, and the next Look tries again.
		if err := t.tidy(); err != nil && t.ctx.Err() == nil {
			slog.Warn("small files are not merged; reads may take longer", "error", err)
		}
		t.mu.Lock()
		t.running, t.again = t.again && t.ctx.Err() == nil, false
		again := t.running
		t.mu.Unlock()
		if !again {
			return
		}
	}
}

// tidy merges the files that there are now.
func (t *Tidier) tidy() error {
	levels, err := t.Dir.DB.SSTables()
	if err != nil {
		return err
	}
	for _, r := range t.ranges(levels[len(levels)-1]) {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		if err := t.Failure.Guard(func() error { return t.merge(r) }); err != nil {
			return err
		}
	}
	return nil
}

// ranges are those of the files to merge, of all files of a level in the order
// of their keys.
func (t *Tidier) ranges(files []lsm.SSTableInfo) (list keyrange.List) {
	for len(files) > 0 {
		n := t.neighbours(files)
		if n >= enough {
			list = append(list, keyrange.Range{From: files[0].Smallest.UserKey, To: append(slices.Clone(files[n-1].Largest.UserKey), 0)})
		}
		files = files[max(1, n):]
	}
	return list
}

// neighbours is how many small files of one kind the list begins with, up to a
// piece of them.
func (t *Tidier) neighbours(files []lsm.SSTableInfo) (n int) {
	tag := files[0].Smallest.UserKey[0]
	if !slices.Contains(t.Tags, tag) {
		return 0
	}
	size := uint64(0)
	for n < len(files) && size < piece {
		f := &files[n]
		if f.Size >= small || f.Smallest.UserKey[0] != tag || f.Largest.UserKey[0] != tag {
			break
		}
		size += f.Size
		n++
	}
	return n
}

// merge has the engine compact a range on its last level. It does so only where
// something lies above that overlaps all of it: a file that takes range keys
// away, of which there are none.
func (t *Tidier) merge(r keyrange.Range) error {
	err := t.Dir.Take(ingest.File{Name: "merge.tmp", Write: func(w *sstable.Writer) error {
		return w.RangeKeyUnset(r.From, r.To, nil)
	}})
	if err != nil {
		return err
	}
	return t.Dir.DB.Compact(t.ctx, r.From, r.To, false)
}
