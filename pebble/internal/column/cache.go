package column

import (
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// A Cache keeps the chunks that were asked for most, up to a number of bytes:
// none before SetLimit. It is safe for concurrent use.
type Cache struct {
	mu    sync.Mutex
	slots map[uint32]*slot
	bytes int
	limit int
	// epoch counts what makes chunks untrue that are being made.
	epoch int
	// queue are the chunks that are to be made, running is set while somebody
	// makes them.
	queue   []uint32
	running bool
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

// worth is the heat from which on a chunk is made: reading the facts of this
// many docs costs what making the chunk does.
const worth = 1024

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

// Ask notes that the docs of a set are asked for, and returns how many of them
// no chunk tells of. Where make is set, chunks are worth being made that nobody
// makes: the caller has Make called, beside the search that waits for docs.
func (c *Cache) Ask(set *roaring.Bitmap) (cold int, make bool) {
	for it := set.Iterator(); it.HasNext(); {
		number := chunkOf(posting.Doc(it.PeekNext()))
		end := uint64(number+1) << posting.ChunkBits
		cold += c.ask(set, number)
		if end > 1<<32-1 {
			break
		}
		it.AdvanceIfNeeded(uint32(end))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	make = len(c.queue) > 0 && !c.running
	c.running = c.running || make
	return cold, make
}

// ask returns how many docs of a set a chunk does not tell of, and has the
// chunk made where it is worth it now.
func (c *Cache) ask(set *roaring.Bitmap, number uint32) (cold int) {
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
	if cold > 0 && s.heat >= worth && !s.making {
		s.making, s.heat = true, 0
		c.queue = append(c.queue, number)
	}
	return cold
}

// Make makes the chunks that are worth it, until there are no more or stop says
// so. What read returns is not kept where it is nil.
func (c *Cache) Make(read func(first posting.Doc) (*Chunk, error), stop func() bool) error {
	for {
		number, epoch, ok := c.next(stop())
		if !ok {
			return nil
		}
		chunk, err := read(posting.Doc(number) << posting.ChunkBits)
		c.put(number, chunk, epoch)
		if err != nil {
			c.next(true)
			return err
		}
	}
}

// next takes a chunk from the queue.
func (c *Cache) next(stop bool) (number uint32, epoch int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stop || len(c.queue) == 0 {
		for _, left := range c.queue {
			if s := c.slots[left]; s != nil {
				s.making = false
			}
		}
		c.queue, c.running = nil, false
		return 0, 0, false
	}
	number, c.queue = c.queue[0], c.queue[1:]
	return number, c.epoch, true
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

// SetLimit sets how many bytes chunks may take together.
func (c *Cache) SetLimit(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = bytes
	c.shrink(nobody)
}

// nobody is the number of no chunk.
const nobody = 1<<32 - 1

// shrink lets go of chunks, any but one, until the others are within the limit.
func (c *Cache) shrink(keep uint32) {
	for number, s := range c.slots {
		if c.bytes <= c.limit {
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
