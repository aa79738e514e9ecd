package pebble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/store"
)

// TestRewindAndPast writes at random, with deletions and erasures, a version a
// second. At every time, a copy of the folder that is taken back to it holds the
// versions up to then and finds what was current, and so does Past.
func TestRewindAndPast(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		now := start
		disk := vfs.NewMem()
		s, err := Open("store", Options{FS: disk, Extract: testExtract, SealDocs: 9, bulkOps: 1 + int(seed), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 80 {
			now = now.Add(time.Second)
			writeRandomly(t, s, random, i)
		}
		for at := int(seed); at <= 80; at += 6 {
			checkRewound(t, s, disk, at, start.Add(time.Duration(at)*time.Second))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func writeRandomly(t *testing.T, s *Store, random *rand.Rand, i int) {
	t.Helper()
	ctx, id := context.Background(), fmt.Sprint("p", random.IntN(12))
	var err error
	switch random.IntN(8) {
	case 0:
		_, err = s.Commit(ctx, []store.Op{{Kind: store.OpDelete, Type: "Patient", ID: id}})
	case 1:
		// Where there is no such resource, or this is the current version, nothing is erased.
		_, _ = s.Erase(ctx, []store.Erasure{{Type: "Patient", ID: id, Number: uint64(random.IntN(3))}})
	case 2:
		_, err = s.Load(ctx, []store.Op{testOp(id, fmt.Sprint("n", i%5)), testOp("q"+id, fmt.Sprint("n", i))})
	default:
		_, err = s.Commit(ctx, []store.Op{testOp(id, fmt.Sprint("n", i%5))})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func checkRewound(t *testing.T, s *Store, disk vfs.FS, at int, to time.Time) {
	t.Helper()
	dir := fmt.Sprint("copy", at)
	if _, err := s.Checkpoint(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	last, err := Rewind(dir, disk, to)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Open(dir, Options{FS: disk, Extract: testExtract, SealDocs: 9})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	want := map[store.T]store.Version{}
	var all []store.Version
	for _, v := range versionsUpTo(t, s, 1<<30) {
		if !v.LastUpdated.After(to) {
			want[v.T] = v
			all = append(all, v)
		}
	}
	if diff := cmp.Diff(all, versionsUpTo(t, other, 1<<30)); diff != "" {
		t.Fatalf("at %d: %s", at, diff)
	}
	current := currentOf(want)
	past := map[string]store.Version{}
	for v, err := range s.Past(context.Background(), last, "", "") {
		if err != nil {
			t.Fatal(err)
		}
		past[v.ID] = v
	}
	if diff := cmp.Diff(current, past); diff != "" {
		t.Fatalf("the past at %d: %s", at, diff)
	}
	for i := range 5 {
		name, n := fmt.Sprint("n", i), 0
		for _, v := range current {
			if string(v.Body.JSON) == fmt.Sprintf("%q", name) {
				n++
			}
		}
		if found := named(t, other, name); found != n {
			t.Errorf("at %d, %d are found by the name %s, not %d", at, found, name, n)
		}
	}
	// It goes on from there.
	if _, err := other.Commit(context.Background(), []store.Op{testOp("p0", "after")}); err != nil || named(t, other, "after") != 1 {
		t.Errorf("at %d, a commit: %v", at, err)
	}
}
