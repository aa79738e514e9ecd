package fhirpath

import (
	"math"
	"math/big"
	"strconv"
)

// mathFunctions are those of http://hl7.org/fhirpath/N1/#math
func mathFunctions() map[string]signature {
	return map[string]signature{
		"abs": values(0, 0, absolute),
		"ceiling": values(0, 0, wholeNumber(func(d decimal) *big.Int {
			return new(big.Int).Neg(d.neg().floor())
		})),
		"floor":    values(0, 0, wholeNumber(decimal.floor)),
		"truncate": values(0, 0, wholeNumber(decimal.truncate)),
		"round":    values(0, 1, round),
		"exp":      values(0, 0, floatFunction(func(x, _ float64) float64 { return math.Exp(x) })),
		"ln":       values(0, 0, floatFunction(func(x, _ float64) float64 { return math.Log(x) })),
		"sqrt":     values(0, 0, floatFunction(func(x, _ float64) float64 { return math.Sqrt(x) })),
		"log": values(1, 1, floatFunction(func(x, base float64) float64 {
			return math.Log(x) / math.Log(base)
		})),
		"power": values(1, 1, power),
	}
}

func singleNumber(items []Item) (Item, decimal, bool, error) {
	item, ok, err := singleValue(items)
	if err != nil || !ok {
		return item, decimal{}, false, err
	}
	d, ok := number(item)
	if !ok {
		return item, d, false, evaluationError("a number is expected, not %s", item.TypeName())
	}
	return item, d, true, nil
}

func absolute(m *machine, in []Item, _ arguments) error {
	item, ok, err := singleValue(in)
	if err != nil || !ok {
		return err
	}
	if q, ok := item.value.(quantity); ok {
		if q.value.sign() < 0 {
			q.value = q.value.neg()
		}
		m.push(quantityItem(q))
		return nil
	}
	_, d, _, err := singleNumber(in)
	if err != nil {
		return err
	}
	if d.sign() >= 0 {
		m.push(item)
		return nil
	}
	return negate(m, in, arguments{})
}

func wholeNumber(f func(decimal) *big.Int) runner {
	return func(m *machine, in []Item, _ arguments) error {
		_, d, ok, err := singleNumber(in)
		if err != nil || !ok {
			return err
		}
		if n := f(d); n.IsInt64() {
			m.push(Integer(n.Int64()))
		}
		return nil
	}
}

// round pushes a decimal with the number of places given, 0 where none is.
func round(m *machine, in []Item, args arguments) error {
	_, d, ok, err := singleNumber(in)
	if err != nil || !ok {
		return err
	}
	places, _, err := integerArgument(args[0])
	if err != nil {
		return err
	}
	if places < 0 || places > 100 {
		return evaluationError("round() takes 0 to 100 places, not %d", places)
	}
	m.push(decimalItem(d.round(int(places))))
	return nil
}

// floatFunction is a function that is not rational: its result is a decimal
// of floating-point precision, empty where it is not a number.
func floatFunction(f func(x, y float64) float64) runner {
	return func(m *machine, in []Item, args arguments) error {
		_, x, ok, err := singleNumber(in)
		if err != nil || !ok {
			return err
		}
		y := decimal{rat: new(big.Rat)}
		if args[0] != nil {
			if _, y, ok, err = singleNumber(args[0]); err != nil || !ok {
				return err
			}
		}
		return m.pushFloat(f(x.float(), y.float()))
	}
}

func (m *machine) pushFloat(x float64) error {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	d, ok := parseDecimal(strconv.FormatFloat(x, 'g', 15, 64))
	return m.pushDecimal(d, ok)
}

// power is exact for small whole exponents.
func power(m *machine, in []Item, args arguments) error {
	base, x, ok, err := singleNumber(in)
	if err != nil || !ok {
		return err
	}
	exponent, y, ok, err := singleNumber(args[0])
	if err != nil || !ok {
		return err
	}
	n, whole := exponent.value.(int64)
	if !whole || n < 0 || n > 1024 {
		return m.pushFloat(math.Pow(x.float(), y.float()))
	}
	result := integerDecimal(1)
	for range n {
		result, _ = multiplyDecimals(result, x)
		if result.tooLarge() {
			return m.pushDecimal(result, true)
		}
	}
	if _, ok := base.value.(int64); ok && result.truncate().IsInt64() {
		m.push(Integer(result.truncate().Int64()))
		return nil
	}
	return m.pushDecimal(result, true)
}
