package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/synth"
)

// The demonstration's population.
const (
	demoPatients = 100
	demoSeed     = 1
)

// A demoRecord says that a data folder holds the demonstration's data.
type demoRecord struct {
	Patients int `json:"patients"`
	// Filled is zero while the data is being written.
	Filled time.Time `json:"filled,omitzero"`
	// Passwords are those of the demonstration's users, sealed.
	Passwords []byte `json:"passwords,omitempty"`
}

// demoTable has one record at most, under DefaultStore.
var demoTable = kv.NewTable[demoRecord]("demo")

// fillDemo puts the synthetic patients into the data store "default", once. What
// a stopped attempt left behind is thrown away; other data is not touched.
func (s *Server) fillDemo(ctx context.Context, f *folder) error {
	records := f.storage.Records()
	var mark demoRecord
	err := records.View(ctx, func(tx kv.Tx) (err error) {
		mark, err = demoTable.Get(tx, DefaultStore)
		return err
	})
	begun := err == nil
	switch {
	case err != nil && !errors.Is(err, kv.ErrNotFound):
		return err
	case begun && !mark.Filled.IsZero():
		return nil
	}
	target, err := emptyDefault(ctx, f, begun)
	if err != nil {
		return err
	}
	put := func(r demoRecord) error {
		return records.Update(ctx, func(tx kv.Tx) error {
			return demoTable.Put(tx, DefaultStore, r, time.Time{})
		})
	}
	if err := put(demoRecord{Patients: demoPatients}); err != nil {
		return err
	}
	if err := fill(ctx, target); err != nil {
		return err
	}
	return put(demoRecord{Patients: demoPatients, Filled: time.Now().UTC()})
}

// emptyDefault returns the data store "default" with nothing in it.
func emptyDefault(ctx context.Context, f *folder, begun bool) (*datastore.Store, error) {
	if begun {
		if _, err := f.catalog.Delete(ctx, DefaultStore); err != nil {
			return nil, err
		}
		return f.catalog.Create(ctx, DefaultStore, DefaultStore)
	}
	target, err := f.catalog.Store(DefaultStore)
	if err != nil {
		return nil, err
	}
	view, err := target.View(ctx, authz.Unrestricted(), store.T(0))
	if err != nil {
		return nil, err
	}
	defer view.Close()
	if view.T() > 0 {
		return nil, fmt.Errorf("the data store %s in %s holds other data; give --demo an empty folder with --data, or leave --demo out", DefaultStore, f.dir)
	}
	return target, nil
}

// fill commits the infrastructure, then the patients side by side.
func fill(ctx context.Context, target *datastore.Store) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	population := synth.New(synth.Options{Patients: demoPatients, Seed: demoSeed})
	err := population.Each(func(b synth.Bundle) error {
		resources := kept(b.Resources)
		commit := func() error { return commitAll(ctx, target, resources) }
		if b.Patient < 0 {
			return commit()
		}
		group.Go(commit)
		return ctx.Err()
	})
	return errors.Join(group.Wait(), err)
}

// kept copies resources whose bytes the population uses again.
func kept(resources []synth.Resource) []synth.Resource {
	kept := slices.Clone(resources)
	for i := range kept {
		kept[i].JSON = bytes.Clone(kept[i].JSON)
	}
	return kept
}

// commitAll stores resources under their ids, in one transaction.
func commitAll(ctx context.Context, target *datastore.Store, resources []synth.Resource) error {
	ops := make([]datastore.Op, len(resources))
	for i, r := range resources {
		tree, err := target.Parse(r.JSON)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", r.Type, r.ID, err)
		}
		ops[i] = datastore.Op{Interaction: authz.Update, Type: r.Type, ID: r.ID, Resource: tree}
	}
	_, err := target.Commit(ctx, authz.Unrestricted(), ops, nil)
	return err
}
