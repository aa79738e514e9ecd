// Package posting owns sets of docs in the three forms that package pebble has
// them in: lists by key in memory (Head), lists in files (containers, and Gather
// for unions of them), and which of them are superseded (Lifetimes).
//
// It leaves to others: the keys of files, and when which list is written
// (pebble).
package posting

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// ErrDamaged is the error for a list that cannot be one.
var ErrDamaged = errors.New("pebble: a record is damaged")

// SegmentBits is the size of a segment: the docs that share their upper bits.
const SegmentBits = 16

// A Doc is the dense number of a version: its store.T.
type Doc uint32

// MaxDoc is the last doc that can be given out.
const MaxDoc = Doc(1<<32 - 2)

// Segment is the segment that a doc is in.
func (d Doc) Segment() uint16 { return uint16(d >> SegmentBits) }

// A container is the stored form of the docs of one segment, by their low 16
// bits: up to 4,095 of them as a sorted list of 2 bytes each, more as a bitmap
// of 8,192 bytes. Its length tells which.
const (
	bitmapWords = 1 << SegmentBits / 64
	bitmapBytes = bitmapWords * 8
	maxList     = bitmapBytes/2 - 1
)

// Append writes sorted, distinct lows as a container.
func Append(b []byte, lows []uint16) []byte {
	if len(lows) <= maxList {
		for _, low := range lows {
			b = binary.BigEndian.AppendUint16(b, low)
		}
		return b
	}
	var words [bitmapWords]uint64
	for _, low := range lows {
		words[low/64] |= 1 << (low % 64)
	}
	return appendWords(b, &words)
}

func appendWords(b []byte, words *[bitmapWords]uint64) []byte {
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// Read appends the lows of a container.
func Read(lows []uint16, b []byte) ([]uint16, error) {
	if len(b) != bitmapBytes {
		if len(b)%2 != 0 || len(b) > bitmapBytes {
			return nil, fmt.Errorf("%w: container of %d bytes", ErrDamaged, len(b))
		}
		for ; len(b) > 0; b = b[2:] {
			lows = append(lows, binary.BigEndian.Uint16(b))
		}
		return lows, nil
	}
	for i := range bitmapWords {
		for w := binary.LittleEndian.Uint64(b[8*i:]); w != 0; w &= w - 1 {
			lows = append(lows, uint16(i*64+bits.TrailingZeros64(w)))
		}
	}
	return lows, nil
}

// Len is the number of docs in a container.
func Len(b []byte) int {
	if len(b) != bitmapBytes {
		return len(b) / 2
	}
	n := 0
	for ; len(b) > 0; b = b[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b))
	}
	return n
}

// Without appends the lows that are not among gone. Both ascend.
func Without(kept, lows, gone []uint16) []uint16 {
	for _, low := range lows {
		for len(gone) > 0 && gone[0] < low {
			gone = gone[1:]
		}
		if len(gone) == 0 || gone[0] != low {
			kept = append(kept, low)
		}
	}
	return kept
}
