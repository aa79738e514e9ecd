package fhirpath

import (
	"math/big"
	"strings"
)

// The limits of a decimal: digits of text read, and bits of a result.
const (
	maxDigits   = 512
	maxExponent = 512
	maxBits     = 8192
)

// decimal is an exact number that remembers how many decimal places it was
// written with, so that 1.50 stays 1.50. The Rat is never changed.
type decimal struct {
	rat    *big.Rat
	places int
}

func integerDecimal(n int64) decimal { return decimal{rat: new(big.Rat).SetInt64(n)} }

// parseDecimal reads digits with sign, fraction and exponent as JSON has them.
func parseDecimal(text string) (decimal, bool) {
	mantissa, exponent, places := text, 0, 0
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		mantissa = text[:at]
		if exponent = smallInt(text[at+1:]); exponent > maxExponent || exponent < -maxExponent {
			return decimal{}, false
		}
	}
	if at := strings.IndexByte(mantissa, '.'); at >= 0 {
		places = len(mantissa) - at - 1
	}
	if !isNumeral(mantissa) || len(text) > maxDigits {
		return decimal{}, false
	}
	rat, ok := new(big.Rat).SetString(text)
	return decimal{rat, max(0, places-exponent)}, ok
}

// smallInt reads a signed integer, or returns a number beyond every limit.
func smallInt(text string) int {
	n, negative := 0, strings.HasPrefix(text, "-")
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	if digits == "" {
		return maxExponent + 1
	}
	for _, c := range digits {
		if c < '0' || c > '9' || n > maxExponent {
			return maxExponent + 1
		}
		n = n*10 + int(c-'0')
	}
	if negative {
		return -n
	}
	return n
}

// isNumeral reports whether text is digits with an optional sign and point.
func isNumeral(text string) bool {
	digits, points := 0, 0
	for i, c := range strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+") {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && i > 0:
			points++
		default:
			return false
		}
	}
	return digits > 0 && points <= 1 && text[len(text)-1] != '.'
}

// String writes the decimal exactly where it terminates within 28 places, and
// rounded to 8 places otherwise.
func (d decimal) String() string {
	places, exact := d.rat.FloatPrec()
	if !exact || places > 28 {
		return d.rat.FloatString(8)
	}
	return d.rat.FloatString(max(places, d.places))
}

func (d decimal) cmp(e decimal) int { return d.rat.Cmp(e.rat) }

func (d decimal) sign() int { return d.rat.Sign() }

func (d decimal) neg() decimal { return decimal{new(big.Rat).Neg(d.rat), d.places} }

func (d decimal) isInt() bool { return d.rat.IsInt() }

// tooLarge reports whether a result is beyond what the engine computes with.
func (d decimal) tooLarge() bool {
	return d.rat.Num().BitLen() > maxBits || d.rat.Denom().BitLen() > maxBits
}

// truncate cuts off the fraction.
func (d decimal) truncate() *big.Int {
	return new(big.Int).Quo(d.rat.Num(), d.rat.Denom())
}

// floor is the greatest integer not above d.
func (d decimal) floor() *big.Int {
	// Div rounds down for a positive divisor, which Denom always is.
	return new(big.Int).Div(d.rat.Num(), d.rat.Denom())
}

// round is d with the given number of places, halves away from zero.
func (d decimal) round(places int) decimal {
	r, ok := parseDecimal(d.rat.FloatString(places))
	if !ok {
		return d
	}
	return r
}

// float is the nearest float, for the functions that are not rational.
func (d decimal) float() float64 {
	f, _ := d.rat.Float64()
	return f
}
