package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server"
)

// A bulk is an opened data folder without a server: what bulk work costs
// where no HTTP is in the way.
type bulk struct {
	catalog *datastore.Catalog
	store   *datastore.Store
}

func openBulk(ctx context.Context, dir string) (*bulk, error) {
	folder, err := pebble.OpenFolder(dir, pebble.FolderOptions{})
	if err != nil {
		return nil, err
	}
	catalog, err := datastore.Open(ctx, datastore.Options{Backend: folder, BaseURL: "http://127.0.0.1"})
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	b := &bulk{catalog: catalog}
	if b.store, err = catalog.Store(server.DefaultStore); fhir.KindOf(err) == fhir.KindNotFound && err != nil {
		b.store, err = catalog.Create(ctx, server.DefaultStore, server.DefaultStore)
	}
	if err != nil {
		return nil, errors.Join(err, catalog.Close())
	}
	return b, nil
}

func (b *bulk) close() error { return b.catalog.Close() }

// Input is handed over in blocks of whole lines, of about this size, several
// for each processor at a time: while some wait for the disk, others are
// prepared.
const (
	loadBlock   = 1 << 20
	loadWriters = 4
)

// load parses, validates, extracts and stores the NDJSON files below dir, on
// all cores. It returns the number of resources.
func (b *bulk) load(ctx context.Context, dir string) (int, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		return 0, err
	}
	slices.Sort(names)
	var count atomic.Int64
	writer := b.store.BulkWriter(authz.Unrestricted(), datastore.BulkOptions{})
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(loadWriters * runtime.GOMAXPROCS(0))
	blocks := newBlocks(loadWriters * runtime.GOMAXPROCS(0))
	for _, name := range names {
		err = eachBlock(name, blocks, func(block []byte) error {
			group.Go(func() error {
				defer blocks.give(block)
				lines := linesOf(block)
				count.Add(int64(len(lines)))
				return loadLines(ctx, writer, lines)
			})
			return ctx.Err()
		})
		if err != nil {
			break
		}
	}
	if failed := group.Wait(); failed != nil {
		err = failed
	}
	return int(count.Load()), err
}

func loadLines(ctx context.Context, writer *datastore.BulkWriter, lines [][]byte) error {
	outcomes, err := writer.Write(ctx, lines)
	if err != nil {
		return err
	}
	for i := range outcomes {
		if outcomes[i].Err != nil {
			return fmt.Errorf("%s/%s: %w", outcomes[i].Type, outcomes[i].ID, outcomes[i].Err)
		}
	}
	return nil
}

// blocks are memory to read files into, used again.
type blocks chan []byte

func newBlocks(n int) blocks { return make(blocks, n) }

func (b blocks) take() []byte {
	select {
	case block := <-b:
		return block[:0]
	default:
		return make([]byte, 0, loadBlock)
	}
}

func (b blocks) give(block []byte) {
	select {
	case b <- block:
	default: // one too many
	}
}

// eachBlock calls f with a file's blocks, which end with lines and are f's.
func eachBlock(name string, blocks blocks, f func(block []byte) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	var rest []byte
	for {
		block := append(blocks.take(), rest...)
		if len(block) == cap(block) { // a line longer than a block
			block = slices.Grow(block, len(block))
		}
		n, err := io.ReadFull(file, block[len(block):cap(block)])
		block = block[:len(block)+n]
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			if len(block) == 0 {
				return nil
			}
			return f(block)
		case err != nil:
			return err
		}
		end := bytes.LastIndexByte(block, '\n') + 1
		rest = append(rest[:0], block[end:]...)
		if end == 0 {
			continue
		}
		if err := f(block[:end]); err != nil {
			return err
		}
	}
}

// linesOf are the lines of a block that are not empty.
func linesOf(block []byte) (lines [][]byte) {
	for line := range bytes.Lines(block) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines
}
