package pebble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
	"github.com/tarnhealth/tarn/crypt/sealfs"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A readCounter counts what is read of files anywhere.
type readCounter struct {
	vfs.FS
	reads, bytes atomic.Int64
}

func (c *readCounter) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := c.FS.Open(name, opts...)
	if err != nil {
		return nil, err
	}
	return &countedFile{f, c}, nil
}

type countedFile struct {
	vfs.File
	c *readCounter
}

func (f *countedFile) ReadAt(p []byte, off int64) (int, error) {
	f.c.reads.Add(1)
	f.c.bytes.Add(int64(len(p)))
	return f.File.ReadAt(p, off)
}

// BenchmarkColdRead reads resources by id, in any order, plain and sealed, from
// files that the system has in its cache, with the engine's cache of several
// sizes.
func BenchmarkColdRead(b *testing.B) {
	ops, _ := benchOps(b)
	disks := map[string]vfs.FS{"plain": vfs.Default, "sealed": sealfs.New(vfs.Default, sealfs.Options{Keys: sealtest.Of(1)})}
	dirs := map[string]string{}
	for name, disk := range disks {
		dirs[name] = b.TempDir()
		fillCold(b, dirs[name], disk, ops)
	}
	for _, mb := range []int64{1, 4, 16, 64} {
		for _, name := range []string{"plain", "sealed"} {
			b.Run(fmt.Sprintf("%dMiB/%s", mb, name), func(b *testing.B) {
				readCold(b, dirs[name], disks[name], mb<<20, ops)
			})
		}
	}
}

func coldStore(b *testing.B, dir string, disk vfs.FS, cache int64) *Store {
	s, err := Open(dir, Options{FS: disk, CacheBytes: cache, Extract: func(store.Version) ([]search.Entry, error) { return nil, nil }})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func fillCold(b *testing.B, dir string, disk vfs.FS, ops []store.Op) {
	s := coldStore(b, dir, disk, 0)
	for len(ops) > 0 {
		n := min(len(ops), 300)
		if _, err := s.Load(context.Background(), ops[:n:n]); err != nil {
			b.Fatal(err)
		}
		ops = ops[n:]
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func readCold(b *testing.B, dir string, disk vfs.FS, cache int64, ops []store.Op) {
	counted := &readCounter{FS: disk}
	s := coldStore(b, dir, counted, cache)
	defer s.Close()
	v, err := s.View(context.Background(), 0)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	read := func() {
		op := &ops[rng.IntN(len(ops))]
		if _, err := v.Read(context.Background(), op.Type, op.ID); err != nil {
			b.Fatal(err)
		}
	}
	for range 2000 {
		read()
	}
	counted.reads.Store(0)
	counted.bytes.Store(0)
	started := processorTime(b)
	for b.Loop() {
		read()
	}
	b.ReportMetric(float64((processorTime(b)-started).Nanoseconds())/float64(b.N)/1e3, "cpu-µs/op")
	b.ReportMetric(float64(counted.reads.Load())/float64(b.N), "reads/op")
	b.ReportMetric(float64(counted.bytes.Load())/float64(b.N), "B-read/op")
}
