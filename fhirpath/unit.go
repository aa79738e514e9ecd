package fhirpath

import (
	"math/big"
	"strings"

	"github.com/tarnhealth/tarn/ucum"
)

// inUnitOf gives a quantity's value in another unit; not ok where the two do
// not measure the same thing, or the code of either is not known. Years and
// months are each other's multiples and nobody else's: their length in days
// varies. http://hl7.org/fhirpath/N1/#quantity
func (q quantity) inUnitOf(unit string) (decimal, bool) {
	if sameUnit(q.unit, unit) {
		return q.value, true
	}
	if from, to := calendarMonths[q.unit], calendarMonths[unit]; from != 0 || to != 0 {
		if from == 0 || to == 0 {
			return decimal{}, false
		}
		return decimal{new(big.Rat).Mul(q.value.rat, big.NewRat(from, to)), q.value.places}, true
	}
	from, to := ucum.Lookup([]byte(unitKey(q.unit))), ucum.Lookup([]byte(unitKey(unit)))
	if from == nil || to == nil {
		return decimal{}, false
	}
	value := from.Convert(q.value.rat, to)
	return decimal{value, 0}, value != nil
}

// calendarMonths is how many months the calendar durations without a fixed
// length are.
var calendarMonths = map[string]int64{"month": 1, "year": 12}

// inBase is a float that is equal for quantities that are equal.
func (q quantity) inBase() float64 {
	if months := calendarMonths[q.unit]; months != 0 {
		return decimal{new(big.Rat).Mul(q.value.rat, big.NewRat(months, 1)), 0}.float()
	}
	if unit := ucum.Lookup([]byte(unitKey(q.unit))); unit != nil {
		if base := ucum.Lookup([]byte(unit.Base)); base != nil {
			if value := unit.Convert(q.value.rat, base); value != nil {
				return decimal{value, 0}.float()
			}
		}
	}
	return q.value.float()
}

// cmpQuantities orders two quantities; not known where they do not measure the
// same thing.
func cmpQuantities(a, b quantity) (order int, known bool) {
	converted, ok := b.inUnitOf(a.unit)
	if !ok {
		return 0, false
	}
	return a.value.cmp(converted), true
}

// addQuantities gives the sum in the finer of the two units, as the operators
// of the standard do: 3 'm' + 3 'cm' is 303 'cm'.
func addQuantities(a, b quantity) (quantity, bool) {
	if a.unit != b.unit && shifted(a.unit, b.unit) {
		return quantity{}, false
	}
	if finer(b.unit, a.unit) {
		converted, ok := a.inUnitOf(b.unit)
		if !ok {
			return quantity{}, false
		}
		a = quantity{converted, b.unit}
	}
	converted, ok := b.inUnitOf(a.unit)
	if !ok {
		return quantity{}, false
	}
	sum, _ := addDecimals(a.value, converted)
	return quantity{sum, a.unit}, true
}

// shifted reports whether the zero of a unit is not the zero of another, as of
// Cel and K: such values do not add up.
func shifted(unit, other string) bool {
	zero, ok := quantity{integerDecimal(0), unit}.inUnitOf(other)
	return ok && zero.sign() != 0
}

// finer reports whether one of a unit is less than one of another.
func finer(unit, than string) bool {
	one := quantity{integerDecimal(1), unit}
	in, ok := one.inUnitOf(than)
	return ok && in.cmp(integerDecimal(1)) < 0
}

func subtractQuantities(a, b quantity) (quantity, bool) {
	b.value = b.value.neg()
	return addQuantities(a, b)
}

// multiplyQuantities multiplies values and units: 2 'cm' * 2 'm' is 4 'cm.m',
// which equals 0.04 'm2'.
func multiplyQuantities(a, b quantity) (quantity, bool) {
	product, _ := multiplyDecimals(a.value, b.value)
	return unitOf(product, unitKey(a.unit), unitKey(b.unit), ".")
}

func divideQuantities(a, b quantity) (quantity, bool) {
	value, ok := divideDecimals(a.value, b.value)
	if !ok {
		return quantity{}, false
	}
	if in, same := b.inUnitOf(a.unit); same {
		value, ok = divideDecimals(a.value, in)
		return quantity{value, "1"}, ok
	}
	return unitOf(value, unitKey(a.unit), unitKey(b.unit), "/")
}

// unitOf joins two units by an operator of UCUM. Units that UCUM does not know
// are not computed with.
func unitOf(value decimal, a, b, operator string) (quantity, bool) {
	switch {
	case b == "1":
		return quantity{value, a}, true
	case a == "1" && operator == ".":
		return quantity{value, b}, true
	case a == b && operator == "." && !strings.ContainsAny(a, "./0123456789"):
		return quantity{value, a + "2"}, ucum.Lookup([]byte(a)) != nil
	}
	if strings.ContainsAny(b, "./") {
		b = "(" + b + ")"
	}
	unit := a + operator + b
	if ucum.Lookup([]byte(unit)) == nil {
		return quantity{}, false
	}
	return quantity{value, unit}, true
}
