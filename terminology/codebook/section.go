package codebook

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
	"sort"
)

// blockSize is how many texts a block of a table has.
const blockSize = 16

// A table is texts in byte order, front-coded: the first of each block in full,
// the others as what they share with the one before, and the rest. Its parts are
// blocks: for each text but the first the length shared, then the length of the
// rest, and the rest.
type table struct {
	n int
	parts
	// heads are how the blocks begin, in memory, where most searches are decided;
	// nil for a table that is not searched often.
	heads []uint64
}

func (t *table) open(section []byte) (err error) {
	t.n, err = t.parts.open(section, blockSize)
	return err
}

// guide makes the heads.
func (t *table) guide() {
	t.heads = make([]uint64, t.blocks())
	for i := range t.heads {
		t.heads[i] = head(t.first(i))
	}
}

// head is how a text begins: its first eight bytes as a number, in the same order.
func head[T string | []byte](text T) (h uint64) {
	for i := range 8 {
		h <<= 8
		if i < len(text) {
			h |= uint64(text[i])
		}
	}
	return h
}

// block is the number of the last block that begins with a text or one before it,
// -1 where none does.
func (t *table) block(wanted string) int {
	from, to := 0, t.blocks()
	if t.heads != nil {
		first := head(wanted)
		from, _ = slices.BinarySearch(t.heads, first)
		if first < math.MaxUint64 {
			to, _ = slices.BinarySearch(t.heads, first+1)
		}
	}
	return from + sort.Search(to-from, func(i int) bool { return string(t.first(from+i)) > wanted }) - 1
}

func (t *table) blocks() int { return (t.n + blockSize - 1) / blockSize }

// parts are byte strings that stand one behind the other.
//
// Section: how many things are in them (4 bytes), the offset of each part and of
// the end (4 bytes each), bytes.
type parts struct{ offsets, data []byte }

// open reads a section of parts that have up to size things each, and tells how
// many things there are.
func (p *parts) open(section []byte, size int) (n int, err error) {
	if len(section) < 8 {
		return 0, fmt.Errorf("%w: a section is cut", ErrDamaged)
	}
	n = int(binary.LittleEndian.Uint32(section))
	length := ((n+size-1)/size + 1) * 4
	if len(section)-4 < length {
		return 0, fmt.Errorf("%w: a section is cut", ErrDamaged)
	}
	p.offsets, p.data = section[4:4+length], section[4+length:]
	return n, nil
}

// bytes are those of a part; nil where the offsets are not right.
func (p *parts) bytes(at int) []byte {
	if at < 0 || at*4+8 > len(p.offsets) {
		return nil
	}
	from, to := binary.LittleEndian.Uint32(p.offsets[at*4:]), binary.LittleEndian.Uint32(p.offsets[at*4+4:])
	if from > to || uint64(to) > uint64(len(p.data)) {
		return nil
	}
	return p.data[from:to]
}

// first is the first text of a block.
func (t *table) first(block int) []byte {
	c := cursor{t.bytes(block)}
	return c.take(c.next())
}

// A walk goes over the texts of a block.
type walk struct {
	// at is the number of the text.
	at, end int
	rest    cursor
}

// walk begins at a block, before its first text.
func (t *table) walk(block int) walk {
	return walk{at: block*blockSize - 1, end: min((block+1)*blockSize, t.n), rest: cursor{t.bytes(block)}}
}

// next makes the next text of the one before, if there is a next. (It does not
// keep the text itself so that short ones need no memory.)
func (w *walk) next(text []byte) ([]byte, bool) {
	if w.at++; w.at >= w.end {
		return text, false
	}
	shared := 0
	if w.at%blockSize > 0 {
		shared = min(w.rest.next(), len(text))
	}
	return append(text[:shared], w.rest.take(w.rest.next())...), true
}

// at is the text of a number.
func (t *table) at(n int) string {
	if n < 0 || n >= t.n {
		return ""
	}
	var room [128]byte
	w := t.walk(n / blockSize)
	text, ok := w.next(room[:0])
	for ok && w.at < n {
		text, ok = w.next(text)
	}
	return string(text)
}

// lower is the number of the first text that is not before the one given, and
// whether it is that one.
func (t *table) lower(wanted string) (at int, same bool) {
	block := t.block(wanted)
	if block < 0 {
		return 0, false
	}
	var room [128]byte
	w := t.walk(block)
	text, ok := w.next(room[:0])
	for ok && string(text) < wanted {
		text, ok = w.next(text)
	}
	return w.at, ok && string(text) == wanted
}

// find is the number of a text, -1 where there is none.
func (t *table) find(text string) int {
	if at, same := t.lower(text); same {
		return at
	}
	return -1
}

// prefixed are the numbers of the texts that begin with one: from, and before to.
func (t *table) prefixed(head string) (from, to int) {
	from, _ = t.lower(head)
	to, _ = t.lower(head + "\xff\xff\xff\xff")
	return from, to
}

// lists are lists of places, or byte strings, by number, a part each.
type lists struct {
	n int
	parts
}

func (l *lists) open(section []byte) (err error) {
	l.n, err = l.parts.open(section, 1)
	return err
}

// size is how many bytes the lists from one to before another have.
func (l *lists) size(from, to int) int {
	if from < 0 || from >= to || to*4+4 > len(l.offsets) {
		return 0
	}
	first, end := binary.LittleEndian.Uint32(l.offsets[from*4:]), binary.LittleEndian.Uint32(l.offsets[to*4:])
	return int(end) - int(first)
}

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
