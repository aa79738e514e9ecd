package column

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// docKeys are keys by doc and parameter.
type docKeys map[posting.Doc]map[uint16][]string

func (k docKeys) read(first, last posting.Doc) *Chunk {
	c := NewChunk(min(last+1, first+posting.ChunkDocs))
	for d := first; d < c.next; d++ {
		for param, keys := range k[d] {
			for _, key := range keys {
				c.Add(param, d, []byte(key))
			}
		}
	}
	return c
}

// TestReaderFindsWhatWasAdded looks docs up in any order, in chunks that are
// made as they become worth it, and of which few may be kept.
func TestReaderFindsWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const docs = 3 * posting.ChunkDocs
		last := posting.Doc(docs - rapid.IntRange(1, 100).Draw(t, "missing"))
		keys := docKeys{}
		for range rapid.IntRange(0, 300).Draw(t, "keys") {
			d := posting.Doc(rapid.IntRange(0, docs-1).Draw(t, "doc"))
			param := uint16(rapid.IntRange(1, 2).Draw(t, "param"))
			if keys[d] == nil {
				keys[d] = map[uint16][]string{}
			}
			keys[d][param] = append(keys[d][param], rapid.StringN(0, 3, 8).Draw(t, "key"))
		}
		cache := &Cache{limit: rapid.SampledFrom([]int{0, 2000, 1 << 20}).Draw(t, "limit")}
		all := roaring.New()
		all.AddRange(0, docs)
		for range 3 {
			cold, err := warm(cache, all, func(first posting.Doc) (*Chunk, error) { return keys.read(first, last), nil })
			if err != nil || cold < docs-1-int(last) {
				t.Fatalf("%d docs are cold, %v; %d are not known", cold, err, docs-1-int(last))
			}
		}
		r := Reader{Cache: cache, Param: 1}
		for range 300 {
			d := posting.Doc(rapid.IntRange(0, docs-1).Draw(t, "doc"))
			var got []string
			found := r.Each(d, func(key []byte) { got = append(got, string(key)) })
			if found && d > last || found && !slices.Equal(got, keys[d][1]) || !found && len(got) > 0 {
				t.Fatalf("doc %d has %q, found is %v; want %q", d, got, found, keys[d][1])
			}
		}
	})
}

// warm asks for a set, makes what is worth it, and returns how many docs no
// chunk tells of then.
func warm(cache *Cache, set *roaring.Bitmap, read func(first posting.Doc) (*Chunk, error)) (cold int, err error) {
	if _, make := cache.Ask(set); make {
		err = cache.Make(read, func() bool { return false })
	}
	for it := set.Iterator(); it.HasNext(); {
		if d := posting.Doc(it.Next()); d >= cache.get(chunkOf(d)).next {
			cold++
		}
	}
	return cold, err
}

// TestCacheStops ends the making of chunks, which can be asked for again.
func TestCacheStops(t *testing.T) {
	cache := &Cache{limit: 1 << 20}
	all := roaring.New()
	all.AddRange(0, 3*posting.ChunkDocs)
	made := 0
	read := func(first posting.Doc) (*Chunk, error) {
		made++
		return NewChunk(first + posting.ChunkDocs), nil
	}
	if cold, make := cache.Ask(all); cold != 3*posting.ChunkDocs || !make {
		t.Fatalf("%d are cold, make is %v", cold, make)
	}
	if _, make := cache.Ask(all); make {
		t.Error("two make chunks at a time")
	}
	if err := cache.Make(read, func() bool { return made == 1 }); err != nil || made != 1 {
		t.Fatalf("%d made, %v", made, err)
	}
	broken := errors.New("broken")
	if _, err := warm(cache, all, func(posting.Doc) (*Chunk, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	if cold, err := warm(cache, all, read); cold != 0 || err != nil {
		t.Errorf("%d are cold, %v", cold, err)
	}
}

// TestCacheBuildsWhatIsWorthIt asks for a few docs until their chunk is made,
// and forgets it, also while it is being made.
func TestCacheBuildsWhatIsWorthIt(t *testing.T) {
	cache := &Cache{limit: 1 << 20}
	few := roaring.BitmapOf(1, 2, posting.ChunkDocs+1)
	var made []posting.Doc
	read := func(first posting.Doc) (*Chunk, error) {
		made = append(made, first)
		return NewChunk(first + posting.ChunkDocs), nil
	}
	for range worth/2 - 1 {
		if cold, err := warm(cache, few, read); cold != 3 || err != nil {
			t.Fatalf("%d docs are cold, %v", cold, err)
		}
	}
	if cold, _ := warm(cache, few, read); cold != 1 || fmt.Sprint(made) != "[0]" {
		t.Errorf("%d docs are cold, made were %d", cold, made)
	}
	cache.Forget([]posting.Doc{2})
	if cache.bytes != 0 || cache.get(0) != none {
		t.Errorf("%d bytes are kept", cache.bytes)
	}
	many := roaring.New()
	many.AddRange(0, worth)
	forgetful := func(first posting.Doc) (*Chunk, error) {
		cache.Forget([]posting.Doc{1})
		return read(first)
	}
	if cold, _ := warm(cache, many, forgetful); cold != worth {
		t.Errorf("what was forgotten while it was made is kept: %d are cold", cold)
	}
	if cold, _ := warm(cache, many, read); cold != 0 {
		t.Errorf("%d are cold", cold)
	}
}

func BenchmarkReader(b *testing.B) {
	cache := &Cache{limit: 1 << 20}
	all := roaring.New()
	all.AddRange(0, posting.ChunkDocs)
	_, _ = warm(cache, all, func(first posting.Doc) (*Chunk, error) {
		c := NewChunk(first + posting.ChunkDocs)
		for d := first; d < c.next; d++ {
			c.Add(1, d, fmt.Appendf(nil, "key of many bytes %d", d/4))
		}
		return c, nil
	})
	n := 0
	for b.Loop() {
		r := Reader{Cache: cache, Param: 1}
		for d := posting.Doc(0); d < posting.ChunkDocs; d += 7 {
			r.Each(d, func(key []byte) { n += len(key) })
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(posting.ChunkDocs/7)), "ns/doc")
}
