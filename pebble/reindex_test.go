package pebble

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// TestIndexIsMadeAnew changes how entries are made between two openings of a
// folder: searches must find by the new entries only, and a third opening must
// not make them again.
func TestIndexIsMadeAnew(t *testing.T) {
	fs := vfs.NewMem()
	const n = 40
	open := func(version int, extract func(store.Version) ([]search.Entry, error)) *Store {
		s, err := Open("store", Options{FS: fs, SealDocs: 7, Extract: extract, EntriesVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(1, testExtract)
	for i := range n {
		ops := []store.Op{testOp(fmt.Sprintf("p%d", i), "old")}
		if _, err := s.Commit(context.Background(), ops); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Commit(context.Background(), []store.Op{{Kind: store.OpDelete, Type: "Patient", ID: "p0"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	var anew atomic.Int32 // versions are read on all processors
	renamed := func(v store.Version) ([]search.Entry, error) {
		anew.Add(1)
		entries, err := testExtract(v)
		for i := range entries {
			entries[i].Key = []byte(strings.Replace(string(entries[i].Key), "old", "new", 1))
		}
		return entries, err
	}
	s = open(2, renamed)
	if old, now := named(t, s, "old"), named(t, s, "new"); old != 0 || now != n-1 {
		t.Errorf("%d found by old entries, %d by new ones; want 0 and %d", old, now, n-1)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	anew.Store(0)
	s = open(2, renamed)
	defer s.Close()
	if now := named(t, s, "new"); now != n-1 || anew.Load() != 0 {
		t.Errorf("%d found after %d extractions; want %d after none", now, anew.Load(), n-1)
	}
}
