package search

import (
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/compare"
	"github.com/tarnhealth/tarn/search/decimal"
)

// numberKind: a number's key is its exact decimal value in an order-preserving
// form (package decimal). A Range gives its two ends as points.
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
	if k, ok := decimal.Append(x.keys, text); ok {
		x.keys = k
		x.end()
	}
}

func (numberKind) sorted() Span { return everything }

func (numberKind) size(b []byte) int { return decimal.Size(b) }

func (numberKind) query(o *operand) (condition, error) {
	p, text, err := compare.Cut(chars.Unescape(o.value))
	if err != nil {
		return condition{}, err
	}
	d, err := decimal.Parse(text)
	if err != nil {
		return condition{}, err
	}
	return condition{spans: numberSpans(d, p)}, nil
}

// numberSpans are the spans of number keys that compare with d as the prefix says.
// Only eq and ne look at the precision that d is written with.
func numberSpans(d decimal.Value, p prefix) []Span { return spansBy(d, p, decimal.Value.Key) }

// spansBy is numberSpans for keys that are not those of the numbers themselves.
func spansBy(d decimal.Value, p prefix, key func(decimal.Value) []byte) []Span {
	switch p {
	case compare.Eq:
		lo, hi := d.Bounds()
		return []Span{{From: key(lo), To: key(hi)}}
	case compare.Ne:
		lo, hi := d.Bounds()
		return []Span{{From: []byte{}, To: key(lo)}, {From: key(hi)}}
	case compare.Ap:
		lo, hi := key(d.Times(9, -1)), key(d.Times(11, -1))
		if d.Unscaled.Sign() < 0 {
			lo, hi = hi, lo
		}
		return []Span{{From: lo, To: after(hi)}}
	case compare.Gt, compare.Sa:
		return []Span{{From: after(key(d))}}
	case compare.Ge:
		return []Span{{From: key(d)}}
	case compare.Lt, compare.Eb:
		return []Span{{From: []byte{}, To: key(d)}}
	default: // le
		return []Span{{From: []byte{}, To: after(key(d))}}
	}
}

// after is the end of the keys that are key or, as a quantity's, begin with it.
func after(key []byte) []byte { return Prefix(key).To }
