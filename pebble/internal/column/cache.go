package column

import (
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// A Cache keeps the chunks that were asked for most, up to a number of bytes.
// It is safe for concurrent use.
type Cache struct {
	// Limit is the number of bytes that chunks may take together.
	Limit int

	mu    sync.Mutex
	slots map[uint32]*slot
	bytes int
	// epoch counts what makes chunks untrue that are being made.
	epoch int
}

// A slot is what is known of a chunk: it, or how often it was asked for.
type slot struct {
	chunk *Chunk
	bytes int
	// heat is how many docs were asked for that the chunk does not tell of.
	heat int
	// making is set while a goroutine makes the chunk.
	making bool
}

const (
	// worth is the heat from which on a chunk is made: reading the facts of
	// this many docs costs what making the chunk does.
	worth = 1024
	// maxMade is how many chunks one call of Warm makes. With four, the first
	// searches over many cold chunks took ten times as long as later ones.
	maxMade = 1
)

// none tells of no doc.
var none = &Chunk{}

func (c *Cache) get(number uint32) *Chunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.slots[number]; s != nil && s.chunk != nil {
		return s.chunk
	}
	return none
}

// Warm notes that the docs of a set are asked for, and calls read for chunks
// that are worth it now. It returns how many of the docs no chunk tells of.
// What read returns is not kept where it is nil.
func (c *Cache) Warm(set *roaring.Bitmap, read func(first posting.Doc) (*Chunk, error)) (cold int, err error) {
	made := 0
	for it := set.Iterator(); it.HasNext(); {
		number := chunkOf(posting.Doc(it.PeekNext()))
		start := uint64(number) << posting.ChunkBits
		end := start + posting.ChunkDocs
		n, build, epoch := c.ask(set, number, made < maxMade)
		if build {
			made++
			chunk, err := read(posting.Doc(start))
			c.put(number, chunk, epoch)
			if err != nil {
				return 0, err
			}
			n = c.left(set, number)
		}
		cold += n
		if end > 1<<32-1 {
			break
		}
		it.AdvanceIfNeeded(uint32(end))
	}
	return cold, nil
}

// ask returns how many docs of a set a chunk does not tell of, and whether it
// is to be made by the caller.
func (c *Cache) ask(set *roaring.Bitmap, number uint32, may bool) (cold int, build bool, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		c.slots = map[uint32]*slot{}
	}
	s := c.slots[number]
	if s == nil {
		s = &slot{}
		c.slots[number] = s
	}
	cold = s.cold(set, number)
	s.heat += cold
	if build = may && cold > 0 && s.heat >= worth && !s.making; build {
		s.making, s.heat = true, 0
	}
	return cold, build, c.epoch
}

func (c *Cache) left(set *roaring.Bitmap, number uint32) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.slots[number]; s != nil {
		return s.cold(set, number)
	}
	return (&slot{}).cold(set, number)
}

// cold is how many docs of a set the chunk does not tell of.
func (s *slot) cold(set *roaring.Bitmap, number uint32) int {
	start := uint64(number) << posting.ChunkBits
	end := start + posting.ChunkDocs
	if s.chunk != nil {
		start = max(start, uint64(s.chunk.next))
	}
	if start >= end {
		return 0
	}
	return int(set.CardinalityInRange(start, end))
}

// put keeps a chunk that was made since epoch.
func (c *Cache) put(number uint32, chunk *Chunk, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.slots[number]
	if s == nil {
		return
	}
	s.making = false
	if chunk == nil || chunk.full || epoch != c.epoch {
		return
	}
	c.bytes -= s.bytes
	s.chunk, s.bytes = chunk, chunk.done()
	c.bytes += s.bytes
	c.shrink(number)
}

// shrink lets go of chunks, any but one, until the others are within the limit.
func (c *Cache) shrink(keep uint32) {
	for number, s := range c.slots {
		if c.bytes <= c.Limit {
			return
		}
		if number != keep && s.chunk != nil {
			c.bytes -= s.bytes
			s.chunk, s.bytes, s.heat = nil, 0, 0
		}
	}
}

// Forget lets go of the chunks that docs are in. The docs are gone for good.
func (c *Cache) Forget(docs []posting.Doc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, d := range docs {
		if s := c.slots[chunkOf(d)]; s != nil {
			c.bytes -= s.bytes
			s.chunk, s.bytes, s.heat = nil, 0, 0
		}
	}
}
