package codebook

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"sort"
)

// blockSize is how many texts a block of a table has.
const blockSize = 16

// A table is texts in byte order, front-coded: the first of each block in full,
// the others as what they share with the one before, and the rest.
//
// Section: count (4 bytes), the offset of each block and of the end (4 bytes
// each), blocks. In a block: for each text but the first the length shared, then
// the length of the rest, and the rest.
type table struct {
	n       int
	offsets []byte
	data    []byte
}

func (t *table) open(section []byte) error {
	if len(section) < 8 {
		return fmt.Errorf("%w: a table is cut", ErrDamaged)
	}
	t.n = int(binary.LittleEndian.Uint32(section))
	size := (t.blocks() + 1) * 4
	if len(section)-4 < size {
		return fmt.Errorf("%w: a table is cut", ErrDamaged)
	}
	t.offsets, t.data = section[4:4+size], section[4+size:]
	return nil
}

func (t *table) blocks() int { return (t.n + blockSize - 1) / blockSize }

// between are the bytes from one offset to the next; nil where the offsets are
// not right.
func between(offsets, data []byte, at int) []byte {
	if at < 0 || at*4+8 > len(offsets) {
		return nil
	}
	from, to := binary.LittleEndian.Uint32(offsets[at*4:]), binary.LittleEndian.Uint32(offsets[at*4+4:])
	if from > to || uint64(to) > uint64(len(data)) {
		return nil
	}
	return data[from:to]
}

// first is the first text of a block.
func (t *table) first(block int) []byte {
	c := cursor{between(t.offsets, t.data, block)}
	return c.take(c.next())
}

// walk yields the numbers and texts of a block; a text is good until the next.
func (t *table) walk(block int, yield func(at int, text []byte) bool) {
	c := cursor{between(t.offsets, t.data, block)}
	var room [128]byte
	text := append(room[:0], c.take(c.next())...)
	for at := block * blockSize; at < t.n && at < (block+1)*blockSize; at++ {
		if at%blockSize > 0 {
			shared := min(c.next(), len(text))
			text = append(text[:shared], c.take(c.next())...)
		}
		if !yield(at, text) {
			return
		}
	}
}

// at is the text of a number.
func (t *table) at(n int) (text string) {
	if n < 0 || n >= t.n {
		return ""
	}
	t.walk(n/blockSize, func(at int, b []byte) bool {
		if at == n {
			text = string(b)
		}
		return at < n
	})
	return text
}

// lower is the number of the first text that is not before the one given.
func (t *table) lower(text string) int {
	block := sort.Search(t.blocks(), func(i int) bool { return string(t.first(i)) > text }) - 1
	if block < 0 {
		return 0
	}
	found := min((block+1)*blockSize, t.n)
	t.walk(block, func(at int, b []byte) bool {
		if string(b) >= text {
			found = at
			return false
		}
		return true
	})
	return found
}

// find is the number of a text, -1 where there is none.
func (t *table) find(text string) int {
	at := t.lower(text)
	if at < t.n && t.at(at) == text {
		return at
	}
	return -1
}

// prefixed are the numbers of the texts that begin with one: from, and before to.
func (t *table) prefixed(head string) (from, to int) {
	return t.lower(head), t.lower(head + "\xff\xff\xff\xff")
}

// lists are lists of places, or byte strings, by number.
//
// Section: count (4 bytes), the offset of each and of the end (4 bytes each),
// bytes.
type lists struct {
	n       int
	offsets []byte
	data    []byte
}

func (l *lists) open(section []byte) error {
	if len(section) < 8 {
		return fmt.Errorf("%w: lists are cut", ErrDamaged)
	}
	l.n = int(binary.LittleEndian.Uint32(section))
	size := (l.n + 1) * 4
	if len(section)-4 < size {
		return fmt.Errorf("%w: lists are cut", ErrDamaged)
	}
	l.offsets, l.data = section[4:4+size], section[4+size:]
	return nil
}

// size is how many bytes the lists from one to before another have.
func (l *lists) size(from, to int) int {
	if from < 0 || from >= to || to*4+4 > len(l.offsets) {
		return 0
	}
	first, end := binary.LittleEndian.Uint32(l.offsets[from*4:]), binary.LittleEndian.Uint32(l.offsets[to*4:])
	return int(end) - int(first)
}

func (l *lists) bytes(at int) []byte { return between(l.offsets, l.data, at) }

// each yields the places of a list, which ascend.
func (l *lists) each(at int) iter.Seq[int] {
	return func(yield func(int) bool) {
		c := cursor{l.bytes(at)}
		for place := 0; len(c.rest) > 0; {
			place += c.next()
			if place < 0 || !yield(place) {
				return
			}
		}
	}
}

// A cursor reads numbers and bytes; of what is cut it reads 0 and nothing.
type cursor struct{ rest []byte }

func (c *cursor) next() int {
	n, size := binary.Uvarint(c.rest)
	if size <= 0 || n > math.MaxInt32 {
		c.rest = nil
		return 0
	}
	c.rest = c.rest[size:]
	return int(n)
}

// count reads how many things follow, of at least size bytes each.
func (c *cursor) count(size int) int {
	return min(c.next(), len(c.rest)/size)
}

func (c *cursor) take(n int) []byte {
	if n > len(c.rest) {
		n = len(c.rest)
	}
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}
