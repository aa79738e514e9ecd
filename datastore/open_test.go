package datastore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// together is a backend that opens no data store before all are to be opened, and
// one of them never.
type together struct {
	datastore.Backend
	all    sync.WaitGroup
	broken string
}

func (b *together) OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error) {
	b.all.Done()
	here := make(chan struct{})
	go func() { b.all.Wait(); close(here) }()
	select {
	case <-here:
	case <-time.After(30 * time.Second):
		return nil, errors.New("the others are not opened meanwhile")
	}
	if id == b.broken {
		return nil, errors.New("the disk is gone")
	}
	return b.Backend.OpenStore(ctx, id, registry, candidate)
}

// TestStoresAreOpenedTogether: one that takes long holds up no other, and one that
// cannot be opened leaves none open.
func TestStoresAreOpenedTogether(t *testing.T) {
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	kept := keptOpen{folder}
	ids := []string{"a", "b", "c"}
	open := func(b datastore.Backend) (*datastore.Catalog, error) {
		return datastore.Open(ctx, datastore.Options{Backend: b, BaseURL: "http://example.org"})
	}
	c, err := open(kept)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, err := c.Create(ctx, id, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, broken := range []string{"", "b", ""} {
		if c != nil {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		b := &together{Backend: kept, broken: broken}
		b.all.Add(len(ids))
		if c, err = open(b); (err == nil) != (broken == "") || err != nil && !strings.Contains(err.Error(), "data store b: the disk is gone") {
			t.Fatalf("without %q: %v", broken, err)
		}
	}
	for _, id := range ids {
		if _, err := c.Store(id); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(c.Close(), folder.Close()); err != nil {
		t.Error(err)
	}
}

// keptOpen is a backend that outlives its catalogs.
type keptOpen struct{ datastore.Backend }

func (keptOpen) Close() error { return nil }
