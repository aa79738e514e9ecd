// Package ucum owns units of measure: it reads UCUM codes and converts exact
// numbers to base units, so that 5 mg and 0.005 g are the same quantity.
//
// It covers the prefixes, base units, derived and customary units of UCUM that
// medicine and laboratories use. Arbitrary units, such as [iU], and units on
// scales of their own, such as [pH], equal only themselves. Codes are
// case-sensitive. It leaves to others what a quantity is (search).
//
// https://ucum.org/ucum
package ucum

import (
	"math/big"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// A Unit is a UCUM code's meaning. It is immutable.
type Unit struct {
	// Base is the product of base units that the unit is a multiple of, such
	// as "g.m-3", and "1" for a unit without dimension. Two units can be
	// compared if their Base is the same.
	Base string
	// factor and offset give the value in base units: (x + offset) × factor.
	factor *big.Rat
	offset *big.Rat // nil for 0
	// Where factor is a finite decimal and there is no offset, it is
	// scaled × 10^shift; scaled is nil otherwise, and 1 for a power of ten.
	scaled  *big.Int
	shift   int
	isShift bool
}

// Parse reads a UCUM code. The error says what is wrong with it, or that the
// unit is not known.
func Parse(code string) (*Unit, error) {
	q, err := parse(code)
	if err != nil {
		return nil, err
	}
	u := &Unit{Base: q.base(), factor: q.factor, offset: q.offset}
	if q.offset == nil {
		u.scaled, u.shift = finite(q.factor)
		u.isShift = u.scaled != nil && u.scaled.IsInt64() && u.scaled.Int64() == 1
	}
	return u, nil
}

// maxCached bounds how many codes Lookup remembers.
const maxCached = 10_000

var (
	cache  sync.Map // string to *Unit, nil for a code that is none
	cached atomic.Int32
)

// Lookup is Parse for codes that come again and again; it returns nil for one
// that is none. Safe for concurrent use.
func Lookup(code []byte) *Unit {
	if u, ok := cache.Load(string(code)); ok {
		return u.(*Unit)
	}
	own := string(code)
	u, err := Parse(own)
	if err != nil {
		u = nil
	}
	if cached.Load() < maxCached {
		if _, known := cache.LoadOrStore(own, u); !known {
			cached.Add(1)
		}
	}
	return u
}

// Shift returns n where the unit is 10^n base units, as mg is 10^-3 g.
func (u *Unit) Shift() (n int, ok bool) { return u.shift, u.isShift }

// precision is the number of digits of what cannot be written as a decimal
// with fewer, such as a third.
const precision = 40

// ToBase converts n × 10^e of the unit to digits × 10^exponent base units. It
// is exact up to 40 digits and cut off after them, the same for every unit: a
// greater number never gives a smaller one.
func (u *Unit) ToBase(n *big.Int, e int) (digits *big.Int, exponent int) {
	if u.isShift {
		return n, e + u.shift
	}
	if u.scaled != nil {
		return cut(new(big.Int).Mul(n, u.scaled), e+u.shift)
	}
	num, den := new(big.Int).Set(n), big.NewInt(1)
	if u.offset != nil {
		// n × 10^e + offset, as a fraction.
		x := new(big.Rat).SetInt(n)
		x.Mul(x, ratPower(10, e))
		x.Add(x, u.offset)
		num.Set(x.Num())
		den.Set(x.Denom())
		e = 0
	}
	num.Mul(num, u.factor.Num())
	den.Mul(den, u.factor.Denom())
	return quotient(num, den, e)
}

// Convert gives x of the unit in another one, exactly; nil where the two cannot
// be compared.
func (u *Unit) Convert(x *big.Rat, to *Unit) *big.Rat {
	if u.Base != to.Base {
		return nil
	}
	y := new(big.Rat).Set(x)
	if u.offset != nil {
		y.Add(y, u.offset)
	}
	y.Mul(y, u.factor)
	y.Quo(y, to.factor)
	if to.offset != nil {
		y.Sub(y, to.offset)
	}
	return y
}

// quotient is num / den × 10^e, cut after the digits of precision.
func quotient(num, den *big.Int, e int) (*big.Int, int) {
	if scale := precision + decimals(den) - decimals(num); scale > 0 {
		num.Mul(num, power(10, scale))
		e -= scale
	}
	return cut(num.Quo(num, den), e)
}

// cut leaves out what is after the digits of precision.
func cut(n *big.Int, e int) (*big.Int, int) {
	if more := decimals(n) - precision; more > 0 {
		n.Quo(n, power(10, more))
		e += more
	}
	return n, e
}

// decimals is the number of decimal digits of n, 1 for zero.
func decimals(n *big.Int) int {
	// 2^bits has bits × log10(2) digits, and n may have one less.
	digits := n.BitLen()*30103/100000 + 1
	if digits > 1 && n.CmpAbs(power(10, digits-1)) < 0 {
		digits--
	}
	return digits
}

// tens are small powers of ten, which are not changed.
var tens = func() (t [256]*big.Int) {
	for i := range t {
		t[i] = new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(i)), nil)
	}
	return t
}()

// power is base^n. It must not be changed.
func power(base int64, n int) *big.Int {
	if base == 10 && n < len(tens) {
		return tens[n]
	}
	return new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(n)), nil)
}

// ratPower is base^n, n of either sign.
func ratPower(base int64, n int) *big.Rat {
	p := new(big.Rat).SetInt(power(base, max(n, -n)))
	if n < 0 {
		p.Inv(p)
	}
	return p
}

// finite writes r as n × 10^e where it is a finite decimal, and n does not end
// in 0; n is nil where it is not.
func finite(r *big.Rat) (n *big.Int, e int) {
	n, den := new(big.Int).Set(r.Num()), new(big.Int).Set(r.Denom())
	var rest big.Int
	for _, by := range []struct{ divisor, times int64 }{{10, 1}, {2, 5}, {5, 2}} {
		divisor, times := big.NewInt(by.divisor), big.NewInt(by.times)
		for q := new(big.Int); ; e-- {
			if q.QuoRem(den, divisor, &rest); rest.Sign() != 0 {
				break
			}
			den.Set(q)
			n.Mul(n, times)
		}
	}
	if den.Cmp(big.NewInt(1)) != 0 {
		return nil, 0
	}
	for q := new(big.Int); ; e++ {
		if q.QuoRem(n, tens[1], &rest); rest.Sign() != 0 {
			return n, e
		}
		n.Set(q)
	}
}

// A measure is a number of base units.
type measure struct {
	factor *big.Rat
	offset *big.Rat
	// dims are the exponents of base units by their codes; none is 0.
	dims map[string]int
}

func one() measure { return measure{factor: big.NewRat(1, 1), dims: map[string]int{}} }

// times multiplies by m^n.
func (q *measure) times(m measure, n int) {
	f := new(big.Rat).Set(m.factor)
	for range max(n, -n) - 1 {
		f.Mul(f, m.factor)
	}
	switch {
	case n == 0:
		return
	case n < 0:
		f.Inv(f)
	}
	q.factor.Mul(q.factor, f)
	for base, e := range m.dims {
		if q.dims[base] += e * n; q.dims[base] == 0 {
			delete(q.dims, base)
		}
	}
}

// base writes the dimensions in one way.
func (q *measure) base() string {
	if len(q.dims) == 0 {
		return "1"
	}
	var b strings.Builder
	for i, code := range sortedKeys(q.dims) {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(code)
		if e := q.dims[code]; e != 1 {
			b.WriteString(strconv.Itoa(e))
		}
	}
	return b.String()
}
