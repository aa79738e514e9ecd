package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A Reader reads the records of a log in order, and goes on when there are
// more. It is for one goroutine, and must be closed.
type Reader struct {
	log  *Log
	next uint64
	seg  *segmentReader
	// number is that of the segment.
	number uint64
	// there is the latest record that was there when seg last looked at the
	// file: what is behind it has to be looked at again.
	there uint64
}

// ErrRemoved is the error of reading records whose segment was archived.
var ErrRemoved = errors.New("audit: the records were archived and removed")

// Reader returns a reader that begins with a record.
func (l *Log) Reader(from uint64) *Reader { return &Reader{log: l, next: max(from, 1)} }

// Next returns the records that are there, some at a time; none where there
// are no more now. ErrRemoved tells that the next record was archived; Oldest
// says where to go on.
func (r *Reader) Next() ([]Stored, error) {
	for {
		last, _ := r.log.End()
		if r.next > last {
			return nil, nil
		}
		switch {
		case r.seg == nil:
			if err := r.find(); err != nil {
				return nil, err
			}
			r.there = last
		case r.next > r.there:
			r.seg.again()
			r.there = last
		}
		b, err := r.seg.next()
		if err == io.EOF {
			if err := r.open(r.number + 1); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, r.seg.damage(err)
		}
		if b.kind == kindSealed && b.next() > r.next {
			return nil, ErrSealed
		}
		if b.kind != kindRecords || b.next() <= r.next {
			continue
		}
		return r.take(&b)
	}
}

// take decodes the records of a block that are to be read.
func (r *Reader) take(b *block) ([]Stored, error) {
	var all []Stored
	err := b.texts(func(number uint64, text []byte) error {
		if number < r.next {
			return nil
		}
		s, err := decode(number, text)
		all = append(all, s)
		return err
	})
	r.next = b.next()
	return all, err
}

// find opens the segment with the next record.
func (r *Reader) find() error {
	segments, err := segmentsIn(r.log.opt.Dir)
	if err != nil {
		return err
	}
	for i := len(segments) - 1; i >= 0; i-- {
		first, err := firstOf(r.log.segment(segments[i]))
		if err != nil {
			return err
		}
		if first <= r.next {
			return r.open(segments[i])
		}
	}
	return ErrRemoved
}

func (r *Reader) open(segment uint64) error {
	r.Close()
	f, err := os.Open(r.log.segment(segment))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrRemoved
	}
	if err != nil {
		return err
	}
	r.seg, r.number = newSegmentReader(f, segmentName(segment), r.log.opt.Keys), segment
	return nil
}

// Close frees the reader.
func (r *Reader) Close() error {
	if r.seg == nil {
		return nil
	}
	err := r.seg.file.Close()
	r.seg = nil
	return err
}

// firstOf is the number of the first record of a segment file.
func firstOf(name string) (uint64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b, err := (&blockReader{r: f}).next()
	if err != nil && !errors.Is(err, errChain) {
		return 0, fmt.Errorf("audit: %s: %w", name, err)
	}
	return b.first, nil
}

// Oldest is the number of the first record that the log still has.
func (l *Log) Oldest() (uint64, error) {
	segments, err := segmentsIn(l.opt.Dir)
	if err != nil || len(segments) == 0 {
		return 1, err
	}
	return firstOf(l.segment(segments[0]))
}

// Each calls fn for the records of a folder of segments, archived ones
// included, without a Log: a server may have it open. It stops at the first
// error, and at what is not a whole block.
//
// ErrSealed is the error where the records are sealed; Folder.Each has the keys.
func Each(dir, archive string, fn func(Stored) error) error {
	return Folder{Dir: dir, Archive: archive}.Each(fn)
}

// Each is Each of the package, with keys.
func (f Folder) Each(fn func(Stored) error) error {
	return f.eachText(func(number uint64, text []byte) error {
		r, err := decode(number, text)
		if err != nil {
			return err
		}
		return fn(r)
	})
}

// eachText is Each before decoding.
func (f Folder) eachText(fn func(number uint64, text []byte) error) error {
	head, err := readHead(f.Dir)
	if err != nil {
		return err
	}
	return f.walk(func(_ *segmentReader, b *block) error {
		if b.kind == kindSealed {
			return ErrSealed
		}
		if b.kind != kindRecords {
			return nil
		}
		return b.texts(fn)
	}, func(s *segmentReader, err error, rest *remainder) error {
		if s.torn(err, rest, head) {
			return nil
		}
		return s.damage(err)
	})
}

// checkpointBody reads the body of a checkpoint.
func checkpointBody(b *block) (*Checkpoint, error) {
	var c Checkpoint
	err := json.Unmarshal(b.body, &c)
	return &c, err
}
