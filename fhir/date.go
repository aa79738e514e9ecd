package fhir

import (
	"fmt"
	"strings"
)

// A Precision says how far the text of a date or time goes.
type Precision uint8

// The precisions.
const (
	PrecisionYear Precision = iota + 1
	PrecisionMonth
	PrecisionDay
	PrecisionMinute
	PrecisionSecond
	PrecisionFraction // of a second
)

// An Interval is the time that the text of a date, dateTime or instant covers:
// Lo ≤ t < Hi, in microseconds since 1970-01-01T00:00:00Z. "2020" covers a
// year, "2020-01-01T10:00:00.5Z" a tenth of a second.
type Interval struct {
	Lo, Hi    int64
	Precision Precision
	// Zoned is set where the text has a time zone. Where it has none, Lo and
	// Hi take it to be UTC.
	Zoned bool
}

// ParseDateTime reads a date, a dateTime or an instant, and also the
// dateTimes without seconds or without time zone that searches may use. Years
// go from 0001 to 9999. The error, of KindInvalid, says what is wrong.
// http://hl7.org/fhir/R4/datatypes.html#dateTime
func ParseDateTime(text string) (Interval, error) {
	m, problem := readMoment(text)
	if problem != "" {
		return Interval{}, Errorf(KindInvalid, "%s is not a date or time: %s", quoteText(text), problem)
	}
	return m.interval(), nil
}

// moment is a date or time taken apart.
type moment struct {
	year, month, day     int
	hour, minute, second int
	micros               int // of a second, cut off
	step                 int // microseconds that the last digit of the fraction counts
	offset               int // of the zone, in minutes
	zoned                bool
	precision            Precision
}

// dateReader takes a text apart from the front. problem keeps what went wrong
// first.
type dateReader struct {
	rest    string
	problem string
}

func (r *dateReader) fail(format string, args ...any) {
	if r.problem == "" {
		r.problem = fmt.Sprintf(format, args...)
	}
	r.rest = ""
}

// take takes one separator if it is next.
func (r *dateReader) take(separators string) byte {
	if r.rest == "" || strings.IndexByte(separators, r.rest[0]) < 0 {
		return 0
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	return c
}

// number takes exactly width digits with a value in range.
func (r *dateReader) number(what string, width, low, high int) int {
	if len(r.rest) < width || !allDigits(r.rest[:width]) {
		r.fail("the %s must have %d digits, as in 2020-01-31T09:30:00Z", what, width)
		return low
	}
	n := 0
	for i := range width {
		n = n*10 + int(r.rest[i]-'0')
	}
	if n < low || n > high {
		r.fail("the %s must be between %0*d and %d", what, width, low, high)
		return low
	}
	r.rest = r.rest[width:]
	return n
}

func readMoment(text string) (m moment, problem string) {
	if m, ok := readPlain(text); ok {
		return m, ""
	}
	return readAny(text)
}

// readAny reads a text of any precision, and says what is wrong with it.
func readAny(text string) (m moment, problem string) {
	r := dateReader{rest: text}
	m = moment{month: 1, day: 1, precision: PrecisionYear}
	m.year = r.number("year", 4, 1, 9999)
	if r.take("-") != 0 {
		m.precision = PrecisionMonth
		m.month = r.number("month", 2, 1, 12)
		if r.take("-") != 0 {
			m.precision = PrecisionDay
			m.day = r.number("day", 2, 1, 31)
			if last := daysIn(m.year, m.month); m.day > last {
				r.fail("month %02d of %04d has %d days", m.month, m.year, last)
			}
			if r.take("T") != 0 {
				r.time(&m)
				r.zone(&m)
			}
		}
	}
	if r.rest != "" {
		r.fail("unexpected %s", quoteText(r.rest))
	}
	return m, r.problem
}

// time takes hh:mm, hh:mm:ss or hh:mm:ss.f.
func (r *dateReader) time(m *moment) {
	m.precision = PrecisionMinute
	m.hour = r.number("hour", 2, 0, 23)
	if r.problem == "" && r.take(":") == 0 {
		r.fail("the time must have minutes, as in 09:30:00")
	}
	m.minute = r.number("minute", 2, 0, 59)
	if r.take(":") == 0 {
		return
	}
	m.precision = PrecisionSecond
	m.second = r.number("second", 2, 0, 59)
	if r.take(".") != 0 {
		m.precision = PrecisionFraction
		r.fraction(m)
	}
}

// fraction takes the digits of a second's fraction; those beyond microseconds
// are checked and dropped.
func (r *dateReader) fraction(m *moment) {
	n := 0
	for n < len(r.rest) && r.rest[n] >= '0' && r.rest[n] <= '9' {
		n++
	}
	if n == 0 {
		r.fail("the fraction of a second must have a digit")
		return
	}
	m.step = 1_000_000
	for _, c := range r.rest[:min(n, 6)] {
		m.step /= 10
		m.micros += int(c-'0') * m.step
	}
	r.rest = r.rest[n:]
}

// zone takes Z or ±hh:mm if there is one.
func (r *dateReader) zone(m *moment) {
	sign := r.take("Z+-")
	if sign == 0 {
		return
	}
	m.zoned = true
	if sign == 'Z' {
		return
	}
	hours := r.number("zone's hour", 2, 0, 14)
	if r.problem == "" && r.take(":") == 0 {
		r.fail("the zone must have minutes, as in +01:00")
	}
	minutes := r.number("zone's minute", 2, 0, 59)
	m.offset = hours*60 + minutes
	if m.offset > 14*60 {
		r.fail("the zone must be between -14:00 and +14:00")
	}
	if sign == '-' {
		m.offset = -m.offset
	}
}

func (m moment) interval() Interval {
	const second = 1_000_000
	days := daysBefore(m.year, m.month) + int64(m.day-1)
	seconds := days*86400 + int64(m.hour*3600+(m.minute-m.offset)*60+m.second)
	lo := seconds*second + int64(m.micros)
	hi := lo
	switch m.precision {
	case PrecisionYear:
		hi = daysBefore(m.year+1, 1) * 86400 * second
	case PrecisionMonth:
		hi += int64(daysIn(m.year, m.month)) * 86400 * second
	case PrecisionDay:
		hi += 86400 * second
	case PrecisionMinute:
		hi += 60 * second
	case PrecisionSecond:
		hi += second
	case PrecisionFraction:
		hi += int64(m.step)
	}
	return Interval{Lo: lo, Hi: hi, Precision: m.precision, Zoned: m.zoned}
}

var monthDays = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// daysOfYear counts the days of a common year before each month.
var daysOfYear = [13]int{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}

func daysIn(year, month int) int {
	if month == 2 && leap(year) {
		return 29
	}
	return monthDays[month]
}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// daysBefore counts the days from 1970-01-01 to the first of a month in the
// proleptic Gregorian calendar.
func daysBefore(year, month int) int64 {
	y := year - 1
	days := y*365 + y/4 - y/100 + y/400 + daysOfYear[month]
	if month > 2 && leap(year) {
		days++
	}
	const epoch = 719162 // days from 0001-01-01 to 1970-01-01
	return int64(days - epoch)
}
