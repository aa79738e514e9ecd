package pebble

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

func noCandidate(store.Version) (*search.Candidate, error) { return &search.Candidate{}, nil }

// A power failure right after the first write leaves the folder, and one right
// after the removal of a data store does not bring it back.
func TestFolderSurvivesPowerFailure(t *testing.T) {
	ctx := context.Background()
	disk := crashing.New()
	open := func(disk vfs.FS) *Folder {
		f, err := OpenFolder("srv/tarn", FolderOptions{FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := open(disk)
	s, err := f.OpenStore(ctx, "a", nil, noCandidate)
	if err != nil {
		t.Fatal(err)
	}
	json := []byte(`{"resourceType":"Patient","id":"p"}`)
	op := store.Op{Kind: store.OpUpdate, Type: "Patient", ID: "p", Body: fhir.Body{JSON: json, At: len(json) - 1, Form: fhir.MetaWhole}}
	if _, err := s.Commit(ctx, []store.Op{op}); err != nil {
		t.Fatal(err)
	}

	disk = disk.CrashClone(vfs.CrashCloneCfg{})
	f = open(disk)
	if s, err = f.OpenStore(ctx, "a", nil, noCandidate); err != nil {
		t.Fatal(err)
	}
	v, err := s.View(ctx, 0)
	if err != nil || v.T() != 1 {
		t.Fatalf("after a power failure the store is at %v, %v; want 1", v, err)
	}
	v.Close()

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveStore(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	disk = disk.CrashClone(vfs.CrashCloneCfg{})
	if _, err := disk.Stat("srv/tarn/stores/a"); err == nil {
		t.Error("a removed store is back after a power failure")
	}
}
