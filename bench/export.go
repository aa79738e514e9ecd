package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/search"
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

// An exporter writes the resources of one type to a file.
type exporter struct {
	view      *datastore.View
	name      string
	resources int
	size      int64
	line      []byte
}

// exportPage is how many resources are asked for at a time.
const exportPage = 5000

// walk writes the type's resources. A type without any makes no file.
func (x *exporter) walk(ctx context.Context, registry *search.Registry, resourceType string) (err error) {
	q, err := registry.Parse([]string{resourceType}, nil, search.Options{})
	if err != nil {
		return err
	}
	var file *os.File
	var out *bufio.Writer
	page := store.Page{Limit: exportPage}
	for {
		found, err := x.view.Search(ctx, q, page)
		if err != nil {
			return err
		}
		if found.Len == 0 {
			break
		}
		if file == nil {
			if file, err = os.Create(x.name); err != nil {
				return err
			}
			defer file.Close()
			out = bufio.NewWriterSize(file, 1<<20)
		}
		if err := x.page(out, found); err != nil {
			return err
		}
		if page.After = found.Next; page.After == nil {
			break
		}
	}
	if file == nil {
		return nil
	}
	return errors.Join(out.Flush(), file.Sync())
}

func (x *exporter) page(out *bufio.Writer, found store.Result) error {
	for v, err := range found.Matches {
		if err != nil {
			return err
		}
		x.line = append(v.Body.Append(x.line[:0], strconv.FormatUint(v.Number, 10), v.LastUpdated), '\n')
		if _, err := out.Write(x.line); err != nil {
			return err
		}
		x.resources++
		x.size += int64(len(x.line))
	}
	return nil
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
