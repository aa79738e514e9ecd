package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options tunes the engine for a store of resources, with a cache for blocks of
// files. Memtables are small because only versions pass through them;
// the format is the newest that is not experimental.
func Options(disk vfs.FS, blocks *lsm.Cache) *lsm.Options {
	o := &lsm.Options{
		FS:                          disk,
		Cache:                       blocks,
		MemTableSize:                16 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		FormatMajorVersion:          lsm.FormatNewest,
		CompactionConcurrencyRange:  func() (int, int) { return 1, max(1, runtime.NumCPU()/2) },
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].BlockSize = 8 << 10
	}
	return o
}

// CheckFormat refuses a folder of a newer layout than format with ErrNewer, and
// marks a new one and one of an older layout under key.
func CheckFormat(db *lsm.DB, key []byte, format int) error {
	text, closer, err := db.Get(key)
	if errors.Is(err, lsm.ErrNotFound) {
		return markFormat(db, key, format)
	}
	if err != nil {
		return err
	}
	version, err := strconv.Atoi(string(text))
	if err != nil {
		err = fmt.Errorf("%w: format %q", ErrDamaged, text)
	}
	if err := errors.Join(err, closer.Close()); err != nil {
		return err
	}
	switch {
	case version > format:
		return fmt.Errorf("%w: it has format %d, this program reads up to %d", ErrNewer, version, format)
	case version < format:
		return markFormat(db, key, format)
	}
	return nil
}

// flushTime is how long Flush waits.
const flushTime = 10 * time.Second

// Flush writes what is in the engine's memory to a table, for an engine that is
// to be closed: opened again, it would read it back from its log, up to 64 MB.
// Where that fails or takes long, the log is there.
func Flush(db *lsm.DB, failure *Failure) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	_ = FlushAll(ctx, db, failure)
}

// FlushAll writes what is in the engine's memory to a table. Unlike the engine's
// own Flush, it returns where that cannot be done.
func FlushAll(ctx context.Context, db *lsm.DB, failure *Failure) error {
	flushed, err := db.AsyncFlush()
	if err != nil {
		return err
	}
	return failure.await(ctx, flushed)
}

func markFormat(db *lsm.DB, key []byte, format int) error {
	return db.Set(key, strconv.AppendInt(nil, int64(format), 10), lsm.Sync)
}
