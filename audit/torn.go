package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// A remainder is what a segment has behind its last good block, other than the
// zeros at its end.
type remainder struct {
	// size is up to the last byte that is not zero.
	size int64
	// followed is set where another block begins in it.
	followed bool
	// holes is set where a sector is missing: a device writes them in any
	// order.
	holes bool
}

// sector is what a storage device writes as a whole, at least.
const sector = 512

// rest reads what is behind the last good block.
func (s *segmentReader) rest() (*remainder, error) {
	text, err := io.ReadAll(io.NewSectionReader(s.file, s.end, 2*maxBody))
	if err != nil {
		return nil, err
	}
	r := &remainder{}
	end := len(bytes.TrimRight(text, "\x00"))
	r.size = int64(end)
	if whole := blockLength(text); whole > end && whole <= len(text) {
		end = whole // it ends with zeros
	}
	r.followed = hasBlock(text[min(1, len(text)):])
	for at := 0; at < end && !r.holes; {
		to := min(at+sector-int((s.end+int64(at))%sector), end)
		r.holes = allZero(text[at:to])
		at = to
	}
	return r, nil
}

// blockLength is how long the block is that a text begins with; 0 where it
// begins with none.
func blockLength(text []byte) int {
	if len(text) < headSize || !hasBlock(text[:headSize]) {
		return 0
	}
	return headSize + int(binary.BigEndian.Uint32(text[17:])) + hashSize
}

// hasBlock reports whether a block begins somewhere in a text. No record has
// these bytes: its JSON has no control characters.
func hasBlock(text []byte) bool {
	for {
		at := bytes.Index(text, []byte(magic))
		if at < 0 || at+len(magic) >= len(text) {
			return false
		}
		if kind := blockKind(text[at+len(magic)]); kind >= kindRecords && kind <= kindSealed {
			return true
		}
		text = text[at+1:]
	}
}

// torn reports whether a flaw is what a crash leaves of the last write: part of
// a block, and nothing behind it.
func (r *remainder) torn(flaw error) bool {
	return !r.followed && (errors.Is(flaw, errCut) || r.holes)
}

// reserved reports whether the file has nothing but zeros behind the last good
// block.
func (s *segmentReader) reserved() (bool, error) {
	buf := make([]byte, len(zeros))
	in := io.NewSectionReader(s.file, s.end, 1<<62-s.end)
	for any := false; ; any = true {
		n, err := in.Read(buf)
		if !allZero(buf[:n]) {
			return false, nil
		}
		switch {
		case err == io.EOF:
			return any || n > 0, nil
		case err != nil:
			return false, err
		}
	}
}

// allZero is for at most as much as zeros has.
func allZero(b []byte) bool { return bytes.Equal(b, zeros[:len(b)]) }
