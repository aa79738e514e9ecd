package pebble

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

func openHot(t *testing.T, cache int64) *Store {
	t.Helper()
	s, err := Open("store", Options{FS: vfs.NewMem(), CacheBytes: cache,
		Extract: func(store.Version) ([]search.Entry, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// numbered is a body that says which version it is of.
func numbered(n uint64) fhir.Body {
	return fhir.Body{JSON: fmt.Appendf(nil, `{"resourceType":"Basic","id":"a","n":%0200d}`, n), At: 1, Form: 0}
}

// TestHotReads: while resources are written, a view shows what was acknowledged
// before it was opened, no less than a view before it did, and the same however
// often it is asked; with room for all, and for next to nothing.
func TestHotReads(t *testing.T) {
	const resources, rounds = 8, 150
	for _, cache := range []int64{DefaultCacheBytes, 64 << 10} {
		s := openHot(t, cache)
		var acknowledged [resources]atomic.Uint64
		var wg sync.WaitGroup
		ctx, stop := context.WithCancel(context.Background())
		var writers sync.WaitGroup
		for r := range resources {
			writers.Go(func() {
				for n := uint64(1); n <= rounds; n++ {
					op := store.Op{Kind: store.OpUpdate, Type: "Basic", ID: fmt.Sprint(r), Body: numbered(n)}
					if n == 1 {
						op.Kind = store.OpCreate
					}
					if _, err := s.Commit(context.Background(), []store.Op{op}); err != nil {
						t.Error(err)
						return
					}
					acknowledged[r].Store(n)
				}
			})
		}
		for range 3 {
			wg.Go(func() { readHot(ctx, t, s, acknowledged[:]) })
		}
		writers.Wait()
		stop()
		wg.Wait()
	}
}

func readHot(ctx context.Context, t *testing.T, s *Store, acknowledged []atomic.Uint64) {
	seen := make([]uint64, len(acknowledged))
	for ctx.Err() == nil {
		r := rand.IntN(len(seen))
		least := max(seen[r], acknowledged[r].Load())
		view, err := s.View(context.Background(), 0)
		if err != nil {
			t.Error(err)
			return
		}
		first, err := view.Read(context.Background(), "Basic", fmt.Sprint(r))
		if errors.Is(err, store.ErrNotFound) && least == 0 {
			view.Close()
			continue
		}
		if err != nil || first.Number < least || string(first.Body.JSON) != string(numbered(first.Number).JSON) {
			t.Errorf("version %d, at least %d was expected: %v\n%s", first.Number, least, err, first.Body.JSON)
		}
		again, err := view.Read(context.Background(), "Basic", fmt.Sprint(r))
		if err != nil || again.Number != first.Number || again.T > view.T() {
			t.Errorf("version %d, then %d: %v", first.Number, again.Number, err)
		}
		seen[r] = first.Number
		view.Close()
	}
}

// TestHotErase: what was read and is erased is not found any more.
func TestHotErase(t *testing.T) {
	s := openHot(t, DefaultCacheBytes)
	ctx := context.Background()
	for n := range uint64(2) {
		if _, err := s.Commit(ctx, []store.Op{{Kind: store.OpUpdate, Type: "Basic", ID: "a", Body: numbered(n + 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	view, err := s.View(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, err := view.ReadVersion(ctx, "Basic", "a", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(ctx, []store.Erasure{{Type: "Basic", ID: "a", Number: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := view.ReadVersion(ctx, "Basic", "a", 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an erased version: %v", err)
	}
	if v, err := view.Read(ctx, "Basic", "a"); err != nil || v.Number != 2 {
		t.Errorf("version %d: %v", v.Number, err)
	}
	if _, err := s.Erase(ctx, []store.Erasure{{Type: "Basic", ID: "a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := view.Read(ctx, "Basic", "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an erased resource: %v", err)
	}
}
