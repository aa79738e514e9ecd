package pebble

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/searchtest"
	"github.com/tarnhealth/tarn/store"
)

// TestSearchScripts runs package search's scripts, which its own oracle passes,
// with the terms in memory and in files.
func TestSearchScripts(t *testing.T) {
	registry, err := search.New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	for name, seal := range map[string]int{"head": 0, "seals": 3} {
		t.Run(name, func(t *testing.T) {
			searchtest.Scripts(t, registry, os.DirFS("../search/testdata"), func(t *testing.T) searchtest.Backend {
				return newScripted(t, registry, seal)
			})
		})
	}
}

// scripted is a store that scripts run against.
type scripted struct {
	store *Store
	now   time.Time
	// entries are what versions were stored with, by T: a script may define
	// parameters as it goes.
	entries sync.Map
}

func newScripted(t *testing.T, registry *search.Registry, seal int) *scripted {
	s := &scripted{}
	parse := func(json []byte) (*fhir.Tree, error) {
		return fhir.Parse(registry.Definitions.Schema, json, fhir.DefaultLimits)
	}
	opt := Options{FS: vfs.NewMem(), SealDocs: seal, Parse: parse, Now: func() time.Time { return s.now }}
	opt.Extract = func(v store.Version) ([]search.Entry, error) {
		entries, ok := s.entries.Load(v.T)
		if !ok {
			return nil, fmt.Errorf("version %d was not loaded", v.T)
		}
		return entries.([]search.Entry), nil
	}
	var err error
	if s.store, err = Open("store", opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *scripted) Load(resources []searchtest.Resource) error {
	for _, r := range resources {
		s.now = r.Updated
		body := fhir.NewBody(r.Tree.Root(), r.ID)
		body.JSON = bytes.Clone(body.JSON)
		op := store.Op{Kind: store.OpUpdate, Type: r.Type, ID: r.ID, Body: body, Entries: r.Entries}
		versions, err := s.store.Commit(context.Background(), []store.Op{op})
		if err != nil {
			return err
		}
		s.entries.Store(versions[0].T, r.Entries)
	}
	return nil
}

func (s *scripted) Search(plan search.Plan) (found []search.Reference, err error) {
	v, err := s.store.View(context.Background(), 0)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	page := store.Page{Limit: 7}
	for {
		r, err := v.Search(context.Background(), plan, page)
		if err != nil {
			return nil, err
		}
		for version, err := range r.Matches {
			if err != nil {
				return nil, err
			}
			found = append(found, search.Reference{Type: version.Type, ID: version.ID})
		}
		if page.After = r.Next; r.Next == nil {
			return found, nil
		}
	}
}
