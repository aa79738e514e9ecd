package compare

import (
	"encoding/binary"
	"math"
)

// An interval's key is a byte 0, its first microsecond and the first one after
// it, in eight bytes each. An interval longer than Long has a second key, a
// byte 1 and the same two in reverse, so that what ends after a point in time
// can be found without a look at everything that began before.
const (
	byStart = 0
	byEnd   = 1
	// KeySize is the length of a key.
	KeySize = 1 + 8 + 8
	// Long is the length in microseconds above which an interval has the
	// second key.
	Long = 24 * 60 * 60 * 1e6
)

// IsLong reports whether the interval has a second key.
func (i Interval) IsLong() bool { return uint64(i.Hi)-uint64(i.Lo) > Long }

// AppendKey appends the key.
func (i Interval) AppendKey(dst []byte) []byte { return appendKey(dst, byStart, i.Lo, i.Hi) }

// AppendEndKey appends the second key.
func (i Interval) AppendEndKey(dst []byte) []byte { return appendKey(dst, byEnd, i.Hi, i.Lo) }

// appendKey appends a key; the flipped sign bit makes the bytes compare as the
// numbers do.
func appendKey(dst []byte, form byte, a, b int64) []byte {
	dst = append(dst, form)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a)^1<<63)
	return binary.BigEndian.AppendUint64(dst, uint64(b)^1<<63)
}

// OfKey is the interval of either key.
func OfKey(key []byte) Interval {
	a := int64(binary.BigEndian.Uint64(key[1:]) ^ 1<<63)
	b := int64(binary.BigEndian.Uint64(key[9:]) ^ 1<<63)
	if key[0] == byEnd {
		a, b = b, a
	}
	return Interval{Lo: a, Hi: b}
}

// A Range is the keys from From up to and without To.
type Range struct{ From, To []byte }

// ByStart is the range of all first keys: they are in the order of intervals.
func ByStart() Range { return startsIn(math.MinInt64, math.MaxInt64) }

// Ranges are the keys of the intervals that may compare with q as the prefix
// says: those that do are where Holds holds. In sure it holds for all; where
// exact is set, it does in all of them. Ranges end behind q where an interval
// without any length may lie at its end: a Period that ends before it starts.
func (p Prefix) Ranges(q Interval) (ranges, sure []Range, exact bool) {
	switch p {
	case Eq:
		return []Range{startsIn(q.Lo, behind(q.Hi))}, nil, false
	case Ne:
		return []Range{ByStart()}, []Range{startsIn(Always.Lo, q.Lo), startsAfter(q.Hi)}, false
	case Gt:
		return []Range{startsIn(before(q.Hi), Always.Hi), endsAfter(q.Hi)}, []Range{startsAfter(q.Hi), endsAfter(q.Hi)}, false
	case Ge:
		return []Range{startsIn(min(before(q.Hi), q.Lo), Always.Hi), endsAfter(q.Hi)}, []Range{startsIn(q.Lo, Always.Hi), endsAfter(q.Hi)}, false
	case Ap:
		return []Range{startsIn(before(q.Lo), q.Hi), endsAfter(q.Lo)}, []Range{startsIn(behind(q.Lo), q.Hi)}, false
	case Le:
		return []Range{startsIn(Always.Lo, behind(q.Hi))}, []Range{startsIn(Always.Lo, q.Lo)}, false
	case Eb:
		return []Range{startsIn(Always.Lo, behind(q.Lo))}, nil, false
	case Lt:
		return []Range{startsIn(Always.Lo, q.Lo)}, nil, true
	default: // sa
		return []Range{startsIn(q.Hi, Always.Hi)}, nil, true
	}
}

// before is a day before t: an interval without a second key that ends after t
// starts no earlier.
func before(t int64) int64 { return t - Long }

// behind is the microsecond after t.
func behind(t int64) int64 { return t + min(1, math.MaxInt64-t) }

// startsIn is the range of the intervals with from ≤ lo < to.
func startsIn(from, to int64) Range {
	r := Range{From: []byte{byStart}, To: []byte{byStart + 1}}
	if from != math.MinInt64 {
		r.From = appendKey(nil, byStart, from, math.MinInt64)
	}
	if to != math.MaxInt64 {
		r.To = appendKey(nil, byStart, to, math.MinInt64)
	}
	return r
}

// startsAfter is the range of the intervals with lo > t, which end after t too.
func startsAfter(t int64) Range {
	if t == math.MaxInt64 {
		return Range{From: []byte{byStart + 1}, To: []byte{byStart + 1}}
	}
	return startsIn(t+1, math.MaxInt64)
}

// endsAfter is the range of the long intervals with hi > t.
func endsAfter(t int64) Range {
	if t == math.MaxInt64 {
		return Range{From: []byte{byEnd + 1}, To: []byte{byEnd + 1}}
	}
	return Range{From: appendKey(nil, byEnd, t+1, math.MinInt64), To: []byte{byEnd + 1}}
}
