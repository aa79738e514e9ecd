package audit

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/tarnhealth/tarn/crypt/seal"
)

// A segmentReader reads a segment from its start.
type segmentReader struct {
	r *blockReader
	// file is nil where the segment is not read from a file as it is.
	file *os.File
	name string
	// end is where the last good block ends.
	end int64
	// next record
	number uint64
	start  *segmentStart
	// sealed opens sealed records.
	sealed cabinet
}

func newSegmentReader(f *os.File, name string, keys seal.Keys) *segmentReader {
	return &segmentReader{r: &blockReader{r: buffered(f, 0)}, file: f, name: name, sealed: cabinet{keys: keys}}
}

// buffered reads a file from a place on: blocks may be small.
func buffered(f *os.File, from int64) io.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(f, from, 1<<62-from), 32<<10)
}

// next reads a block whose place in the chain is right. Zeros up to the end of
// the file are its end: they were written ahead.
func (s *segmentReader) next() (block, error) {
	b, err := s.r.next()
	if s.file != nil && (errors.Is(err, errBlock) || errors.Is(err, errCut)) {
		if zero, readErr := s.reserved(); zero || readErr != nil {
			return b, cmp.Or(readErr, io.EOF)
		}
	}
	if s.start == nil && (err == nil || errors.Is(err, errChain)) {
		err = s.readStart(&b)
	}
	if err != nil {
		return b, err
	}
	if s.number != 0 && b.first != s.number {
		return b, errChain
	}
	if err := s.sealed.open(s.start.Segment, &b); err != nil {
		return b, err
	}
	s.end, s.number = s.r.offset, b.next()
	return b, nil
}

// readStart takes the hash before the segment from its first block, which says
// what it is.
func (s *segmentReader) readStart(b *block) error {
	var start segmentStart
	if b.kind != kindSegment || json.Unmarshal(b.body, &start) != nil || segmentName(start.Segment) != s.name {
		return errBlock
	}
	before, err := hex.DecodeString(start.Before)
	if err != nil || len(before) != hashSize {
		return errBlock
	}
	if chain(hash(before), s.r.buf[:headSize+len(b.body)]) != b.hash {
		return errChain
	}
	s.r.before, s.start = b.hash, &start
	return nil
}

// again goes back to where the last good block ends, to what is there now.
func (s *segmentReader) again() {
	s.r.r, s.r.offset = buffered(s.file, s.end), s.end
}

func (s *segmentReader) damage(err error) error {
	d := &Damage{File: s.name, Offset: s.end, Record: s.number}
	switch {
	case errors.Is(err, errChain):
		d.Text = "what is here was altered, or is not in its place: the hash does not follow from what is before"
	case errors.Is(err, errBlock):
		d.Text = "what is here was altered: it is no block of the log"
	case errors.Is(err, errCut):
		d.Text = "the file was cut off here"
	default:
		return err
	}
	return d
}
