package lists

import (
	"errors"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// A Run writes the lists of a head to a file of sorted records.
type Run struct {
	DB *lsm.DB
	W  *sstable.Writer
	// Partial is the segment that an earlier file began, where Started is set.
	Partial uint16
	Started bool
	// Merge is set where any list may be in the files already, with docs above
	// those of the head.
	Merge bool
	// Without, where not nil, are docs to leave out.
	Without *roaring.Bitmap
	// Given, where not nil, are the params that were not forgotten meanwhile.
	Given map[uint16]bool
	// Groupings, where not nil, tells how the keys of a param are grouped.
	Groupings func(param uint16) Grouping
	// N is the number of lists written.
	N int

	key, value []byte
	lows       []uint16
}

// WriteHead writes all lists of a head: the groups, then the keys themselves.
func (r *Run) WriteHead(h *posting.Head) error {
	err := r.eachParam(h, func(number uint16, p *posting.HeadParam) error {
		if r.Groupings == nil || r.Groupings(number) == Ungrouped {
			return nil
		}
		return r.writeGroups(number, r.Groupings(number), p)
	})
	if err != nil {
		return err
	}
	return r.eachParam(h, func(number uint16, p *posting.HeadParam) (err error) {
		p.Snapshot().Scan(func(found posting.Posting) bool {
			err = r.write(found.Docs(), func(segment uint16) []byte { return Key(r.key[:0], number, found.Key, segment) })
			return err == nil
		})
		return err
	})
}

func (r *Run) eachParam(h *posting.Head, fn func(number uint16, p *posting.HeadParam) error) error {
	for number, p := range *h.Params.Load() {
		if p == nil || r.Given != nil && !r.Given[uint16(number)] {
			continue
		}
		if err := fn(uint16(number), p); err != nil {
			return err
		}
	}
	return nil
}

// write writes the list of each segment of docs.
func (r *Run) write(docs []posting.Doc, key func(segment uint16) []byte) error {
	for len(docs) > 0 {
		segment := docs[0].Segment()
		n := 1
		for n < len(docs) && docs[n].Segment() == segment {
			n++
		}
		if err := r.writeSegment(key(segment), segment, docs[:n]); err != nil {
			return err
		}
		docs = docs[n:]
	}
	return nil
}

func (r *Run) writeSegment(key []byte, segment uint16, docs []posting.Doc) error {
	r.key, r.lows = key, r.lows[:0]
	if r.Merge || r.Started && segment == r.Partial {
		if err := r.read(key); err != nil {
			return err
		}
	}
	before := len(r.lows)
	for _, d := range docs {
		if r.Without == nil || !r.Without.Contains(uint32(d)) {
			r.lows = append(r.lows, uint16(d))
		}
	}
	if len(r.lows) == before {
		return nil
	}
	if r.Merge {
		slices.Sort(r.lows)
		r.lows = slices.Compact(r.lows)
	}
	r.N++
	r.value = posting.Append(r.value[:0], r.lows)
	return r.W.Set(key, r.value)
}

// read appends what the files have of a list.
func (r *Run) read(key []byte) error {
	value, closer, err := r.DB.Get(key)
	if errors.Is(err, lsm.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	r.lows, err = posting.Read(r.lows, value)
	return errors.Join(err, closer.Close())
}
