package posting

import (
	"encoding/binary"
	"slices"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"
)

// A Sieve keeps those docs of a set that lists have. It looks each doc of the
// set up in a long list, and each of a short list in the set, so that a few
// docs cost little among lists of any length.
type Sieve struct {
	docs []Doc
	met  []bool
	n    int
}

// MaxSieve is up to how many docs a set is sieved; the lists of more are put
// together and intersected.
const MaxSieve = 2048

// NewSieve returns a sieve for a set.
func NewSieve(set *roaring.Bitmap) *Sieve {
	n := int(set.GetCardinality())
	s := &Sieve{docs: make([]Doc, 0, n), met: make([]bool, n)}
	for it := set.Iterator(); it.HasNext(); {
		s.docs = append(s.docs, Doc(it.Next()))
	}
	return s
}

// Full reports whether all docs of the set were met.
func (s *Sieve) Full() bool { return s.n == len(s.docs) }

// Set are the docs that were met.
func (s *Sieve) Set() *roaring.Bitmap {
	docs := make([]uint32, 0, s.n)
	for i, d := range s.docs {
		if s.met[i] {
			docs = append(docs, uint32(d))
		}
	}
	return roaring.BitmapOf(docs...)
}

func (s *Sieve) meet(i int) {
	if !s.met[i] {
		s.met[i] = true
		s.n++
	}
}

// within is the part of the set from first up to and with last.
func (s *Sieve) within(first, last Doc) (from, to int) {
	from, _ = slices.BinarySearch(s.docs, first)
	to = from
	for to < len(s.docs) && s.docs[to] <= last {
		if to-from == 8 {
			n, _ := slices.BinarySearch(s.docs[to:], last+1)
			return from, to + n
		}
		to++
	}
	return from, to
}

// AddDocs implements Into.
func (s *Sieve) AddDocs(docs []Doc) {
	if len(docs) == 0 {
		return
	}
	from, to := s.within(docs[0], docs[len(docs)-1])
	if len(docs) < to-from {
		for _, d := range docs {
			if i, found := slices.BinarySearch(s.docs[from:to], d); found {
				s.meet(from + i)
			}
		}
		return
	}
	for i := from; i < to; i++ {
		n, found := slices.BinarySearch(docs, s.docs[i])
		if found {
			s.meet(i)
		}
		docs = docs[n:]
	}
}

// Add implements Into.
func (s *Sieve) Add(segment uint16, container []byte) error {
	base := Doc(segment) << SegmentBits
	from, to := s.within(base, base|(1<<SegmentBits-1))
	if len(container) == bitmapBytes {
		for i := from; i < to; i++ {
			low := uint16(s.docs[i])
			if binary.LittleEndian.Uint64(container[low/64*8:])&(1<<(low%64)) != 0 {
				s.meet(i)
			}
		}
		return nil
	}
	if err := checkList(container); err != nil {
		return err
	}
	if len(container)/2 < to-from {
		for ; len(container) > 0; container = container[2:] {
			d := base | Doc(binary.BigEndian.Uint16(container))
			if i, found := slices.BinarySearch(s.docs[from:to], d); found {
				s.meet(from + i)
			}
		}
		return nil
	}
	for i := from; i < to && len(container) > 0; i++ {
		low := uint16(s.docs[i])
		at := 2 * sort.Search(len(container)/2, func(k int) bool { return binary.BigEndian.Uint16(container[2*k:]) >= low })
		if container = container[at:]; len(container) > 0 && binary.BigEndian.Uint16(container) == low {
			s.meet(i)
		}
	}
	return nil
}
