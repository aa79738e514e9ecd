package search

import (
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/compare"
)

// dateKind: a date's keys are those of the interval that the value covers, from
// its first microsecond to the first one after it (compare.Interval). A
// Period's missing end is the end of time. A value without a time zone is in
// UTC.
//
// Immunization.occurrenceString, Procedure.performedAge and the like are not
// dates and give nothing.
//
// http://hl7.org/fhir/R4/search.html#date
type dateKind struct{}

func (dateKind) index(x *indexer, n fhir.Node) {
	if i, ok := x.interval(n); ok {
		x.period(i)
	}
}

func (x *indexer) period(i interval) {
	x.keys = i.AppendKey(x.keys)
	x.end()
	if !x.part && i.IsLong() {
		x.keys = i.AppendEndKey(x.keys)
		x.end()
	}
}

func (dateKind) sorted() Span { return Span(compare.ByStart()) }

func (dateKind) size([]byte) int { return compare.KeySize }

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
			test:  func(key []byte) bool { return p.Holds(q, compare.OfKey(key)) },
		}, nil
	}
	return dateCondition(p, q), nil
}

// dateCondition narrows the keys to look at by one end of the interval; the
// test looks at the other where that does not decide.
func dateCondition(p prefix, q interval) condition {
	var c condition
	ranges, sure, exact := p.Ranges(q)
	for _, r := range ranges {
		c.spans = append(c.spans, Span(r))
	}
	for _, r := range sure {
		c.sure = append(c.sure, Span(r))
	}
	if !exact {
		c.test = func(key []byte) bool { return p.Holds(q, compare.OfKey(key)) }
	}
	return c
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
