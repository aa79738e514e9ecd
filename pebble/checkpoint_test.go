package pebble

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
	"github.com/tarnhealth/tarn/crypt/sealfs"
	"github.com/tarnhealth/tarn/store"
)

// versionsUpTo are the versions of a store up to a time.
func versionsUpTo(t *testing.T, s *Store, last store.T) (all []store.Version) {
	t.Helper()
	for v, err := range s.Changes(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if v.T <= last {
			all = append(all, v)
		}
	}
	return all
}

// writing writes to a store from several goroutines until it is told to stop:
// commits, loads that go past the log, deletions, and erasures.
func writing(t *testing.T, s *Store) (stop func()) {
	ctx, ended := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprint("p", w, "-", i%20)
				ops := []store.Op{testOp(id, fmt.Sprint("n", i%5)), testOp(id+"b", fmt.Sprint("n", i))}
				var err error
				switch {
				case w == 0:
					_, err = s.Load(context.Background(), ops)
				case i%7 == 3:
					_, err = s.Commit(context.Background(), []store.Op{{Kind: store.OpDelete, Type: "Patient", ID: id}})
				case w == 1 && i%11 == 10:
					_, err = s.Erase(context.Background(), []store.Erasure{{Type: "Patient", ID: id + "b"}})
				default:
					_, err = s.Commit(context.Background(), ops)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() { ended(); wg.Wait() }
}

// TestCheckpointIsOneTime copies a store while it is written to. Each copy,
// opened, is the store as of the copy's T: no version more, none fewer but for
// what was erased since, and its index finds them.
func TestCheckpointIsOneTime(t *testing.T) {
	for name, wrap := range map[string]func(vfs.FS) vfs.FS{
		"plain":  func(fs vfs.FS) vfs.FS { return fs },
		"sealed": func(fs vfs.FS) vfs.FS { return sealfs.New(fs, sealfs.Options{Keys: sealtest.Of(0)}) },
	} {
		t.Run(name, func(t *testing.T) {
			disk := wrap(vfs.NewMem())
			s, err := Open("store", Options{FS: disk, Extract: testExtract, SealDocs: 50, bulkOps: 1})
			if err != nil {
				t.Fatal(err)
			}
			stop := writing(t, s)
			var made []Checkpoint
			for i := range 12 {
				c, err := s.Checkpoint(context.Background(), fmt.Sprint("copy", i))
				if err != nil {
					t.Fatal(err)
				}
				made = append(made, c)
			}
			stop()
			for i, c := range made {
				checkCopy(t, s, disk, fmt.Sprint("copy", i), c)
			}
			if last := made[len(made)-1]; last.T == 0 || last.At.IsZero() {
				t.Errorf("nothing was written meanwhile: %+v", last)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func checkCopy(t *testing.T, s *Store, disk vfs.FS, dir string, c Checkpoint) {
	t.Helper()
	other, err := Open(dir, Options{FS: disk, Extract: testExtract})
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	defer other.Close()
	if now := store.T(other.now.Load()); now != c.T {
		t.Fatalf("%s is at %d, it was to be at %d", dir, now, c.T)
	}
	copied := map[store.T]store.Version{}
	for _, v := range versionsUpTo(t, other, c.T) {
		copied[v.T] = v
	}
	for _, v := range versionsUpTo(t, s, c.T) {
		if diff := cmp.Diff(v, copied[v.T]); diff != "" {
			t.Fatalf("%s: version %d: %s", dir, v.T, diff)
		}
	}
	for i := range 5 {
		where := fmt.Sprint("n", i)
		found := named(t, other, where)
		want := 0
		for _, v := range currentOf(copied) {
			if string(v.Body.JSON) == fmt.Sprintf("%q", where) {
				want++
			}
		}
		if found != want {
			t.Errorf("%s: %d are found by the name %s, not %d", dir, found, where, want)
		}
	}
}

// currentOf are the newest versions of the resources that are there.
func currentOf(versions map[store.T]store.Version) map[string]store.Version {
	newest := map[string]store.Version{}
	for _, v := range versions {
		if v.T > newest[v.ID].T {
			newest[v.ID] = v
		}
	}
	for id, v := range newest {
		if v.Deleted() {
			delete(newest, id)
		}
	}
	return newest
}
