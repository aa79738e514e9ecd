package datastore_test

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
)

func TestCreateFromKeepsWhatWasAsked(t *testing.T) {
	fs := crashing.New()
	c := openCatalog(t, fs)
	control := &datastore.Control{Region: "eu-central-1", Account: "123456789012", ClientToken: "one", Tags: map[string]string{"a": "b"}}
	identity := &datastore.IdentityProvider{Strategy: datastore.StrategySMART1}
	s, err := c.CreateFrom(ctx, datastore.Draft{Name: "trial", Identity: identity, Control: control})
	if err != nil {
		t.Fatal(err)
	}
	if s.Identity().Strategy != datastore.StrategySMART1 {
		t.Errorf("identity %+v", s.Identity())
	}
	want, err := c.Describe(ctx, s.Record().ID)
	if err != nil || want.Status != datastore.StatusActive || !cmp.Equal(want.Control, control) {
		t.Fatalf("described as %+v, %v", want, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openCatalog(t, fs)
	defer c.Close()
	got, err := c.Describe(ctx, want.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("opened again: %v\n%s", err, diff)
	}
}

func TestCreateFromAsksWhetherToAdmit(t *testing.T) {
	c := openCatalog(t, vfs.NewMem())
	defer c.Close()
	if _, err := c.Create(ctx, "one", ""); err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	_, err := c.CreateFrom(ctx, datastore.Draft{ID: "two", Admit: func(all []datastore.Record) error {
		if len(all) != 1 || all[0].ID != "one" {
			t.Errorf("asked about %+v", all)
		}
		return full
	}})
	if !errors.Is(err, full) {
		t.Errorf("CreateFrom = %v", err)
	}
	if _, err := c.Describe(ctx, "two"); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("a refused data store is there: %v", err)
	}
	for id, identity := range map[string]*datastore.IdentityProvider{"No!": nil, "three": {Strategy: "NONE"}} {
		if _, err := c.CreateFrom(ctx, datastore.Draft{ID: id, Identity: identity}); fhir.KindOf(err) != fhir.KindInvalid {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestChange(t *testing.T) {
	c := openCatalog(t, vfs.NewMem())
	defer c.Close()
	s, err := c.Create(ctx, "one", "before")
	if err != nil {
		t.Fatal(err)
	}
	change := func(strategy datastore.Strategy) error {
		_, err := c.Change(ctx, "one", func(r *datastore.Record) error {
			r.Name = "after"
			r.Control = r.Control.Clone()
			r.Control.Tags["a"] = "b"
			r.Identity = &datastore.IdentityProvider{Strategy: strategy}
			return nil
		})
		return err
	}
	if err := change(datastore.StrategySMART); err != nil {
		t.Fatal(err)
	}
	first := s.Identity()
	if err := change(datastore.StrategySMART); err != nil || first == nil || s.Identity() != first {
		t.Errorf("the same provider is another: %p and %p, %v", first, s.Identity(), err)
	}
	if err := change("NONE"); fhir.KindOf(err) != fhir.KindInvalid || s.Identity() != first {
		t.Errorf("a bad provider: %v", err)
	}
	r, err := c.Describe(ctx, "one")
	if err != nil || r.Name != "after" || r.Control.Tags["a"] != "b" {
		t.Errorf("described as %+v, %v", r, err)
	}
	if _, err := c.Change(ctx, "two", nil); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("a data store that is not there: %v", err)
	}
}
