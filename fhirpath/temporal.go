package fhirpath

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// precision says how much of a date or time is given. Seconds and their
// fraction are one precision. http://hl7.org/fhirpath/N1/#datetime-equality
type precision uint8

const (
	toYear precision = iota
	toMonth
	toDay
	toHour
	toMinute
	toSecond
)

// temporal is a date, dateTime or time. Fields beyond its precision are zero.
type temporal struct {
	kind   Kind
	fields [toSecond + 1]int // year, month, day, hour, minute, second
	nanos  int
	digits int // of the fraction, as written
	prec   precision
	zoned  bool
	offset int // minutes east of UTC
}

// scanner reads fixed-width digits off the front of a text.
type scanner struct {
	rest string
	bad  bool
}

func (s *scanner) skip(c byte) bool {
	if s.bad || s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) digits(n int) int {
	if s.bad || len(s.rest) < n {
		s.bad = true
		return 0
	}
	value := 0
	for i := range n {
		if !isDigit(s.rest[i]) {
			s.bad = true
			return 0
		}
		value = value*10 + int(s.rest[i]-'0')
	}
	s.rest = s.rest[n:]
	return value
}

// parseTemporal reads a date, dateTime or time at any precision, with neither
// @ nor the T before a time.
func parseTemporal(kind Kind, text string) (temporal, bool) {
	t := temporal{kind: kind}
	s := &scanner{rest: text}
	if kind != KindTime {
		t.scanDate(s)
	}
	if kind == KindTime || kind == KindDateTime && t.prec == toDay && s.skip('T') {
		t.scanTime(s)
		if kind == KindDateTime {
			t.scanZone(s)
		}
	}
	return t, !s.bad && s.rest == "" && t.inRange()
}

func (t *temporal) scanDate(s *scanner) {
	t.fields[toYear] = s.digits(4)
	for t.prec = toYear; t.prec < toDay && s.skip('-'); {
		t.prec++
		t.fields[t.prec] = s.digits(2)
	}
}

func (t *temporal) scanTime(s *scanner) {
	t.prec = toHour
	t.fields[toHour] = s.digits(2)
	for t.prec < toSecond && s.skip(':') {
		t.prec++
		t.fields[t.prec] = s.digits(2)
	}
	if t.prec < toSecond || !s.skip('.') {
		return
	}
	unit := 100_000_000
	for t.digits = 0; s.rest != "" && isDigit(s.rest[0]); t.digits++ {
		t.nanos += int(s.rest[0]-'0') * unit
		unit /= 10
		s.rest = s.rest[1:]
	}
	t.digits = min(t.digits, 9)
}

func (t *temporal) scanZone(s *scanner) {
	switch {
	case s.skip('Z'):
		t.zoned = true
	case s.skip('+'):
		t.zoned, t.offset = true, s.hoursMinutes()
	case s.skip('-'):
		t.zoned, t.offset = true, -s.hoursMinutes()
	}
}

func (s *scanner) hoursMinutes() int {
	minutes := s.digits(2) * 60
	if !s.skip(':') {
		s.bad = true
	}
	return minutes + s.digits(2)
}

func (t *temporal) inRange() bool {
	f := &t.fields
	if t.kind != KindTime {
		if f[toYear] < 1 || t.prec >= toMonth && (f[toMonth] < 1 || f[toMonth] > 12) {
			return false
		}
		if t.prec >= toDay && (f[toDay] < 1 || f[toDay] > daysIn(f[toYear], f[toMonth])) {
			return false
		}
	}
	return f[toHour] < 24 && f[toMinute] < 60 && f[toSecond] <= 60 &&
		t.offset <= 14*60 && t.offset >= -14*60
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func (t temporal) String() string {
	var b strings.Builder
	for p := toYear; p <= t.prec; p++ {
		switch {
		case p <= toDay && t.kind == KindTime:
			continue
		case p == toYear:
			fmt.Fprintf(&b, "%04d", t.fields[p])
			continue
		case p <= toDay:
			b.WriteByte('-')
		case p == toHour && t.kind == KindDateTime:
			b.WriteByte('T')
		case p > toHour:
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02d", t.fields[p])
	}
	if t.digits > 0 {
		fmt.Fprintf(&b, ".%s", fmt.Sprintf("%09d", t.nanos)[:t.digits])
	}
	b.WriteString(t.zone())
	return b.String()
}

func (t temporal) zone() string {
	switch {
	case !t.zoned:
		return ""
	case t.offset == 0:
		return "Z"
	case t.offset < 0:
		return fmt.Sprintf("-%02d:%02d", -t.offset/60, -t.offset%60)
	}
	return fmt.Sprintf("+%02d:%02d", t.offset/60, t.offset%60)
}

// time is the moment, with the missing fields at their least.
func (t temporal) time() time.Time {
	f := t.fields
	year, month, day := f[toYear], max(f[toMonth], 1), max(f[toDay], 1)
	utc := time.Date(year, time.Month(month), day, f[toHour], f[toMinute], f[toSecond], t.nanos, time.UTC)
	return utc.Add(-time.Duration(t.offset) * time.Minute)
}

// withTime is t at another moment, in its own zone and precision.
func (t temporal) withTime(moment time.Time) temporal {
	moment = moment.UTC().Add(time.Duration(t.offset) * time.Minute)
	all := [...]int{moment.Year(), int(moment.Month()), moment.Day(), moment.Hour(), moment.Minute(), moment.Second()}
	for p := range t.fields {
		t.fields[p] = 0
		if precision(p) <= t.prec && (t.kind != KindTime || precision(p) >= toHour) {
			t.fields[p] = all[p]
		}
	}
	t.nanos = 0
	if t.prec == toSecond {
		t.nanos = moment.Nanosecond()
	}
	return t
}

func temporalAt(kind Kind, moment time.Time) temporal {
	_, seconds := moment.Zone()
	t := temporal{kind: kind, prec: toSecond, digits: 3}
	switch kind {
	case KindDate:
		t.prec, t.digits = toDay, 0
	case KindDateTime:
		t.zoned = true
	}
	t.offset = seconds / 60
	t = t.withTime(moment)
	if !t.zoned {
		t.offset = 0
	}
	return t
}

// comparable reports whether two values are of kinds that compare: a date
// with a dateTime, but not either with a time.
func (t temporal) comparable(u temporal) bool {
	return (t.kind == KindTime) == (u.kind == KindTime)
}

// cmp orders two values. It is not known where they are equal as far as both
// are given but one is given further. Where a zone is missing it is taken as
// UTC. http://hl7.org/fhirpath/N1/#comparison
func (t temporal) cmp(u temporal) (order int, known bool) {
	if t.prec >= toHour && u.prec >= toHour && t.offset != u.offset {
		t, u = t.utc(), u.utc()
	}
	for p := range min(t.prec, u.prec) + 1 {
		if c := cmp.Compare(t.fields[p], u.fields[p]); c != 0 {
			return c, true
		}
	}
	if t.prec != u.prec {
		return 0, false
	}
	return cmp.Compare(t.nanos, u.nanos), true
}

func (t temporal) utc() temporal {
	moment := t.time()
	t.offset = 0
	return t.withTime(moment)
}
