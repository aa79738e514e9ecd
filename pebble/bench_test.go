package pebble

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/klauspost/compress/s2"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble/internal/codec"
	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// benchOps are the synthetic population's resources, ready to be stored.
func benchOps(b *testing.B) ([]store.Op, *search.Registry) {
	names, _ := filepath.Glob("../../shared/data/synthea/dev/ndjson/*.ndjson.gz")
	if len(names) == 0 {
		b.Skip("../shared/data is absent")
	}
	registry, err := search.New(definition.R4())
	if err != nil {
		b.Fatal(err)
	}
	var ops []store.Op
	for _, name := range names {
		err := eachLine(name, func(line []byte) error {
			tree, err := fhir.Parse(registry.Definitions.Schema, line, fhir.DefaultLimits)
			if err != nil {
				return err
			}
			root := tree.Root()
			op := store.Op{Kind: store.OpUpdate, Type: root.Type().Name, ID: root.TextOf("id")}
			op.Body = fhir.NewBody(root, op.ID)
			op.Body.JSON = append([]byte(nil), op.Body.JSON...)
			op.Entries, err = registry.Extract(tree, op.ID, "http://example.org")
			ops = append(ops, op)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return ops, registry
}

func eachLine(name string, fn func(line []byte) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if err := fn(append([]byte(nil), lines.Bytes()...)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return lines.Err()
}

func benchStore(b *testing.B, registry *search.Registry) *Store {
	parse := func(json []byte) (*fhir.Tree, error) {
		return fhir.Parse(registry.Definitions.Schema, json, fhir.DefaultLimits)
	}
	s, err := Open(b.TempDir(), Options{Parse: parse, Extract: func(v store.Version) ([]search.Entry, error) {
		tree, err := parse(v.Body.Append(nil, "1", v.LastUpdated))
		if err != nil {
			return nil, err
		}
		return registry.Extract(tree, v.ID, "http://example.org")
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			b.Error(err)
		}
	})
	return s
}

// BenchmarkCommit creates resources one by one from several writers, each
// waiting for its own.
func BenchmarkCommit(b *testing.B) {
	ops, registry := benchOps(b)
	entries := 0
	for i := range ops {
		entries += len(ops[i].Entries)
	}
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			s := benchStore(b, registry)
			b.ResetTimer()
			inParallel(b, writers, b.N, func(n int) error {
				op := ops[n%len(ops)]
				op.ID = fmt.Sprintf("%s-%d", op.ID, n)
				_, err := s.Commit(context.Background(), []store.Op{op})
				return err
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "resources/s")
			b.ReportMetric(float64(entries)/float64(len(ops)), "entries/resource")
			b.ReportMetric(float64(s.Stats().Versions)/float64(s.Stats().Syncs), "resources/sync")
		})
	}
}

// BenchmarkPack packs and unpacks the population's bodies, without and with the
// dictionary, which was not made from this population.
func BenchmarkPack(b *testing.B) {
	ops, _ := benchOps(b)
	plain := func(json []byte) (codec.Codec, []byte) { return codec.S2, s2.Encode(nil, json) }
	for _, method := range []struct {
		name string
		pack func(json []byte) (codec.Codec, []byte)
	}{{"s2", plain}, {"dictionary", codec.Pack}} {
		var whole, small int
		codecs, packed := make([]codec.Codec, len(ops)), make([][]byte, len(ops))
		b.Run(method.name+"/pack", func(b *testing.B) {
			for b.Loop() {
				whole, small = 0, 0
				for i := range ops {
					codecs[i], packed[i] = method.pack(ops[i].Body.JSON)
					whole, small = whole+len(ops[i].Body.JSON), small+len(packed[i])
				}
			}
			b.ReportMetric(float64(whole)/float64(len(ops)), "B/body")
			b.ReportMetric(float64(small)/float64(len(ops)), "B/packed")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ops)), "ns/body")
		})
		b.Run(method.name+"/unpack", func(b *testing.B) {
			for b.Loop() {
				for i := range ops {
					if _, err := codec.Unpack(codecs[i], packed[i]); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ops)), "ns/body")
		})
	}
}

// BenchmarkHead adds the population's terms to a head.
func BenchmarkHead(b *testing.B) {
	ops, _ := benchOps(b)
	numbers := map[string]uint16{}
	var lists [][]posting.Term
	total := 0
	for i := range ops {
		var list []posting.Term
		for _, e := range ops[i].Entries {
			number, ok := numbers[e.Param.Key()]
			if !ok {
				number = uint16(len(numbers) + 1)
				numbers[e.Param.Key()] = number
			}
			list = append(list, posting.Term{Param: number, Key: e.Key})
		}
		lists, total = append(lists, list), total+len(list)
	}
	b.ReportAllocs()
	for b.Loop() {
		h := posting.NewHead(1)
		for i := range lists {
			h.Add(doc(i+1), lists[i])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*total), "ns/term")
}

// BenchmarkEngine writes batches of the same bytes to the engine alone: what a
// commit cannot be faster than.
func BenchmarkEngine(b *testing.B) {
	ops, _ := benchOps(b)
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			opt := Options{}
			opt.setDefaults()
			db, err := lsm.Open(b.TempDir(), engine.Options(opt.FS, newMemory(0).blocks))
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			b.ResetTimer()
			inParallel(b, writers, b.N, func(n int) error {
				op := ops[n%len(ops)]
				c := current{doc: doc(n + 1), header: header{op: op.Kind, born: true, number: 1, micros: 1 << 50}}
				batch := db.NewBatch()
				_, packed := codec.Pack(op.Body.JSON)
				g := group{batch: batch}
				op.ID = fmt.Sprintf("%s-%d", op.ID, n)
				if err := g.put(&op, &c, packed, nil); err != nil {
					return err
				}
				return errors.Join(batch.Commit(lsm.Sync), batch.Close())
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "resources/s")
		})
	}
}

// inParallel calls work with 0 to n-1 from several goroutines, and reports the
// processor time of a call.
func inParallel(b *testing.B, workers, n int, work func(n int) error) {
	started := processorTime(b)
	defer func() {
		b.ReportMetric(float64((processorTime(b)-started).Microseconds())/float64(n), "cpu-µs/call")
	}()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := work(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkLoad loads the population in batches of 1,000 from two workers, to
// the end of sealing and compaction.
func BenchmarkLoad(b *testing.B) {
	ops, registry := benchOps(b)
	s := benchStore(b, registry)
	const size = 1000
	b.ResetTimer()
	n := b.N
	inParallel(b, 2, (n+size-1)/size, func(batch int) error {
		list := make([]store.Op, 0, size)
		for i := batch * size; i < min((batch+1)*size, n); i++ {
			op := ops[i%len(ops)]
			op.ID = fmt.Sprintf("%s-%d", op.ID, i/len(ops))
			list = append(list, op)
		}
		_, err := s.Load(context.Background(), list)
		return err
	})
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "resources/s")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "sealed/s")
	b.ReportMetric(float64(folderBytes(b, s.dir))/float64(n), "B/resource")
}

func folderBytes(b *testing.B, dir string) (total int64) {
	files, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			total += info.Size()
		}
	}
	return total
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
