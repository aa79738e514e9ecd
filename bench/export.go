package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/store"
)

// runExport walks the filled store to NDJSON files. There is no server in it:
// a process of bench's own opens the folder. The limit is writing the same
// bytes to a file.
func runExport(ctx context.Context, b *bench) error {
	if b.opt.binary != "" {
		b.say("export is left out: it does not use the given binary")
		return nil
	}
	if _, err := b.filled(ctx); err != nil {
		return err
	}
	if err := b.stopMain(); err != nil {
		return err
	}
	r, err := b.export(ctx, "export", b.mainDir())
	if err != nil {
		return err
	}
	return b.report.print(r)
}

func (b *bench) export(ctx context.Context, name, dir string) (result, error) {
	out := filepath.Join(b.temp, "export")
	defer os.RemoveAll(out)
	b.say("%s: the whole store to NDJSON files", name)
	did, err := b.role(ctx, roleExport, dir, out)
	if err != nil {
		return result{}, err
	}
	r := did.result(name)
	rate, err := writeLimit(out, did.Bytes)
	r.limit(rate/per(float64(did.Bytes), did.Units), "writing the same bytes to a file, with one fsync")
	return r, err
}

// export writes every current resource to TYPE-PART.ndjson in dir, synced: each
// processor reads a stretch of the store's time. It returns the number of
// resources and bytes.
func (b *bulk) export(ctx context.Context, dir string) (resources int, size int64, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, 0, err
	}
	view, err := b.store.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return 0, 0, err
	}
	defer view.Close()
	bucket, err := blob.OpenDir(dir)
	if err != nil {
		return 0, 0, err
	}
	defer bucket.Close()
	parts := make([]exporter, runtime.GOMAXPROCS(0))
	group, ctx := errgroup.WithContext(ctx)
	for i := range parts {
		n, of := store.T(i), store.T(len(parts))
		parts[i] = exporter{bucket: bucket, part: i, files: map[string]*exportFile{}}
		group.Go(func() error {
			found, err := view.Bulk(ctx, datastore.BulkQuery{After: view.T() * n / of, UpTo: max(1, view.T()*(n+1)/of)})
			if err != nil {
				return err
			}
			return parts[i].write(ctx, found)
		})
	}
	err = group.Wait()
	for i := range parts {
		resources, size = resources+parts[i].resources, size+parts[i].size
	}
	return resources, size, err
}

// An exporter writes resources to a file for each type.
type exporter struct {
	bucket    blob.Bucket
	part      int
	files     map[string]*exportFile
	resources int
	size      int64
}

type exportFile struct {
	file blob.Writer
	out  []byte
}

// exportBlock is how much is written to a file at a time.
const exportBlock = 256 << 10

func (x *exporter) write(ctx context.Context, found iter.Seq2[store.Version, error]) error {
	var number [20]byte
	for v, err := range found {
		if err != nil {
			return err
		}
		f, err := x.file(ctx, v.Type)
		if err != nil {
			return err
		}
		before := len(f.out)
		f.out = append(v.Body.Append(f.out, string(strconv.AppendUint(number[:0], v.Number, 10)), v.LastUpdated), '\n')
		x.resources++
		x.size += int64(len(f.out) - before)
		if len(f.out) >= exportBlock {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	var ends errgroup.Group
	for _, f := range x.files {
		ends.Go(func() error { return errors.Join(f.flush(), f.file.Commit()) })
	}
	return ends.Wait()
}

func (x *exporter) file(ctx context.Context, resourceType string) (*exportFile, error) {
	if f := x.files[resourceType]; f != nil {
		return f, nil
	}
	file, err := x.bucket.Create(ctx, fmt.Sprintf("%s-%d.ndjson", resourceType, x.part+1))
	if err != nil {
		return nil, err
	}
	f := &exportFile{file: file, out: make([]byte, 0, exportBlock+16<<10)}
	x.files[resourceType] = f
	return f, nil
}

func (f *exportFile) flush() error {
	_, err := f.file.Write(f.out)
	f.out = f.out[:0]
	return err
}

// writeLimit is the rate, in bytes per second, of writing size bytes to a new
// file in dir, a megabyte at a time, with one fsync at the end.
func writeLimit(dir string, size int64) (float64, error) {
	file, err := os.Create(filepath.Join(dir, "write.probe"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	begin := time.Now()
	for left := size; left > 0; left -= int64(len(block)) {
		if _, err := file.Write(block[:min(left, int64(len(block)))]); err != nil {
			return 0, err
		}
	}
	if err := file.Sync(); err != nil {
		return 0, fmt.Errorf("fsync: %w", err)
	}
	return float64(size) / time.Since(begin).Seconds(), nil
}
