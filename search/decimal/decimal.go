// Package decimal owns exact decimal numbers in a search: their keys, whose
// byte order is the order of the numbers, and the range that a query's number
// stands for.
package decimal

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// The first byte of a number's key.
const (
	numberNegative = 0x01
	numberZero     = 0x02
	numberPositive = 0x03
)

const (
	maxExponent = 30000
	maxDigits   = 100
)

// Append appends the key of a Value in JSON's notation; ok is false
// where text is none. The key of 0.d1d2…dn × 10^e, where neither d1 nor dn is
// 0, is the sign byte, e + 32768 in two bytes, the digits in pairs (each pair's
// value plus one, in a byte) and a zero byte; of a negative number all but the
// sign byte is complemented. So keys compare as the numbers do, equal numbers
// have equal keys (1.50 and 1.5), and no key begins another. Digits beyond the
// hundredth are dropped and exponents end at ±30000.
func Append(dst, text []byte) (key []byte, ok bool) { return AppendShifted(dst, text, 0) }

// AppendShifted appends the key of a Value × 10^shift.
func AppendShifted(dst, text []byte, shift int) (key []byte, ok bool) {
	start := len(dst)
	sign := byte(numberPositive)
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = numberNegative
		}
		text = text[1:]
	}
	dst = append(dst, sign, 0, 0)
	dst, exponent, rest, ok := appendDigits(dst, text)
	if ok && len(rest) > 0 {
		var e int
		e, ok = parseExponent(rest)
		exponent += e
	}
	if !ok {
		return dst[:start], false
	}
	for len(dst) > start+3 && dst[len(dst)-1] == 1 {
		dst = dst[:len(dst)-1] // pairs of trailing zeros
	}
	if len(dst) == start+3 {
		return append(dst[:start], numberZero), true
	}
	dst = append(dst, 0)
	e := uint16(min(max(exponent+shift, -maxExponent), maxExponent) + 32768)
	dst[start+1], dst[start+2] = byte(e>>8), byte(e)
	if sign == numberNegative {
		for i := start + 1; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst, true
}

// appendDigits appends the pairs of significant digits and returns the
// exponent that puts the point before the first, and what follows the digits.
func appendDigits(dst, text []byte) (pairs []byte, exponent int, rest []byte, ok bool) {
	start, digits, point := len(dst), 0, false
	for i, c := range text {
		switch {
		case c == '.' && !point && ok:
			point = true
			continue
		case c < '0' || c > '9':
			return dst, exponent, text[i:], ok
		}
		ok = true
		if digits == 0 && c == '0' {
			if point {
				exponent--
			}
			continue
		}
		if !point {
			exponent++
		}
		if digits < maxDigits {
			if digits%2 == 0 {
				dst = append(dst, 1+10*(c-'0'))
			} else {
				dst[len(dst)-1] += c - '0'
			}
		}
		digits++
	}
	if len(dst) == start {
		exponent = 0
	}
	return dst, exponent, nil, ok
}

func parseExponent(text []byte) (int, bool) {
	if len(text) < 2 || text[0]|0x20 != 'e' {
		return 0, false
	}
	text = text[1:]
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	e := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		e = min(e*10+int(c-'0'), 1<<20)
	}
	if negative {
		e = -e
	}
	return e, len(text) > 0
}

// Size is the length of the number's key that b begins with.
func Size(b []byte) int {
	end := byte(0)
	switch b[0] {
	case numberZero:
		return 1
	case numberNegative:
		end = 0xff
	}
	n := 3
	for b[n] != end {
		n++
	}
	return n + 1
}

// OfKey is the number that a key, with nothing after it, is of.
func OfKey(key []byte) Value {
	if key[0] == numberZero {
		return Value{new(big.Int), 0}
	}
	flip, text := byte(0), []byte(nil)
	if key[0] == numberNegative {
		flip, text = 0xff, append(text, '-')
	}
	exponent := int(key[1]^flip)<<8 | int(key[2]^flip) - 32768
	for _, c := range key[3 : len(key)-1] {
		pair := c ^ flip - 1
		text = append(text, '0'+pair/10, '0'+pair%10)
		exponent -= 2
	}
	Unscaled, _ := new(big.Int).SetString(string(text), 10)
	return Value{Unscaled, exponent}
}

// A Value is Unscaled × 10^exponent: a query's number with its precision.
type Value struct {
	Unscaled *big.Int
	Exponent int
}

// Parse reads a number of a query.
func Parse(text string) (Value, error) {
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, ok := parseExponent([]byte(text[i:]))
		if !ok || e > maxExponent || e < -maxExponent {
			return Value{}, notANumber(text)
		}
		mantissa, exponent = text[:i], e
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole, "+-")
	if digits == "" || len(whole)-len(digits) > 1 || point && fraction == "" || len(digits)+len(fraction) > maxDigits {
		return Value{}, notANumber(text)
	}
	Unscaled, ok := unscaled(digits, fraction)
	if !ok {
		return Value{}, notANumber(text)
	}
	if whole[0] == '-' {
		Unscaled.Neg(Unscaled)
	}
	return Value{Unscaled, exponent - len(fraction)}, nil
}

// unscaled is the number that two runs of digits are one after the other.
func unscaled(digits, fraction string) (*big.Int, bool) {
	var n int64
	for _, run := range [...]string{digits, fraction} {
		for _, c := range []byte(run) {
			if c < '0' || c > '9' {
				return nil, false
			}
			n = n*10 + int64(c-'0') // overflows only where it is not used
		}
	}
	if len(digits)+len(fraction) <= 18 {
		return big.NewInt(n), true
	}
	return new(big.Int).SetString(digits+fraction, 10)
}

func notANumber(text string) error {
	return fhir.Errorf(fhir.KindInvalid, "%q is not a number; a number looks like 5.4 or -1e3", text)
}

// Key is the decimal's key.
func (d Value) Key() []byte { return d.AppendKey(nil) }

// AppendKey appends the decimal's key.
func (d Value) AppendKey(dst []byte) []byte {
	var space [64]byte
	text := space[:0]
	if d.Unscaled.IsInt64() {
		text = strconv.AppendInt(text, d.Unscaled.Int64(), 10)
	} else {
		text = d.Unscaled.Append(text, 10)
	}
	text = strconv.AppendInt(append(text, 'e'), int64(d.Exponent), 10)
	dst, _ = Append(dst, text)
	return dst
}

// Times is d × n × 10^e.
func (d Value) Times(n int64, e int) Value {
	return Value{new(big.Int).Mul(d.Unscaled, big.NewInt(n)), d.Exponent + e}
}

// Bounds is the range of numbers that a query for d means: half a unit of its
// last digit either way. For a positive exponent the specification's table
// takes a tenth of that unit: 1e2 is [95, 105).
func (d Value) Bounds() (lo, hi Value) {
	scale := 1
	if d.Exponent > 0 {
		scale = 2
	}
	wide := d.Unscaled
	for range scale {
		wide = new(big.Int).Mul(wide, big.NewInt(10))
	}
	five, e := big.NewInt(5), d.Exponent-scale
	return Value{new(big.Int).Sub(wide, five), e}, Value{new(big.Int).Add(wide, five), e}
}
