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
	// followed is set where another block begins behind the first.
	followed bool
	// holes is set where a sector of the first block is missing: a device
	// writes them in any order.
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
	if whole := blockLength(text); whole > 0 {
		end = min(whole, len(text)) // it may end with zeros
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

// torn reports whether a flaw that no checkpoint covers is what a crash leaves.
// With Disk that is part of the last write: sectors are missing, and nothing is
// behind it. With Process it may be anything: what was copied into the file within
// the second before, any part of it in any state.
func (r *remainder) torn(flaw error, of Durability) bool {
	if of == Process {
		return errors.Is(flaw, errCut) || errors.Is(flaw, errBlock) || errors.Is(flaw, errChain)
	}
	return !r.followed && (errors.Is(flaw, errCut) || r.holes)
}

// torn reports whether a flaw behind the last good block is what a crash leaves,
// of which no checkpoint tells. rest is nil in segments that are not the newest.
func (s *segmentReader) torn(flaw error, rest *remainder, head *Checkpoint) bool {
	return rest != nil && rest.torn(flaw, head.durability()) && !(s.start != nil && head.covers(s.start.Segment, s.end))
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
