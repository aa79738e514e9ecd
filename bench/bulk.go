package main

import (
	"bufio"
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
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/store"
)

// A bulk is an opened data folder without a server: what bulk work costs
// where no HTTP is in the way.
type bulk struct {
	catalog *datastore.Catalog
	store   *datastore.Store
	backend store.Store
}

// capturing remembers the backend of the data store that is opened.
type capturing struct {
	*pebble.Folder
	opened store.Store
}

// OpenStore implements datastore.Backend.
func (c *capturing) OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error) {
	opened, err := c.Folder.OpenStore(ctx, id, registry, candidate)
	c.opened = opened
	return opened, err
}

func openBulk(ctx context.Context, dir string) (*bulk, error) {
	folder, err := pebble.OpenFolder(dir, pebble.FolderOptions{})
	if err != nil {
		return nil, err
	}
	backend := &capturing{Folder: folder}
	catalog, err := datastore.Open(ctx, datastore.Options{Backend: backend, BaseURL: "http://127.0.0.1"})
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	b := &bulk{catalog: catalog}
	if b.store, err = catalog.Store(server.DefaultStore); fhir.KindOf(err) == fhir.KindNotFound && err != nil {
		b.store, err = catalog.Create(ctx, server.DefaultStore, server.DefaultStore)
	}
	b.backend = backend.opened
	if err != nil {
		return nil, errors.Join(err, catalog.Close())
	}
	return b, nil
}

func (b *bulk) close() error { return b.catalog.Close() }

// loadBatch is how many resources go into one commit.
const loadBatch = 1000

// load parses, validates, extracts and stores the NDJSON files below dir, on
// all cores. It returns the number of resources.
func (b *bulk) load(ctx context.Context, dir string) (int, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		return 0, err
	}
	slices.Sort(names)
	var count atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	for _, name := range names {
		err = eachBatch(name, loadBatch, func(lines [][]byte) error {
			group.Go(func() error {
				count.Add(int64(len(lines)))
				return b.loadLines(ctx, lines)
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

func (b *bulk) loadLines(ctx context.Context, lines [][]byte) error {
	ops := make([]store.Op, len(lines))
	for i, line := range lines {
		tree, err := b.store.Parse(line)
		if err != nil {
			return err
		}
		for _, issue := range b.store.Validate(tree) {
			if issue.Severity == fhir.SeverityError || issue.Severity == fhir.SeverityFatal {
				return fmt.Errorf("%s: %s", issue.Expression, issue.Diagnostics)
			}
		}
		root := tree.Root()
		id := root.TextOf("id")
		entries, err := b.store.Registry().Extract(tree, id, b.store.Base())
		if err != nil {
			return err
		}
		ops[i] = store.Op{Kind: store.OpUpdate, Type: root.Type().Name, ID: id, Body: fhir.NewBody(root, id), Entries: entries}
	}
	_, err := b.backend.Load(ctx, ops)
	return err
}

// eachBatch calls f with up to n lines of a file at a time.
func eachBatch(name string, n int, f func(lines [][]byte) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 1<<20)
	var lines [][]byte
	for {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, line)
		}
		if end := err != nil; len(lines) == n || end && len(lines) > 0 {
			if err := f(lines); err != nil {
				return err
			}
			lines = nil
		}
		if err != nil {
			return nil
		}
	}
}

// export writes every current resource to TYPE.ndjson in dir, synced. It
// returns the number of resources and bytes.
func (b *bulk) export(ctx context.Context, dir string) (resources int, size int64, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, 0, err
	}
	view, err := b.store.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return 0, 0, err
	}
	defer view.Close()
	for _, t := range b.store.Definitions().Schema.Types {
		if t.Kind != fhir.KindResource {
			continue
		}
		x := &exporter{view: view, name: filepath.Join(dir, t.Name+".ndjson")}
		if err := x.walk(ctx, b.store.Registry(), t.Name); err != nil {
			return resources, size, fmt.Errorf("%s: %w", t.Name, err)
		}
		resources, size = resources+x.resources, size+x.size
	}
	return resources, size, nil
}
