package search

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/compare"
	"github.com/tarnhealth/tarn/search/decimal"
	"github.com/tarnhealth/tarn/ucum"
)

// quantityKind: a quantity has two keys. The first is a byte 0, the number's
// key, the hash of the system, the code and the unit, each of the two with a
// zero byte after it: it answers for a number alone and for number||unit. The
// second is, for a UCUM unit that package ucum knows, a byte 2, a hash of the
// base units that it is a multiple of and the key of the number of those; for
// any other quantity with system and code a byte 1, the hash of the system, the
// code, a zero byte and the number's key. Codes and units are compared exactly,
// as UCUM demands.
//
// A Range gives its low and its high as two points. A Money's code is its
// currency in urn:iso:std:iso:4217. The comparator of a stored quantity is not
// looked at: "<5" counts as 5. SampledData gives nothing.
//
// http://hl7.org/fhir/R4/search.html#quantity
type quantityKind struct{}

const (
	quantityByNumber = 0
	quantityByCode   = 1
	quantityInBase   = 2
	unitMax          = 100
	currencySystem   = "urn:iso:std:iso:4217"
)

func (quantityKind) index(x *indexer, n fhir.Node) {
	switch x.typeOf(n) {
	case valueQuantity:
		x.quantity(childText(n, "value"), hashSystem(childText(n, "system")), childText(n, "code"), childText(n, "unit"))
	case valueMoney:
		x.quantity(childText(n, "value"), hashSystem([]byte(currencySystem)), childText(n, "currency"), nil)
	case valueRange:
		quantityKind{}.index(x, n.Child("low"))
		quantityKind{}.index(x, n.Child("high"))
	}
}

func (x *indexer) quantity(number []byte, system uint64, code, unit []byte) {
	k, ok := decimal.Append(append(x.keys, quantityByNumber), number)
	if !ok {
		return
	}
	x.keys = chars.AppendCapped(chars.AppendCapped(appendHash(k, system), code, unitMax), unit, unitMax)
	x.end()
	if x.part || system == 0 || len(code) == 0 {
		return
	}
	if u := unitOf(system, code); u != nil {
		if k, ok = appendInBase(appendBase(x.keys, u), u, number); ok {
			x.keys = k
			x.end()
		}
		return
	}
	k = chars.AppendCapped(appendHash(append(x.keys, quantityByCode), system), code, unitMax)
	x.keys, _ = decimal.Append(k, number)
	x.end()
}

// unitOf is the unit that package ucum knows, or nil.
func unitOf(system uint64, code []byte) *ucum.Unit {
	if system != ucumHash {
		return nil
	}
	return ucum.Lookup(code)
}

// appendBase appends what the keys of all quantities with the same base units
// begin with.
func appendBase(dst []byte, u *ucum.Unit) []byte {
	return appendHash(append(dst, quantityInBase), xxhash.Sum64String(u.Base))
}

// maxUnitExponent bounds the numbers that are converted at length.
const maxUnitExponent = 400

// appendInBase appends the key of a number of units as one of base units.
func appendInBase(dst []byte, u *ucum.Unit, number []byte) ([]byte, bool) {
	if shift, ok := u.Shift(); ok {
		return decimal.AppendShifted(dst, number, shift)
	}
	d, err := decimal.Parse(string(number))
	if err != nil || max(d.Exponent, -d.Exponent) > maxUnitExponent {
		return dst, false
	}
	digits, e := u.ToBase(d.Unscaled, d.Exponent)
	return decimal.Value{Unscaled: digits, Exponent: e}.AppendKey(dst), true
}

func inBase(u *ucum.Unit, d decimal.Value) []byte {
	digits, e := u.ToBase(d.Unscaled, d.Exponent)
	return decimal.Value{Unscaled: digits, Exponent: e}.Key()
}

func (quantityKind) sorted() Span { return Prefix([]byte{quantityByNumber}) }

func (quantityKind) size(b []byte) int {
	n := 1 + decimal.Size(b[1:]) + hashSize
	n += bytes.IndexByte(b[n:], 0) + 1
	return n + bytes.IndexByte(b[n:], 0) + 1
}

func (quantityKind) query(o *operand) (condition, error) {
	parts := chars.Split(o.value, '|')
	if len(parts) != 1 && len(parts) != 3 {
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q is not a quantity; a quantity looks like 5.4, 5.4|http://unitsofmeasure.org|mg or 5.4||mg", o.value)
	}
	p, text, err := compare.Cut(chars.Unescape(parts[0]))
	if err != nil {
		return condition{}, err
	}
	d, err := decimal.Parse(text)
	if err != nil {
		return condition{}, err
	}
	numbers := numberSpans(d, p)
	var system, code []byte
	if len(parts) == 3 {
		system, code = []byte(chars.Unescape(parts[1])), []byte(chars.Unescape(parts[2]))
	}
	if u := unitOf(hashSystem(system), code); u != nil {
		return o.ofUnit(p, d, u)
	}
	if len(system) > 0 && len(code) > 0 && !o.part {
		head := chars.AppendCapped(appendHash([]byte{quantityByCode}, hashSystem(system)), code, unitMax)
		return condition{spans: within(head, numbers)}, nil
	}
	return condition{
		spans: within([]byte{quantityByNumber}, numbers),
		test:  unitTest(system, code),
	}, nil
}

// ofUnit looks for quantities that can be converted to the unit.
func (o *operand) ofUnit(p prefix, d decimal.Value, u *ucum.Unit) (condition, error) {
	if max(d.Exponent, -d.Exponent) > maxUnitExponent {
		return condition{}, fhir.Errorf(fhir.KindInvalid, "the number in %q is too large or too small to be converted", o.value)
	}
	numbers := spansBy(d, p, func(d decimal.Value) []byte { return inBase(u, d) })
	if !o.part {
		return condition{spans: within(appendBase(nil, u), numbers)}, nil
	}
	return condition{
		spans: []Span{Prefix([]byte{quantityByNumber})},
		test: func(key []byte) bool {
			n := 1 + decimal.Size(key[1:])
			rest := key[n:]
			code := rest[hashSize:]
			v := unitOf(binary.BigEndian.Uint64(rest), code[:bytes.IndexByte(code, 0)])
			if v == nil || v.Base != u.Base {
				return false
			}
			d := decimal.OfKey(key[1:n])
			return max(d.Exponent, -d.Exponent) <= maxUnitExponent && inSpans(numbers, inBase(v, d))
		},
	}, nil
}

// within puts head before the keys of spans.
func within(head []byte, spans []Span) []Span {
	out := make([]Span, len(spans))
	for i, s := range spans {
		out[i] = Prefix(head)
		if len(s.From) > 0 {
			out[i].From = append(bytes.Clone(head), s.From...)
		}
		if s.To != nil {
			out[i].To = append(bytes.Clone(head), s.To...)
		}
	}
	return out
}

// unitTest looks behind the number of a key of the first form; nil where the
// query has neither a system nor a unit.
func unitTest(system, code []byte) func(key []byte) bool {
	if len(system) == 0 && len(code) == 0 {
		return nil
	}
	hash := hashSystem(system)
	want := chars.AppendCapped(nil, code, unitMax)
	return func(key []byte) bool {
		rest := key[1+decimal.Size(key[1:]):]
		if hash != 0 && binary.BigEndian.Uint64(rest) != hash {
			return false
		}
		rest = rest[hashSize:]
		if len(code) == 0 || bytes.HasPrefix(rest, want) {
			return true
		}
		unit := rest[bytes.IndexByte(rest, 0)+1:]
		return hash == 0 && bytes.Equal(unit, want)
	}
}
