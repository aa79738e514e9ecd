package search

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
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

// An interval is lo ≤ t < hi, in microseconds since 1970.
type interval struct{ lo, hi int64 }

var always = interval{math.MinInt64, math.MaxInt64}

func (dateKind) index(x *indexer, n fhir.Node) {
	if i, ok := x.interval(n); ok {
		x.period(i)
	}
}

func (x *indexer) period(i interval) {
	x.keys = appendInterval(x.keys, dateByStart, i.lo, i.hi)
	x.end()
	if !x.part && i.long() {
		x.keys = appendInterval(x.keys, dateByEnd, i.hi, i.lo)
		x.end()
	}
}

func (i interval) long() bool { return uint64(i.hi)-uint64(i.lo) > dateLong }

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
	return interval{a, b}
}

// interval is what a date, a Period or a Timing covers.
func (x *indexer) interval(n fhir.Node) (interval, bool) {
	switch x.typeOf(n) {
	case valueDate:
		return parseInterval(textOf(n))
	case valuePeriod:
		return periodInterval(n)
	case valueTiming:
		return timingInterval(n)
	}
	return interval{}, false
}

func periodInterval(n fhir.Node) (interval, bool) {
	start, hasStart := parseInterval(childText(n, "start"))
	end, hasEnd := parseInterval(childText(n, "end"))
	i := always
	if hasStart {
		i.lo = start.lo
	}
	if hasEnd {
		i.hi = max(end.hi, i.lo)
	}
	return i, hasStart || hasEnd
}

// timingInterval spans all events and the bounds of the repetition.
func timingInterval(n fhir.Node) (all interval, ok bool) {
	add := func(i interval, found bool) {
		switch {
		case found && ok:
			all = interval{min(all.lo, i.lo), max(all.hi, i.hi)}
		case found:
			all, ok = i, true
		}
	}
	for e := range n.Each("event") {
		add(parseInterval(textOf(e)))
	}
	if bounds := n.Child("repeat").Child("bounds"); bounds.Exists() && bounds.Type().Name == "Period" {
		add(periodInterval(bounds))
	}
	return all, ok
}

// parseInterval reads a date, dateTime or instant of any precision from the
// year to fractions of a second.
func parseInterval(s []byte) (interval, bool) {
	if len(s) == 0 {
		return interval{}, false
	}
	i, err := fhir.ParseDateTime(string(s))
	return interval{i.Lo, i.Hi}, err == nil
}

// operandInterval reads a query's date and widens it for the prefix ap. In a
// form or query string the + of a time zone may have become a space.
func operandInterval(value string, now func() time.Time) (prefix, interval, error) {
	p, text, err := cutPrefix(chars.Unescape(value))
	if err != nil {
		return 0, interval{}, err
	}
	if strings.IndexByte(text, 'T') > 0 {
		text = strings.Replace(text, " ", "+", 1)
	}
	i, ok := parseInterval([]byte(text))
	if !ok {
		return 0, interval{}, fhir.Errorf(fhir.KindInvalid, "%q is not a date; a date looks like 2020, 2020-01, 2020-01-31 or 2020-01-31T10:30:00Z", text)
	}
	if p == prefixAp {
		i = i.around(now().UnixMicro())
	}
	return p, i, nil
}

// around widens i on both sides by a tenth of its distance to now.
func (i interval) around(now int64) interval {
	var distance int64
	switch {
	case now < i.lo:
		distance = i.lo - now
	case now > i.hi:
		distance = now - i.hi
	}
	return interval{i.lo - distance/10, i.hi + distance/10}
}

// holds compares a value's interval v with a query's q as the prefix says.
func (p prefix) holds(q, v interval) bool {
	inside := v.lo >= q.lo && v.hi <= q.hi
	switch p {
	case prefixEq:
		return inside
	case prefixNe:
		return !inside
	case prefixGt:
		return v.hi > q.hi
	case prefixLt:
		return v.lo < q.lo
	case prefixGe:
		return v.hi > q.hi || inside
	case prefixLe:
		return v.lo < q.lo || inside
	case prefixSa:
		return v.lo >= q.hi
	case prefixEb:
		return v.hi <= q.lo
	default: // ap
		return v.lo < q.hi && v.hi > q.lo
	}
}

func (dateKind) query(o *operand) (condition, error) {
	p, q, err := operandInterval(o.value, o.now)
	if err != nil {
		return condition{}, err
	}
	if o.part {
		return condition{
			spans: []Span{everything},
			test:  func(key []byte) bool { return p.holds(q, keyInterval(key)) },
		}, nil
	}
	return dateCondition(p, q), nil
}

// dateCondition narrows the keys to look at by one end of the interval; the
// test looks at the other where that does not decide.
func dateCondition(p prefix, q interval) condition {
	c := condition{test: func(key []byte) bool { return p.holds(q, keyInterval(key)) }}
	switch p {
	case prefixEq:
		c.spans = []Span{startsIn(q.lo, q.hi)}
	case prefixNe:
		c.spans = []Span{startsIn(always.lo, always.hi)}
	case prefixGt:
		c.spans = []Span{startsIn(before(q.hi), always.hi), endsAfter(q.hi)}
	case prefixGe:
		c.spans = []Span{startsIn(min(before(q.hi), q.lo), always.hi), endsAfter(q.hi)}
	case prefixAp:
		c.spans = []Span{startsIn(before(q.lo), q.hi), endsAfter(q.lo)}
	case prefixLe:
		c.spans = []Span{startsIn(always.lo, q.hi)}
	case prefixEb:
		c.spans = []Span{startsIn(always.lo, q.lo)}
	case prefixLt:
		return condition{spans: []Span{startsIn(always.lo, q.lo)}}
	case prefixSa:
		return condition{spans: []Span{startsIn(q.hi, always.hi)}}
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
	lo, hi := time.UnixMicro(q.lo).UTC(), time.UnixMicro(q.hi).UTC()
	switch p {
	case prefixGt, prefixSa:
		return Updated{From: hi}, nil
	case prefixGe:
		return Updated{From: lo}, nil
	case prefixLt, prefixEb:
		return Updated{To: lo}, nil
	case prefixLe:
		return Updated{To: hi}, nil
	case prefixNe:
		return Not{Updated{lo, hi}}, nil
	}
	return Updated{lo, hi}, nil
}
