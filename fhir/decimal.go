package fhir

import (
	"cmp"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// A Decimal is an exact decimal number that remembers how precisely it was
// written: 1.0 and 1.00 compare equal but imply different ranges.
// http://hl7.org/fhir/R4/datatypes.html#decimal
//
// The zero value is 0.
type Decimal struct {
	neg    bool
	digits string // significant digits without zeros at either end; "" for 0
	exp    int    // the value is 0.digits × 10^exp; 0 for 0
	unit   int    // the last digit written counts 10^unit
}

// The greatest sizes that ParseDecimal takes; they are far beyond any
// measurement and keep arithmetic cheap whatever a client sends.
const (
	maxDecimalDigits   = 1000
	maxDecimalExponent = 10000
)

// ParseDecimal reads a decimal as FHIR and JSON write it: "-1.50", "3e-4". The
// error, of KindInvalid, says what a decimal looks like.
func ParseDecimal(text string) (Decimal, error) {
	d, problem := readDecimal(text)
	if problem != "" {
		return Decimal{}, Errorf(KindInvalid, "%s is not a decimal: %s", quoteText(text), problem)
	}
	return d, nil
}

func readDecimal(text string) (d Decimal, problem string) {
	whole, fraction, exponent, ok := splitDecimal(text)
	switch {
	case !ok:
		return d, "write digits with at most one point and an exponent, such as -1.50 or 3e-4"
	case len(whole)+len(fraction) > maxDecimalDigits:
		return d, fmt.Sprintf("it has more than %d digits", maxDecimalDigits)
	}
	low := -len(fraction)
	if exponent != "" {
		e, err := strconv.Atoi(exponent)
		if err != nil || e < -maxDecimalExponent || e > maxDecimalExponent {
			return d, fmt.Sprintf("the exponent must be between -%d and %d", maxDecimalExponent, maxDecimalExponent)
		}
		low += e
	}
	digits := whole
	if fraction != "" {
		digits = whole + fraction
	}
	return makeDecimal(text[0] == '-', digits, low, low), ""
}

// splitDecimal checks the form of a decimal and takes it apart.
func splitDecimal(text string) (whole, fraction, exponent string, ok bool) {
	rest := strings.TrimPrefix(text, "-")
	mantissa := rest
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa, exponent = rest[:i], rest[i+1:]
		unsigned := strings.TrimLeft(exponent, "+-")
		if len(exponent)-len(unsigned) > 1 || !allDigits(unsigned) {
			return "", "", "", false
		}
	}
	whole, fraction, dotted := strings.Cut(mantissa, ".")
	if !allDigits(whole) || len(whole) > 1 && whole[0] == '0' || dotted && !allDigits(fraction) {
		return "", "", "", false
	}
	return whole, fraction, exponent, true
}

// allDigits reports whether s is one or more decimal digits.
func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// makeDecimal is digits × 10^low, in normal form.
func makeDecimal(neg bool, digits string, low, unit int) Decimal {
	digits = strings.TrimLeft(digits, "0")
	exp := low + len(digits)
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return Decimal{unit: unit}
	}
	return Decimal{neg: neg, digits: digits, exp: exp, unit: unit}
}

// Sign is -1, 0 or 1.
func (d Decimal) Sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.neg:
		return -1
	}
	return 1
}

// Exponent is e where the absolute value is 0.d × 10^e, d being the significant
// digits without zeros at either end; 0 for 0.
func (d Decimal) Exponent() int { return d.exp }

// Unit is the power of ten of the last digit written: 0 for "100", -2 for
// "1.00", 2 for "1e2".
func (d Decimal) Unit() int { return d.unit }

// Compare is -1, 0 or 1 as d is less than, equal to or greater than e, however
// precisely either was written.
func (d Decimal) Compare(e Decimal) int {
	sign := d.Sign()
	if c := cmp.Compare(sign, e.Sign()); c != 0 {
		return c
	}
	c := cmp.Compare(d.exp, e.exp)
	if c == 0 {
		c = strings.Compare(d.digits, e.digits)
	}
	return c * sign
}

// Neg is -d.
func (d Decimal) Neg() Decimal {
	d.neg = !d.neg && d.digits != ""
	return d
}

// Shift is d × 10^n.
func (d Decimal) Shift(n int) Decimal {
	if d.digits != "" {
		d.exp += n
	}
	d.unit += n
	return d
}

// Add is d + e, exactly.
func (d Decimal) Add(e Decimal) Decimal {
	unit := min(d.unit, e.unit)
	switch {
	case d.digits == "":
		e.unit = unit
		return e
	case e.digits == "":
		d.unit = unit
		return d
	}
	low := min(d.low(), e.low())
	const fits = 18 // digits whose sum an int64 holds
	if max(d.exp, e.exp)-low <= fits {
		sum := d.small(low) + e.small(low)
		return makeDecimal(sum < 0, strconv.FormatUint(uint64(max(sum, -sum)), 10), low, unit)
	}
	sum := new(big.Int).Add(d.big(low), e.big(low))
	return makeDecimal(sum.Sign() < 0, strings.TrimPrefix(sum.String(), "-"), low, unit)
}

// low is the power of ten of the last significant digit.
func (d Decimal) low() int { return d.exp - len(d.digits) }

// small is d ÷ 10^low where that fits.
func (d Decimal) small(low int) int64 {
	var n int64
	for i := range d.exp - low {
		n *= 10
		if i < len(d.digits) {
			n += int64(d.digits[i] - '0')
		}
	}
	if d.neg {
		return -n
	}
	return n
}

// big is d ÷ 10^low.
func (d Decimal) big(low int) *big.Int {
	n, _ := new(big.Int).SetString(d.digits+strings.Repeat("0", d.low()-low), 10)
	if d.neg {
		n.Neg(n)
	}
	return n
}

// String writes the number without superfluous zeros; very large and very
// small ones with an exponent.
func (d Decimal) String() string {
	if d.digits == "" {
		return "0"
	}
	sign := ""
	if d.neg {
		sign = "-"
	}
	const most = 30 // zeros to write out
	n := len(d.digits)
	switch {
	case d.exp > n+most || d.exp < -most:
		fraction := ""
		if n > 1 {
			fraction = "." + d.digits[1:]
		}
		return sign + d.digits[:1] + fraction + "e" + strconv.Itoa(d.exp-1)
	case d.exp <= 0:
		return sign + "0." + strings.Repeat("0", -d.exp) + d.digits
	case d.exp >= n:
		return sign + d.digits + strings.Repeat("0", d.exp-n)
	}
	return sign + d.digits[:d.exp] + "." + d.digits[d.exp:]
}
