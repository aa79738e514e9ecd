package lists

import "encoding/binary"

// Tag is the first byte of a term's key in files.
const Tag = 'i'

// Key is the key of a list of docs. Keys of one param are prefix-free, so
// the segment behind does not disturb their order.
func Key(b []byte, param uint16, key []byte, segment uint16) []byte {
	b = append(b, Tag, byte(param>>8), byte(param))
	b = append(b, key...)
	return binary.BigEndian.AppendUint32(b, uint32(segment))
}

// head is the length of a term key before the param's own key.
const head = 3

// Bounds are the bounds of all terms of a param.
func Bounds(param uint16) (lower, upper []byte) {
	lower = []byte{Tag, byte(param >> 8), byte(param)}
	if param == 1<<16-1 {
		return lower, []byte{Tag + 1}
	}
	return lower, []byte{Tag, byte((param + 1) >> 8), byte(param + 1)}
}

// Split takes a term key apart.
func Split(b []byte) (key []byte, segment uint16) {
	n := len(b) - 4
	return b[head:n], uint16(binary.BigEndian.Uint32(b[n:]))
}
