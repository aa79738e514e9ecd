package hot

import (
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
)

// TestCache: whatever is done, a value that is found is the one that was set
// last, and no more bytes are held than the limit.
func TestCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = shards * 2 * 400
		var c Cache[int, int]
		c.Limit(limit)
		truth := map[int]int{}
		type pending struct {
			key, value int
			ticket     Ticket
		}
		var reads []pending
		steps := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 400).Draw(t, "steps")
		for n, step := range steps {
			key := rapid.IntRange(0, 5).Draw(t, "key")
			switch step {
			case 0: // a change
				truth[key] = n + 1
				c.Set(key, n+1, 30)
			case 1: // a change that is not held
				truth[key] = n + 1
				c.Remove(key)
			case 2, 3: // a look-up that reads the truth where it finds nothing
				value, ticket, ok := c.Get(key)
				if ok && value != truth[key] {
					t.Fatalf("%d is %d, found %d", key, truth[key], value)
				}
				if !ok {
					reads = append(reads, pending{key, truth[key], ticket})
				}
			case 4: // a reader of before is done
				if len(reads) > 0 {
					r := reads[0]
					reads = reads[1:]
					c.Put(r.key, r.value, 30, r.ticket)
				}
			}
		}
		held := 0
		for i := range c.shards {
			s := &c.shards[i]
			for _, all := range []map[int]item[int]{s.young, s.old} {
				for _, i := range all {
					held += i.size
				}
			}
		}
		if held > limit {
			t.Fatalf("%d bytes are held, the limit is %d", held, limit)
		}
	})
}

// TestForgets: what is not asked for goes, what is stays.
func TestForgets(t *testing.T) {
	var c Cache[int, int]
	c.Limit(100 * shards * 2)
	c.Set(-1, 1, 10)
	for i := range 100_000 {
		c.Set(i, i, 10)
		if _, _, ok := c.Get(-1); !ok {
			t.Fatalf("forgotten after %d", i)
		}
	}
	if _, _, ok := c.Get(0); ok {
		t.Error("the first is still there")
	}
	c.Set(-2, 2, 1000)
	if _, _, ok := c.Get(-2); ok {
		t.Error("a value larger than its shard is held")
	}
}

// TestRace: readers never find a value older than one that they have seen set.
func TestRace(t *testing.T) {
	var c Cache[int, int64]
	c.Limit(1 << 20)
	var truth atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := int64(1); n < 20_000; n++ {
			// What values are read from changes first, what may be seen last.
			truth.Store(n)
			c.Remove(1)
		}
	})
	for range 4 {
		wg.Go(func() {
			for seen := int64(0); seen < 19_999; {
				before := truth.Load()
				value, ticket, ok := c.Get(1)
				if !ok {
					value = truth.Load()
					c.Put(1, value, 8, ticket)
				} else if value < before-1 {
					t.Errorf("found %d when %d was set", value, before)
					return
				}
				seen = value
			}
		})
	}
	wg.Wait()
}

func BenchmarkGet(b *testing.B) {
	type key struct{ resourceType, id string }
	var c Cache[key, [64]byte]
	c.Limit(1 << 20)
	k := key{"Observation", "f3b9a8de-1234-5678-9abc-def012345678"}
	c.Set(k, [64]byte{}, 64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, ok := c.Get(k); !ok {
				b.Fail()
			}
		}
	})
}
