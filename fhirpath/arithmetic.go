package fhirpath

import (
	"math"
	"math/big"

	"github.com/tarnhealth/tarn/fhir"
)

// arithmetic is + - * / div mod and &.
// http://hl7.org/fhirpath/N1/#math
type arithmetic struct {
	operands
	*operation
}

// operation is one operator over the kinds of values that it takes; a nil
// function is a kind that it does not take. Not ok means an empty result, as
// for division by zero or overflow.
type operation struct {
	symbol     string
	integers   func(a, b int64) (int64, bool)
	decimals   func(a, b decimal) (decimal, bool)
	quantities func(a, b quantity) (quantity, bool)
	times      func(t temporal, q quantity) (temporal, error)
	strings    bool
}

var arithmetics = map[string]*operation{
	"+": {symbol: "+", integers: addIntegers, decimals: addDecimals, quantities: addQuantities, times: addTime, strings: true},
	"-": {symbol: "-", integers: subtractIntegers, decimals: subtractDecimals, quantities: subtractQuantities, times: subtractTime},
	"*": {symbol: "*", integers: multiplyIntegers, decimals: multiplyDecimals, quantities: multiplyQuantities},
	"/": {symbol: "/", decimals: divideDecimals, quantities: divideQuantities},
	"div": {symbol: "div", integers: func(a, b int64) (int64, bool) {
		if b == 0 || a == math.MinInt64 && b == -1 {
			return 0, false
		}
		return a / b, true
	}, decimals: wholeDecimals},
	"mod": {symbol: "mod", integers: func(a, b int64) (int64, bool) {
		if b == 0 || b == -1 {
			return 0, b != 0
		}
		return a % b, true
	}, decimals: remainderDecimals},
	"&": {symbol: "&"},
}

func (a *arithmetic) eval(m *machine) error {
	if a.symbol == "&" {
		return a.concatenate(m)
	}
	left, right, ok, err := a.values(m)
	if err != nil || !ok {
		return err
	}
	return a.apply(m, left, right)
}

func (o *operation) apply(m *machine, left, right Item) error {
	switch l := left.value.(type) {
	case string:
		if r, ok := right.value.(string); ok && o.strings {
			return m.pushText(l, r)
		}
	case temporal:
		if q, ok := right.value.(quantity); ok && o.times != nil {
			t, err := o.times(l, q)
			if err == nil {
				m.push(temporalItem(t))
			}
			return err
		}
	case int64:
		if r, ok := right.value.(int64); ok && o.integers != nil {
			if n, ok := o.integers(l, r); ok {
				m.push(Integer(n))
			}
			return nil
		}
	}
	if x, y, ok := numbers(left, right); ok && o.decimals != nil {
		return m.pushDecimal(o.decimals(x, y))
	}
	x, okX := toQuantity(left)
	y, okY := toQuantity(right)
	if !okX || !okY || o.quantities == nil {
		return evaluationError("%s %s %s is not defined", left.TypeName(), o.symbol, right.TypeName())
	}
	if q, ok := o.quantities(x, y); ok {
		m.push(quantityItem(q))
	}
	return nil
}

// concatenate is &, where an empty side is an empty string.
func (a *arithmetic) concatenate(m *machine) error {
	l, r, err := a.both(m)
	if err != nil {
		return err
	}
	left, okLeft, err := singleValue(l)
	if err != nil {
		return err
	}
	right, okRight, err := singleValue(r)
	if err != nil {
		return err
	}
	leftText, isLeft := left.value.(string)
	rightText, isRight := right.value.(string)
	if okLeft && !isLeft || okRight && !isRight {
		return evaluationError("& joins strings, not %s and %s", left.TypeName(), right.TypeName())
	}
	return m.pushText(leftText, rightText)
}

// pushText pushes the texts joined.
func (m *machine) pushText(a, b string) error {
	if len(a)+len(b) > maxText {
		return fhir.Errorf(fhir.KindTooCostly, "FHIRPath: a string grows beyond %d bytes", maxText)
	}
	if err := m.spend((len(a) + len(b)) / 64); err != nil {
		return err
	}
	m.push(String(a + b))
	return nil
}

func (m *machine) pushDecimal(d decimal, ok bool) error {
	if !ok {
		return nil
	}
	if d.tooLarge() {
		return fhir.Errorf(fhir.KindTooCostly, "FHIRPath: a number grows beyond %d bits", maxBits)
	}
	m.push(decimalItem(d))
	return nil
}

func addIntegers(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}

func subtractIntegers(a, b int64) (int64, bool) {
	difference := a - b
	return difference, (difference < a) == (b > 0)
}

func multiplyIntegers(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	product := a * b
	return product, product/b == a && (a != -1 || b != math.MinInt64) && (b != -1 || a != math.MinInt64)
}

func addDecimals(a, b decimal) (decimal, bool) {
	return decimal{new(big.Rat).Add(a.rat, b.rat), max(a.places, b.places)}, true
}

func subtractDecimals(a, b decimal) (decimal, bool) { return addDecimals(a, b.neg()) }

func multiplyDecimals(a, b decimal) (decimal, bool) {
	return decimal{new(big.Rat).Mul(a.rat, b.rat), 0}, true
}

func divideDecimals(a, b decimal) (decimal, bool) {
	if b.sign() == 0 {
		return decimal{}, false
	}
	return decimal{new(big.Rat).Quo(a.rat, b.rat), 0}, true
}

func wholeDecimals(a, b decimal) (decimal, bool) {
	q, ok := divideDecimals(a, b)
	if !ok {
		return q, false
	}
	return decimal{new(big.Rat).SetInt(q.truncate()), 0}, true
}

func remainderDecimals(a, b decimal) (decimal, bool) {
	whole, ok := wholeDecimals(a, b)
	if !ok {
		return whole, false
	}
	product, _ := multiplyDecimals(whole, b)
	return subtractDecimals(a, product)
}

// negate is unary minus.
func negate(m *machine, in []Item, _ arguments) error {
	item, ok, err := singleValue(in)
	if err != nil || !ok {
		return err
	}
	switch v := item.value.(type) {
	case int64:
		m.push(Integer(-v))
	case decimal:
		m.push(decimalItem(v.neg()))
	case quantity:
		m.push(quantityItem(quantity{v.value.neg(), v.unit}))
	default:
		return evaluationError("-%s is not defined", item.TypeName())
	}
	return nil
}
