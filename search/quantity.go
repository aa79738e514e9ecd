package search

import (
	"bytes"
	"encoding/binary"

	"github.com/tarnhealth/tarn/fhir"
)

// quantityKind: a quantity has two keys. The first is a byte 0, the number's
// key, the hash of the system, the code and the unit, each of the two with a
// zero byte after it: it answers for a number alone and for number||unit. The
// second, for a quantity with system and code, is a byte 1, the hash, the code,
// a zero byte and the number's key. Codes and units are compared exactly, as
// UCUM demands.
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
	k, ok := appendNumber(append(x.keys, quantityByNumber), number)
	if !ok {
		return
	}
	x.keys = appendCapped(appendCapped(appendHash(k, system), code, unitMax), unit, unitMax)
	x.end()
	if x.part || system == 0 || len(code) == 0 {
		return
	}
	k = appendCapped(appendHash(append(x.keys, quantityByCode), system), code, unitMax)
	x.keys, _ = appendNumber(k, number)
	x.end()
}

func (quantityKind) sorted() Span { return Prefix([]byte{quantityByNumber}) }

func (quantityKind) size(b []byte) int {
	n := 1 + numberSize(b[1:]) + hashSize
	n += bytes.IndexByte(b[n:], 0) + 1
	return n + bytes.IndexByte(b[n:], 0) + 1
}

func (quantityKind) query(o *operand) (condition, error) {
	parts := split(o.value, '|')
	if len(parts) != 1 && len(parts) != 3 {
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q is not a quantity; a quantity looks like 5.4, 5.4|http://unitsofmeasure.org|mg or 5.4||mg", o.value)
	}
	p, text, err := cutPrefix(unescape(parts[0]))
	if err != nil {
		return condition{}, err
	}
	d, err := parseDecimal(text)
	if err != nil {
		return condition{}, err
	}
	numbers := d.spans(p)
	var system, code []byte
	if len(parts) == 3 {
		system, code = []byte(unescape(parts[1])), []byte(unescape(parts[2]))
	}
	if len(system) > 0 && len(code) > 0 && !o.part {
		head := appendCapped(appendHash([]byte{quantityByCode}, hashSystem(system)), code, unitMax)
		return condition{spans: within(head, numbers)}, nil
	}
	return condition{
		spans: within([]byte{quantityByNumber}, numbers),
		test:  unitTest(system, code),
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
	want := appendCapped(nil, code, unitMax)
	return func(key []byte) bool {
		rest := key[1+numberSize(key[1:]):]
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
