package search

import (
	"math/big"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// numberKind: a number's key is its exact decimal value in an order-preserving
// form (appendNumber). A Range gives its two ends as points.
//
// http://hl7.org/fhir/R4/search.html#number
type numberKind struct{}

func (numberKind) index(x *indexer, n fhir.Node) {
	switch x.typeOf(n) {
	case valueNumber:
		x.number(n)
	case valueRange:
		x.number(n.Child("low").Child("value"))
		x.number(n.Child("high").Child("value"))
	}
}

// number adds the key of a primitive number, where it is there.
func (x *indexer) number(n fhir.Node) { x.decimal(textOf(n)) }

func (x *indexer) decimal(text []byte) {
	if k, ok := appendNumber(x.keys, text); ok {
		x.keys = k
		x.end()
	}
}

func (numberKind) sorted() Span { return everything }

func (numberKind) size(b []byte) int { return numberSize(b) }

func (numberKind) query(o *operand) (condition, error) {
	p, text, err := cutPrefix(unescape(o.value))
	if err != nil {
		return condition{}, err
	}
	d, err := parseDecimal(text)
	if err != nil {
		return condition{}, err
	}
	return condition{spans: d.spans(p)}, nil
}

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

// appendNumber appends the key of a decimal in JSON's notation; ok is false
// where text is none. The key of 0.d1d2…dn × 10^e, where neither d1 nor dn is
// 0, is the sign byte, e + 32768 in two bytes, the digits in pairs (each pair's
// value plus one, in a byte) and a zero byte; of a negative number all but the
// sign byte is complemented. So keys compare as the numbers do, equal numbers
// have equal keys (1.50 and 1.5), and no key begins another. Digits beyond the
// hundredth are dropped and exponents end at ±30000.
func appendNumber(dst, text []byte) (key []byte, ok bool) { return appendShifted(dst, text, 0) }

// appendShifted appends the key of a decimal × 10^shift.
func appendShifted(dst, text []byte, shift int) (key []byte, ok bool) {
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

// numberSize is the length of the number's key that b begins with.
func numberSize(b []byte) int {
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

// numberOf is the number that a key, with nothing after it, is of.
func numberOf(key []byte) decimal {
	if key[0] == numberZero {
		return decimal{new(big.Int), 0}
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
	unscaled, _ := new(big.Int).SetString(string(text), 10)
	return decimal{unscaled, exponent}
}

// A decimal is unscaled × 10^exponent: a query's number with its precision.
type decimal struct {
	unscaled *big.Int
	exponent int
}

func parseDecimal(text string) (decimal, error) {
	bad := fhir.Errorf(fhir.KindInvalid, "%q is not a number; a number looks like 5.4 or -1e3", text)
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, ok := parseExponent([]byte(text[i:]))
		if !ok || e > maxExponent || e < -maxExponent {
			return decimal{}, bad
		}
		mantissa, exponent = text[:i], e
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole, "+-")
	if digits == "" || len(whole)-len(digits) > 1 || point && fraction == "" || len(digits)+len(fraction) > maxDigits {
		return decimal{}, bad
	}
	for _, c := range []byte(digits + fraction) {
		if c < '0' || c > '9' {
			return decimal{}, bad
		}
	}
	unscaled, _ := new(big.Int).SetString(digits+fraction, 10)
	if whole[0] == '-' {
		unscaled.Neg(unscaled)
	}
	return decimal{unscaled, exponent - len(fraction)}, nil
}

// key is the decimal's key.
func (d decimal) key() []byte {
	text := d.unscaled.Append(nil, 10)
	text = append(text, 'e')
	text = big.NewInt(int64(d.exponent)).Append(text, 10)
	key, _ := appendNumber(nil, text)
	return key
}

// times is d × n × 10^e.
func (d decimal) times(n int64, e int) decimal {
	return decimal{new(big.Int).Mul(d.unscaled, big.NewInt(n)), d.exponent + e}
}

// bounds is the range of numbers that a query for d means: half a unit of its
// last digit either way. For a positive exponent the specification's table
// takes a tenth of that unit: 1e2 is [95, 105).
func (d decimal) bounds() (lo, hi decimal) {
	scale := 1
	if d.exponent > 0 {
		scale = 2
	}
	wide := d.unscaled
	for range scale {
		wide = new(big.Int).Mul(wide, big.NewInt(10))
	}
	five, e := big.NewInt(5), d.exponent-scale
	return decimal{new(big.Int).Sub(wide, five), e}, decimal{new(big.Int).Add(wide, five), e}
}

// spans are the spans of number keys that compare with d as the prefix says.
// Only eq and ne look at the precision that d is written with.
func (d decimal) spans(p prefix) []Span { return d.spansBy(p, decimal.key) }

// spansBy is spans for keys that are not those of the numbers themselves.
func (d decimal) spansBy(p prefix, key func(decimal) []byte) []Span {
	switch p {
	case prefixEq:
		lo, hi := d.bounds()
		return []Span{{From: key(lo), To: key(hi)}}
	case prefixNe:
		lo, hi := d.bounds()
		return []Span{{From: []byte{}, To: key(lo)}, {From: key(hi)}}
	case prefixAp:
		lo, hi := key(d.times(9, -1)), key(d.times(11, -1))
		if d.unscaled.Sign() < 0 {
			lo, hi = hi, lo
		}
		return []Span{{From: lo, To: after(hi)}}
	case prefixGt, prefixSa:
		return []Span{{From: after(key(d))}}
	case prefixGe:
		return []Span{{From: key(d)}}
	case prefixLt, prefixEb:
		return []Span{{From: []byte{}, To: key(d)}}
	default: // le
		return []Span{{From: []byte{}, To: after(key(d))}}
	}
}

// after is the end of the keys that are key or, as a quantity's, begin with it.
func after(key []byte) []byte { return Prefix(key).To }
