package ucum

import (
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// The limits of a code.
const (
	maxLength   = 100
	maxDepth    = 10
	maxExponent = 30
	maxDigits   = 15
)

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

// parse reads a code.
func parse(code string) (measure, error) {
	if len(code) > maxLength {
		return measure{}, fhir.Errorf(fhir.KindInvalid, "the unit has more than %d characters", maxLength)
	}
	if s, ok := scales[code]; ok {
		return measure{factor: s.factor, offset: s.offset, dims: map[string]int{"K": 1}}, nil
	}
	p := parser{rest: code}
	q := p.term(0)
	if p.err == nil && p.rest != "" {
		p.failf("%q is left over", p.rest)
	}
	if p.err != nil {
		return measure{}, fhir.Errorf(fhir.KindInvalid, "%q is not a UCUM unit: %v", code, p.err)
	}
	return q, nil
}

type parser struct {
	rest string
	err  error
}

func (p *parser) failf(format string, args ...any) {
	if p.err == nil {
		p.err = fhir.Errorf(fhir.KindInvalid, format, args...)
	}
}

func (p *parser) next(c byte) bool {
	if p.rest != "" && p.rest[0] == c {
		p.rest = p.rest[1:]
		return true
	}
	return false
}

// term reads components with . and / between them, from left to right. One may
// begin with /.
func (p *parser) term(depth int) measure {
	q := one()
	if depth > maxDepth {
		p.failf("more than %d parentheses are open", maxDepth)
		return q
	}
	sign := 1
	if p.next('/') {
		sign = -1
	}
	for p.err == nil {
		q.times(p.component(depth), sign)
		switch {
		case p.next('.'):
			sign = 1
		case p.next('/'):
			sign = -1
		default:
			return q
		}
	}
	return q
}

// component reads (term), a number, a unit with exponent, and what follows it
// in braces, which does not count.
func (p *parser) component(depth int) measure {
	q := one()
	switch {
	case p.next('('):
		q = p.term(depth + 1)
		if !p.next(')') {
			p.failf(`a ")" is missing`)
		}
	case p.rest != "" && p.rest[0] == '{':
	default:
		q = p.factor()
	}
	if p.next('{') {
		_, rest, ok := strings.Cut(p.rest, "}")
		if !ok {
			p.failf(`a "}" is missing`)
		}
		p.rest = rest
	}
	return q
}

func (p *parser) factor() measure {
	n := digits(p.rest)
	if n > 0 && !strings.HasPrefix(p.rest, "10*") && !strings.HasPrefix(p.rest, "10^") {
		q := one()
		value, err := strconv.ParseInt(p.rest[:n], 10, 64)
		if err != nil || n > maxDigits || value == 0 {
			p.failf("the number %q is too large or 0", p.rest[:n])
			return q
		}
		q.factor.SetInt64(value)
		p.rest = p.rest[n:]
		return q
	}
	atom, ok := resolve(p.symbol())
	if !ok {
		return one()
	}
	q := one()
	q.times(atom, p.exponent())
	return q
}

// digits is the number of digits that s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// symbol reads a unit's symbol; it fails for one that is not known.
func (p *parser) symbol() string {
	n := 0
	if strings.HasPrefix(p.rest, "10*") || strings.HasPrefix(p.rest, "10^") {
		n = len("10*")
	}
	for n < len(p.rest) {
		c := p.rest[n]
		if c == '[' {
			end := strings.IndexByte(p.rest[n:], ']')
			if end < 0 {
				p.failf(`a "]" is missing`)
				return ""
			}
			n += end + 1
			continue
		}
		if strings.IndexByte("./(){}+-0123456789", c) >= 0 || c <= ' ' || c > '~' {
			break
		}
		n++
	}
	symbol := p.rest[:n]
	if _, ok := resolve(symbol); !ok {
		p.failf("the unit %q is not known", symbol)
		return ""
	}
	p.rest = p.rest[n:]
	return symbol
}

func (p *parser) exponent() int {
	rest := strings.TrimPrefix(p.rest, "+")
	sign := 1
	if rest != "" && rest[0] == '-' && len(rest) == len(p.rest) {
		rest, sign = rest[1:], -1
	}
	n := digits(rest)
	if n == 0 {
		if len(rest) != len(p.rest) {
			p.failf("an exponent has no digits")
		}
		return 1
	}
	e, err := strconv.Atoi(rest[:n])
	if err != nil || e == 0 || e > maxExponent {
		p.failf("the exponent %q is not from 1 to %d", rest[:n], maxExponent)
		return 1
	}
	p.rest = rest[n:]
	return sign * e
}

// resolve finds a symbol: a unit, or a prefix and a metric unit.
func resolve(symbol string) (measure, bool) {
	if u, ok := units[symbol]; ok {
		return u.measure(symbol), true
	}
	for _, p := range prefixes {
		rest, ok := strings.CutPrefix(symbol, p.symbol)
		if !ok {
			continue
		}
		if u, known := units[rest]; known && u.metric {
			q := one()
			q.times(u.measure(rest), 1)
			q.factor.Mul(q.factor, p.factor)
			return q, true
		}
	}
	return measure{}, false
}

// measure is a unit's definition in base units.
func (u *unit) measure(symbol string) measure {
	u.once.Do(func() {
		q := one()
		if u.of == "" {
			q.dims[symbol] = 1
		} else {
			p := parser{rest: u.of}
			q = p.term(0)
			if p.err != nil || p.rest != "" {
				panic("ucum: the definition of " + symbol + " is wrong: " + u.of)
			}
		}
		q.factor.Mul(q.factor, u.value)
		u.known = q
	})
	return u.known
}

func rational(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("ucum: not a number: " + text)
	}
	return r
}
