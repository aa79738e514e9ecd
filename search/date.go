package search

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/compare"
)

// dateKind: a date's key is the interval that the value covers, from its
// first microsecond to the first one after it: a byte 0 and both in eight
// bytes each. An interval longer than a day has a second key, a byte 1 and the
// same two in reverse, so that what ends after a point in time can be found
// without a look at everything that began before. A Period's missing end is
// the end of time. A value without a time zone is in UTC.
//
// Immunization.occurrenceString, Procedure.performedAge and the like are not
// dates and give nothing.
//
// http://hl7.org/fhir/R4/search.html#date
type dateKind struct{}

const (
	dateByStart = 0
	dateByEnd   = 1
	dateSize    = 1 + 8 + 8
	// dateLong is the length in microseconds above which an interval has the
	// second key.
	dateLong = 24 * 60 * 60 * 1e6
)

func (dateKind) index(x *indexer, n fhir.Node) {
	if i, ok := x.interval(n); ok {
		x.period(i)
	}
}

func (x *indexer) period(i interval) {
	x.keys = appendInterval(x.keys, dateByStart, i.Lo, i.Hi)
	x.end()
	if !x.part && uint64(i.Hi)-uint64(i.Lo) > dateLong {
		x.keys = appendInterval(x.keys, dateByEnd, i.Hi, i.Lo)
		x.end()
	}
}

func (dateKind) sorted() Span { return Prefix([]byte{dateByStart}) }

func (dateKind) size([]byte) int { return dateSize }

// appendInterval appends a key; the flipped sign bit makes the bytes compare
// as the numbers do.
func appendInterval(dst []byte, form byte, a, b int64) []byte {
	dst = append(dst, form)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a)^1<<63)
	return binary.BigEndian.AppendUint64(dst, uint64(b)^1<<63)
}

func keyInterval(key []byte) interval {
	a := int64(binary.BigEndian.Uint64(key[1:]) ^ 1<<63)
	b := int64(binary.BigEndian.Uint64(key[9:]) ^ 1<<63)
	if key[0] == dateByEnd {
		a, b = b, a
	}
	return interval{Lo: a, Hi: b}
}

// interval is what a date, a Period or a Timing covers.
func (x *indexer) interval(n fhir.Node) (interval, bool) {
	switch x.typeOf(n) {
	case valueDate:
		return compare.ParseInterval(n.View())
	case valuePeriod:
		return compare.OfPeriod(n)
	case valueTiming:
		return compare.OfTiming(n)
	}
	return interval{}, false
}

// operandInterval reads a query's date and widens it for the prefix ap. In a
// form or query string the + of a time zone may have become a space.
func operandInterval(value string, now func() time.Time) (prefix, interval, error) {
	p, text, err := compare.Cut(chars.Unescape(value))
	if err != nil {
		return 0, interval{}, err
	}
	if strings.IndexByte(text, 'T') > 0 {
		text = strings.Replace(text, " ", "+", 1)
	}
	i, ok := compare.ParseInterval(text)
	if !ok {
		return 0, interval{}, fhir.Errorf(fhir.KindInvalid, "%q is not a date; a date looks like 2020, 2020-01, 2020-01-31 or 2020-01-31T10:30:00Z", text)
	}
	if p == compare.Ap {
		i = i.Around(now().UnixMicro())
	}
	return p, i, nil
}

func (dateKind) query(o *operand) (condition, error) {
	p, q, err := operandInterval(o.value, o.now)
	if err != nil {
		return condition{}, err
	}
	if o.part {
		return condition{
			spans: []Span{everything},
			test:  func(key []byte) bool { return p.Holds(q, keyInterval(key)) },
		}, nil
	}
	return dateCondition(p, q), nil
}

// dateCondition narrows the keys to look at by one end of the interval; the
// test looks at the other where that does not decide.
func dateCondition(p prefix, q interval) condition {
	c := condition{test: func(key []byte) bool { return p.Holds(q, keyInterval(key)) }}
	switch p {
	case compare.Eq:
		c.spans = []Span{startsIn(q.Lo, q.Hi)}
	case compare.Ne:
		c.spans = []Span{startsIn(compare.Always.Lo, compare.Always.Hi)}
	case compare.Gt:
		c.spans = []Span{startsIn(before(q.Hi), compare.Always.Hi), endsAfter(q.Hi)}
	case compare.Ge:
		c.spans = []Span{startsIn(min(before(q.Hi), q.Lo), compare.Always.Hi), endsAfter(q.Hi)}
	case compare.Ap:
		c.spans = []Span{startsIn(before(q.Lo), q.Hi), endsAfter(q.Lo)}
	case compare.Le:
		c.spans = []Span{startsIn(compare.Always.Lo, q.Hi)}
	case compare.Eb:
		c.spans = []Span{startsIn(compare.Always.Lo, q.Lo)}
	case compare.Lt:
		return condition{spans: []Span{startsIn(compare.Always.Lo, q.Lo)}}
	case compare.Sa:
		return condition{spans: []Span{startsIn(q.Hi, compare.Always.Hi)}}
	}
	return c
}

// before is a day before t: an interval without a second key that ends after t
// starts no earlier.
func before(t int64) int64 { return t - dateLong }

// startsIn is the span of the intervals with from ≤ lo < to.
func startsIn(from, to int64) Span {
	s := Prefix([]byte{dateByStart})
	if from != math.MinInt64 {
		s.From = appendInterval(nil, dateByStart, from, math.MinInt64)
	}
	if to != math.MaxInt64 {
		s.To = appendInterval(nil, dateByStart, to, math.MinInt64)
	}
	return s
}

// endsAfter is the span of the long intervals with hi > t.
func endsAfter(t int64) Span {
	s := Prefix([]byte{dateByEnd})
	s.From = appendInterval(nil, dateByEnd, t+1, math.MinInt64)
	return s
}

// updatedNode is the condition on lastUpdated, an instant in milliseconds.
// http://hl7.org/fhir/R4/search.html#lastUpdated
func updatedNode(value string, now func() time.Time) (Node, error) {
	p, q, err := operandInterval(value, now)
	if err != nil {
		return nil, err
	}
	lo, hi := time.UnixMicro(q.Lo).UTC(), time.UnixMicro(q.Hi).UTC()
	switch p {
	case compare.Gt, compare.Sa:
		return Updated{From: hi}, nil
	case compare.Ge:
		return Updated{From: lo}, nil
	case compare.Lt, compare.Eb:
		return Updated{To: lo}, nil
	case compare.Le:
		return Updated{To: hi}, nil
	case compare.Ne:
		return Not{Updated{lo, hi}}, nil
	}
	return Updated{lo, hi}, nil
}
