// Package compare owns how the values of a query compare with stored ones: the
// prefixes (eq, gt, ap), and the intervals of time that dates stand for.
package compare

import (
	"math"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A Prefix is how a query value of type number, date or quantity compares.
// http://hl7.org/fhir/R4/search.html#prefix
type Prefix uint8

// The prefixes, in the order of Names.
const (
	Eq Prefix = iota
	Ne
	Gt
	Lt
	Ge
	Le
	Sa // starts after
	Eb // ends before
	Ap // approximately
)

// Names are the prefixes as a query writes them.
var Names = [...]string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"}

// Cut splits the Prefix off a value; a value without one means eq.
func Cut(value string) (Prefix, string, error) {
	if value == "" || !isLetter(value[0]) {
		return Eq, value, nil
	}
	if len(value) >= 2 {
		for i, p := range Names {
			if value[:2] == p {
				return Prefix(i), value[2:], nil
			}
		}
	}
	n := 0
	for n < len(value) && isLetter(value[n]) {
		n++
	}
	return 0, "", fhir.Errorf(fhir.KindInvalid, "%q is not a prefix; the prefixes are %s", value[:n], strings.Join(Names[:], ", "))
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// An Interval is Lo ≤ t < Hi, in microseconds since 1970.
type Interval struct{ Lo, Hi int64 }

// Always is all of time.
var Always = Interval{math.MinInt64, math.MaxInt64}

// ParseInterval reads a date, dateTime or instant of any precision from the
// year to fractions of a second.
func ParseInterval(text string) (Interval, bool) {
	if text == "" {
		return Interval{}, false
	}
	i, err := fhir.ParseDateTime(text)
	return Interval{i.Lo, i.Hi}, err == nil
}

// OfPeriod is what a Period covers: a missing end is the end of time.
func OfPeriod(n fhir.Node) (Interval, bool) {
	start, hasStart := ParseInterval(n.Child("start").View())
	end, hasEnd := ParseInterval(n.Child("end").View())
	i := Always
	if hasStart {
		i.Lo = start.Lo
	}
	if hasEnd {
		i.Hi = max(end.Hi, i.Lo)
	}
	return i, hasStart || hasEnd
}

// OfTiming spans all events and the bounds of the repetition.
func OfTiming(n fhir.Node) (all Interval, ok bool) {
	add := func(i Interval, found bool) {
		switch {
		case found && ok:
			all = Interval{min(all.Lo, i.Lo), max(all.Hi, i.Hi)}
		case found:
			all, ok = i, true
		}
	}
	for e := range n.Each("event") {
		add(ParseInterval(e.View()))
	}
	if bounds := n.Child("repeat").Child("bounds"); bounds.Exists() && bounds.Type().Name == "Period" {
		add(OfPeriod(bounds))
	}
	return all, ok
}

// around widens i on both sides by a tenth of its distance to now.
func (i Interval) Around(now int64) Interval {
	var distance int64
	switch {
	case now < i.Lo:
		distance = i.Lo - now
	case now > i.Hi:
		distance = now - i.Hi
	}
	return Interval{i.Lo - distance/10, i.Hi + distance/10}
}

// holds compares a value's Interval v with a query's q as the Prefix says.
func (p Prefix) Holds(q, v Interval) bool {
	inside := v.Lo >= q.Lo && v.Hi <= q.Hi
	switch p {
	case Eq:
		return inside
	case Ne:
		return !inside
	case Gt:
		return v.Hi > q.Hi
	case Lt:
		return v.Lo < q.Lo
	case Ge:
		return v.Hi > q.Hi || inside
	case Le:
		return v.Lo < q.Lo || inside
	case Sa:
		return v.Lo >= q.Hi
	case Eb:
		return v.Hi <= q.Lo
	default: // ap
		return v.Lo < q.Hi && v.Hi > q.Lo
	}
}

// Overlaps reports whether the intervals have a moment in common.
func (i Interval) Overlaps(v Interval) bool { return v.Lo < i.Hi && v.Hi > i.Lo }

// Covers reports whether v lies in i.
func (i Interval) Covers(v Interval) bool { return i.Lo <= v.Lo && v.Hi <= i.Hi }
