// Package column owns what is kept in memory of the dates of versions: for a
// chunk of docs, the keys that each has for a parameter (Column), and the
// chunks that are worth keeping (Cache).
//
// It leaves to others: where keys come from, and which parameters have columns
// (pebble).
package column

import (
	"slices"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// A Column is the keys that the docs of one chunk have for one parameter. A
// key that several docs have is kept once. Looking up the keys of docs that
// come in order takes some 30 ns for each.
type Column struct {
	// lows are docs by their lower bits, ascending, ords the places of their
	// keys: a doc stands as often as it has keys.
	lows, ords []uint16
	// keys are all keys, one behind the other, ends where each ends.
	keys []byte
	ends []uint32
	// known are the places of keys while the column is made.
	known map[string]uint16
}

// add reports false where the column is full.
func (c *Column) add(low uint16, key []byte) bool {
	ord, ok := c.known[string(key)]
	if !ok {
		if len(c.ends) > 1<<16-1 {
			return false
		}
		ord = uint16(len(c.ends))
		c.known[string(key)] = ord
		c.keys = append(c.keys, key...)
		c.ends = append(c.ends, uint32(len(c.keys)))
	}
	c.lows, c.ords = append(c.lows, low), append(c.ords, ord)
	return true
}

func (c *Column) key(ord uint16) []byte {
	start := uint32(0)
	if ord > 0 {
		start = c.ends[ord-1]
	}
	return c.keys[start:c.ends[ord]:c.ends[ord]]
}

// A Chunk is the columns of posting.ChunkDocs docs, by the number of the
// parameter. It does not change once it is made.
type Chunk struct {
	// next is the first doc that was not looked at.
	next posting.Doc
	// full is set where not all keys found room: the chunk is of no use.
	full    bool
	columns map[uint16]*Column
}

// NewChunk begins a chunk that tells of docs before next.
func NewChunk(next posting.Doc) *Chunk {
	return &Chunk{next: next, columns: map[uint16]*Column{}}
}

// Add adds a key of a doc. Docs come in order.
func (c *Chunk) Add(param uint16, d posting.Doc, key []byte) {
	column := c.columns[param]
	if column == nil {
		column = &Column{known: map[string]uint16{}}
		c.columns[param] = column
	}
	c.full = !column.add(low(d), key) || c.full
}

// done lets go of what only making the chunk takes, and returns its size.
func (c *Chunk) done() (bytes int) {
	for _, column := range c.columns {
		column.known = nil
		column.keys, column.ends = slices.Clip(column.keys), slices.Clip(column.ends)
		column.lows, column.ords = slices.Clip(column.lows), slices.Clip(column.ords)
		bytes += columnBytes + len(column.keys) + 4*len(column.ends) + 4*len(column.lows)
	}
	return bytes + chunkBytes
}

// What a column and a chunk take beside their slices.
const (
	columnBytes = 160
	chunkBytes  = 128
)

func low(d posting.Doc) uint16     { return uint16(d % posting.ChunkDocs) }
func chunkOf(d posting.Doc) uint32 { return uint32(d >> posting.ChunkBits) }

// A Reader looks docs up in the chunks of a Cache. It is for one goroutine,
// and quick where docs ascend.
type Reader struct {
	Cache *Cache
	Param uint16

	number uint32
	chunk  *Chunk
	column *Column
	// at is the place in the column where the docs from the last one on are.
	at int
}

// Each calls fn with the keys of a doc, which are read-only. It reports false
// where nothing is kept of the doc.
func (r *Reader) Each(d posting.Doc, fn func(key []byte)) bool {
	if r.chunk == nil || r.number != chunkOf(d) {
		r.number, r.chunk = chunkOf(d), r.Cache.get(chunkOf(d))
		r.column, r.at = r.chunk.columns[r.Param], 0
	}
	if d >= r.chunk.next {
		return false
	}
	if r.column == nil {
		return true
	}
	lows, want := r.column.lows, low(d)
	if r.at > 0 && lows[r.at-1] >= want {
		r.at = 0
	}
	if r.at < len(lows) && lows[r.at] < want {
		n, _ := slices.BinarySearch(lows[r.at:], want)
		r.at += n
	}
	for ; r.at < len(lows) && lows[r.at] == want; r.at++ {
		fn(r.column.key(r.column.ords[r.at]))
	}
	return true
}
