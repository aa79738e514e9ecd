package fhirpath

import (
	"math/big"
	"time"
)

// clockFunctions are those of http://hl7.org/fhirpath/N1/#utility-functions
// that tell the time.
func clockFunctions() map[string]signature {
	return map[string]signature{
		"now":       values(0, 0, clock(KindDateTime)),
		"today":     values(0, 0, clock(KindDate)),
		"timeOfDay": values(0, 0, clock(KindTime)),
	}
}

func clock(kind Kind) runner {
	return func(m *machine, _ []Item, _ arguments) error {
		if m.env.Now.IsZero() {
			return evaluationError("the time is not known here: the expression may not depend on it")
		}
		m.push(temporalItem(temporalAt(kind, m.env.Now)))
		return nil
	}
}

func subtractTime(t temporal, q quantity) (temporal, error) {
	q.value = q.value.neg()
	return addTime(t, q)
}

// timeUnits gives the precision of a calendar duration, how many of that
// precision's units it is, and the length of those that have one.
var timeUnits = map[string]struct {
	prec   precision
	count  int64
	length time.Duration
}{
	"year":        {toYear, 1, 0},
	"month":       {toMonth, 1, 0},
	"week":        {toDay, 7, 0},
	"day":         {toDay, 1, 0},
	"hour":        {toHour, 1, time.Hour},
	"minute":      {toMinute, 1, time.Minute},
	"second":      {toSecond, 1, time.Second},
	"millisecond": {toSecond, 1, time.Millisecond},
}

// perUnit says how many units of a precision make one of the precision before.
var perUnit = [...]int64{toMonth: 12, toDay: 30, toHour: 24, toMinute: 60, toSecond: 60}

// addTime adds a duration. One in units smaller than the value's precision is
// first cut to whole units of that precision.
// http://hl7.org/fhirpath/N1/#datetime-arithmetic
func addTime(t temporal, q quantity) (temporal, error) {
	word := q.unit
	if calendar, ok := ucumCalendar[word]; ok && word != "a" && word != "mo" {
		word = calendar
	}
	unit, ok := timeUnits[word]
	if !ok || t.kind == KindTime && unit.prec < toHour {
		return t, evaluationError("%s cannot be added to a %s", q, t.kind)
	}
	value := q.value
	if unit.prec == toSecond && t.prec == toSecond {
		return addSeconds(t, value, unit.length)
	}
	if word == "millisecond" {
		value, _ = divideDecimals(value, integerDecimal(1000))
	}
	whole := new(big.Int).Mul(value.truncate(), big.NewInt(unit.count))
	prec := unit.prec
	for ; prec > t.prec; prec-- {
		whole.Quo(whole, big.NewInt(perUnit[prec]))
	}
	const most = 1 << 40
	if !whole.IsInt64() || whole.Int64() > most || whole.Int64() < -most {
		return t, evaluationError("%s reaches beyond the years that dates have", q)
	}
	return t.add(prec, whole.Int64())
}

func addSeconds(t temporal, value decimal, length time.Duration) (temporal, error) {
	nanos, _ := multiplyDecimals(value, integerDecimal(int64(length)))
	n := nanos.truncate()
	if !n.IsInt64() {
		return t, evaluationError("the duration is too long to add")
	}
	if n.Int64()%int64(time.Second) != 0 {
		t.digits = max(t.digits, 3)
	}
	return t.checked(t.withTime(t.time().Add(time.Duration(n.Int64()))))
}

// add adds whole units of a precision. A day that the resulting month does not
// have becomes its last.
func (t temporal) add(prec precision, n int64) (temporal, error) {
	switch prec {
	case toYear, toMonth:
		if prec == toYear {
			n *= 12
		}
		months := int64(t.fields[toYear])*12 + int64(max(t.fields[toMonth], 1)-1) + n
		if months < 12 || months >= 12*10000 {
			return t, evaluationError("the result is beyond the years that dates have")
		}
		t.fields[toYear] = int(months / 12)
		if t.prec >= toMonth {
			t.fields[toMonth] = int(months%12) + 1
		}
		if t.prec >= toDay {
			t.fields[toDay] = min(t.fields[toDay], daysIn(t.fields[toYear], t.fields[toMonth]))
		}
		return t, nil
	case toDay:
		if n > 4_000_000 || n < -4_000_000 {
			return t, evaluationError("the result is beyond the years that dates have")
		}
		return t.checked(t.withTime(t.time().AddDate(0, 0, int(n))))
	}
	length := [...]time.Duration{toHour: time.Hour, toMinute: time.Minute, toSecond: time.Second}[prec]
	if n > int64(1<<62)/int64(length) || n < -int64(1<<62)/int64(length) {
		return t, evaluationError("the duration is too long to add")
	}
	return t.checked(t.withTime(t.time().Add(time.Duration(n) * length)))
}

// checked is a result, or an error where its year is not one of four digits.
func (t temporal) checked(result temporal) (temporal, error) {
	if year := result.fields[toYear]; t.kind != KindTime && (year < 1 || year > 9999) {
		return t, evaluationError("the result is beyond the years that dates have")
	}
	return result, nil
}
