package search

// A Block is memory that the entries of several resources are cut from, which
// live as long as one of them does. It is for one goroutine.
type Block struct {
	entries []Entry
	keys    []byte
}

// What a Block takes at a time.
const (
	blockEntries = 512
	blockKeys    = 8 << 10
)

// cut is room for n entries, and for size bytes of their keys.
func (b *Block) cut(n, size int) ([]Entry, []byte) {
	if b == nil || n > blockEntries/4 || size > blockKeys/4 {
		return make([]Entry, n), make([]byte, 0, size)
	}
	if len(b.entries) < n {
		b.entries = make([]Entry, blockEntries)
	}
	if len(b.keys) < size {
		b.keys = make([]byte, blockKeys)
	}
	entries, keys := b.entries[:n:n], b.keys[:0:size]
	b.entries, b.keys = b.entries[n:], b.keys[size:]
	return entries, keys
}
