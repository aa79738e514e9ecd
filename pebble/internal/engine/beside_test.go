package engine

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestBlocksBesideMemtables writes until the memtables are larger than the cache
// of blocks: what was read is in it all the same, and it has its own size again
// when the engines are closed.
func TestBlocksBesideMemtables(t *testing.T) {
	const size = 8 << 20
	blocks := lsm.NewCache(size)
	defer blocks.Unref()
	var failure Failure
	for _, dir := range []string{"one", "other"} {
		disk := vfs.NewMem()
		o := Options(disk, blocks)
		beside := NewBeside(o)
		db, halting, err := failure.Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		beside.Begin(db)
		write(t, db, 34<<20)
		if err := FlushAll(context.Background(), db, &failure); err != nil {
			t.Fatal(err)
		}
		beside.settle() // as the engine's events do, at a time of their own
		if m := db.Metrics().MemTable; m.Size+m.ZombieSize < 2*size {
			t.Fatalf("the memtables have only %d bytes: this shows nothing", m.Size+m.ZombieSize)
		}
		read(t, db)
		if held := db.Metrics().BlockCache.Size; held < size/2 || held > size+size/8 {
			t.Errorf("%s: %d bytes of blocks are held, of %d", dir, held, size)
		}
		beside.End()
		halting.Release()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, db *lsm.DB, bytes int) {
	t.Helper()
	value := make([]byte, 4000)
	rng := rand.NewChaCha8([32]byte{})
	for i := range bytes / len(value) {
		rng.Read(value)
		if err := db.Set(binary.BigEndian.AppendUint32([]byte{'k'}, uint32(i)), value, lsm.NoSync); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, db *lsm.DB) {
	t.Helper()
	it, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
}
