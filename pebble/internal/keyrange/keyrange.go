// Package keyrange owns lists of ranges of keys: how they are joined, and their
// form in a record.
//
// It leaves to others: which range a key belongs to, and what is done to the
// ranges (pebble).
package keyrange

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// A List is ranges of keys with their bounds. It is stored, so the bounds of
// what was erased must hold nothing of it.
type List []Range

// A Range is the keys from From up to and without To.
type Range struct{ From, To []byte }

// Add appends a range unless it begins where the last one does: for keys in
// order each range is added once.
func (l *List) Add(next Range) {
	if n := len(*l); n == 0 || !bytes.Equal((*l)[n-1].From, next.From) {
		*l = append(*l, next)
	}
}

// Reduce returns the ranges in order, those that meet as one, and those that
// begin with the same byte as one where there are more than most.
func (l List) Reduce(most int) List {
	ordered := slices.Clone(l)
	slices.SortFunc(ordered, func(a, b Range) int { return bytes.Compare(a.From, b.From) })
	joined := ordered.join(func(last, next Range) bool { return bytes.Compare(next.From, last.To) <= 0 })
	if len(joined) > most {
		joined = joined.join(func(last, next Range) bool { return last.From[0] == next.From[0] })
	}
	return joined
}

func (l List) join(one func(last, next Range) bool) (joined List) {
	for _, next := range l {
		if n := len(joined); n > 0 && one(joined[n-1], next) {
			if bytes.Compare(next.To, joined[n-1].To) > 0 {
				joined[n-1].To = next.To
			}
			continue
		}
		joined = append(joined, next)
	}
	return joined
}

// Append writes the ranges behind b.
func (l List) Append(b []byte) []byte {
	for _, r := range l {
		for _, bound := range [][]byte{r.From, r.To} {
			b = binary.AppendUvarint(b, uint64(len(bound)))
			b = append(b, bound...)
		}
	}
	return b
}

// Read reads what Append wrote. The ranges do not share memory with b.
func Read(b []byte) (l List, err error) {
	b = slices.Clone(b)
	bound := func() []byte {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			b, err = nil, fmt.Errorf("%w: ranges of keys", posting.ErrDamaged)
			return nil
		}
		read := b[size : size+int(n)]
		b = b[size+int(n):]
		return read
	}
	for len(b) > 0 {
		l = append(l, Range{From: bound(), To: bound()})
	}
	if err == nil && slices.ContainsFunc(l, func(r Range) bool { return bytes.Compare(r.From, r.To) >= 0 }) {
		err = fmt.Errorf("%w: a range of keys that ends before it begins", posting.ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}
