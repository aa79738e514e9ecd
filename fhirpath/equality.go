package fhirpath

import (
	"bytes"
	"hash/maphash"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/tarnhealth/tarn/fhir"
)

// quadratic is the size up to which comparing all pairs beats hashing.
const quadratic = 8

// equal is the operator = for two items; unknown where the values do not say
// (times of different precision, quantities of different units).
// http://hl7.org/fhirpath/N1/#equals
func equal(a, b Item) truth {
	if a.kind == KindNode && b.kind == KindNode {
		if qa, ok := quantityOf(a.node); ok {
			if qb, ok := quantityOf(b.node); ok {
				return equalQuantities(qa, qb)
			}
		}
		return equalNodes(a.node, b.node)
	}
	return equalValues(a.system(), b.system())
}

// equalNodes compares nodes by value; complex ones by all their children,
// where the order of different elements does not matter.
func equalNodes(a, b fhir.Node) truth {
	if a.TypeIndex() == b.TypeIndex() && bytes.Equal(a.Raw(), b.Raw()) && a.HasValue() == b.HasValue() {
		return isTrue
	}
	if a.HasValue() && b.HasValue() {
		if plainText(a) && plainText(b) {
			return truthOf(bytes.Equal(a.Raw(), b.Raw()))
		}
		if x, ok := shortDecimal(a); ok {
			if y, ok := shortDecimal(b); ok {
				return truthOf(x == y)
			}
		}
		return equalValues(NodeItem(a).system(), NodeItem(b).system())
	}
	if a.TypeIndex() != b.TypeIndex() || a.HasValue() != b.HasValue() || childCount(a) != childCount(b) {
		return isFalse
	}
	nth, name := 0, ""
	for c := a.First(); c.Exists(); c = c.Next() {
		if nth++; c.Name() != name {
			nth, name = 0, c.Name()
		}
		if d := nthChild(b, name, nth); !d.Exists() || equalNodes(c, d) != isTrue {
			return isFalse
		}
	}
	return isTrue
}

// plainText reports whether a primitive is a string without escapes.
func plainText(n fhir.Node) bool {
	return isStringType(n.Type().Name) && bytes.IndexByte(n.Raw(), '\\') < 0
}

// shortDecimal is the value of a decimal that has few enough digits for a float
// to tell it from every other such decimal.
func shortDecimal(n fhir.Node) (float64, bool) {
	const digits = 15
	raw := n.Raw()
	if len(raw) > digits || n.Type().Name != "decimal" {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return f, err == nil
}

func childCount(n fhir.Node) int {
	count := 0
	for c := n.First(); c.Exists(); c = c.Next() {
		count++
	}
	return count
}

func nthChild(n fhir.Node, name string, nth int) fhir.Node {
	for c := n.First(); c.Exists(); c = c.Next() {
		if c.Name() == name {
			if nth == 0 {
				return c
			}
			nth--
		}
	}
	return fhir.Node{}
}

func equalValues(a, b Item) truth {
	switch av := a.value.(type) {
	case temporal:
		if bv, ok := b.value.(temporal); ok && av.comparable(bv) {
			order, known := av.cmp(bv)
			if !known {
				return unknown
			}
			return truthOf(order == 0)
		}
		return isFalse
	case quantity:
		if bq, ok := toQuantity(b); ok {
			return equalQuantities(av, bq)
		}
		return isFalse
	case int64, decimal:
		if bq, ok := b.value.(quantity); ok {
			aq, _ := toQuantity(a)
			return equalQuantities(aq, bq)
		}
		if an, bn, ok := numbers(a, b); ok {
			return truthOf(an.cmp(bn) == 0)
		}
		return isFalse
	}
	if a.kind == KindNode || b.kind == KindNode {
		return isFalse
	}
	return truthOf(a.kind == b.kind && a.value == b.value)
}

func equalQuantities(a, b quantity) truth {
	order, known := cmpQuantities(a, b)
	if !known {
		return unknown
	}
	return truthOf(order == 0)
}

// toQuantity takes a number as a quantity of unit 1.
func toQuantity(i Item) (quantity, bool) {
	if q, ok := i.value.(quantity); ok {
		return q, true
	}
	d, ok := number(i)
	return quantity{d, "1"}, ok
}

// number is the value of an integer or decimal.
func number(i Item) (decimal, bool) {
	switch v := i.value.(type) {
	case int64:
		return integerDecimal(v), true
	case decimal:
		return v, true
	}
	return decimal{}, false
}

func numbers(a, b Item) (x, y decimal, ok bool) {
	x, okX := number(a)
	y, okY := number(b)
	return x, y, okX && okY
}

// equalCollections is = for collections: unknown where either is empty.
func equalCollections(a, b []Item) truth {
	if len(a) == 0 || len(b) == 0 {
		return unknown
	}
	if len(a) != len(b) {
		return isFalse
	}
	result := isTrue
	for i := range a {
		switch equal(a[i], b[i]) {
		case isFalse:
			return isFalse
		case unknown:
			result = unknown
		}
	}
	return result
}

// equivalent is the operator ~ for two items: strings without regard to case
// and spacing, decimals at the lesser precision.
// http://hl7.org/fhirpath/N1/#equivalent
func equivalent(a, b Item) bool {
	if a.kind == KindNode && b.kind == KindNode && !a.node.HasValue() && !b.node.HasValue() {
		return equivalentNodes(a.node, b.node)
	}
	a, b = a.system(), b.system()
	switch av := a.value.(type) {
	case string:
		bv, ok := b.value.(string)
		return ok && foldText(av) == foldText(bv)
	case decimal:
		if bv, ok := number(b); ok {
			places := min(av.places, bv.places)
			return av.round(places).cmp(bv.round(places)) == 0
		}
	case quantity:
		if bv, ok := b.value.(quantity); ok {
			return equivalentQuantities(av, bv)
		}
	}
	return equalValues(a, b) == isTrue
}

// equivalentQuantities compares at the lesser precision, with calendar durations
// the same as the units of UCUM. 4 'g' ~ 4040 'mg'.
func equivalentQuantities(a, b quantity) bool {
	a.unit, b.unit = calendarKey(a.unit), calendarKey(b.unit)
	places := a.value.places
	if sameUnit(a.unit, b.unit) {
		places = min(places, b.value.places)
	} else if finer(a.unit, b.unit) {
		a, b = b, a
		places = a.value.places
	}
	converted, ok := b.inUnitOf(a.unit)
	return ok && a.value.round(places).cmp(converted.round(places)) == 0
}

func calendarKey(unit string) string {
	if word, ok := ucumCalendar[unit]; ok {
		return word
	}
	return unit
}

func equivalentNodes(a, b fhir.Node) bool {
	if a.TypeIndex() != b.TypeIndex() {
		return false
	}
	return equivalentCollections(children(a), children(b))
}

func children(n fhir.Node) []Item {
	var items []Item
	for c := n.First(); c.Exists(); c = c.Next() {
		items = append(items, NodeItem(c))
	}
	return items
}

// equivalentCollections is ~ for collections: the same items in any order.
func equivalentCollections(a, b []Item) bool {
	if len(a) != len(b) {
		return false
	}
	used := make([]bool, len(b))
	for _, item := range a {
		found := false
		for i := range b {
			sameName := item.node.Element() == b[i].node.Element() || len(a) == 1
			if !used[i] && sameName && equivalent(item, b[i]) {
				used[i], found = true, true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func foldText(s string) string {
	fields := strings.FieldsFunc(s, unicode.IsSpace)
	return strings.ToLower(strings.Join(fields, " "))
}

// itemSet is a set of items under =. An item that is unknown to equal another
// differs from it.
type itemSet struct{ buckets map[uint64][]Item }

func newItemSet() *itemSet { return &itemSet{map[uint64][]Item{}} }

// add reports whether the item is new.
func (s *itemSet) add(i Item) bool {
	if s.has(i) {
		return false
	}
	key := hash(i)
	s.buckets[key] = append(s.buckets[key], i)
	return true
}

func (s *itemSet) has(i Item) bool {
	for _, other := range s.buckets[hash(i)] {
		if same(i, other) {
			return true
		}
	}
	return false
}

// same is equality as sets have it: of nodes by all they hold, so that two
// quantities that differ in system are two values.
func same(a, b Item) bool {
	if a.kind == KindNode && b.kind == KindNode {
		return equalNodes(a.node, b.node) == isTrue
	}
	return equal(a, b) == isTrue
}

var seed = maphash.MakeSeed()

// hash is equal for equal items.
func hash(i Item) uint64 {
	if i.kind == KindNode && !i.node.HasValue() {
		// A quantity may equal a value of type System.Quantity.
		if q, ok := quantityOf(i.node); ok {
			return hash(quantityItem(q))
		}
		sum := uint64(i.node.TypeIndex())
		for c := i.node.First(); c.Exists(); c = c.Next() {
			sum += hash(NodeItem(c))
		}
		return sum
	}
	i = i.system()
	switch v := i.value.(type) {
	case string:
		return maphash.String(seed, v)
	case int64:
		return math.Float64bits(float64(v))
	case decimal:
		return math.Float64bits(v.float())
	case quantity:
		return math.Float64bits(v.inBase())
	case temporal:
		return uint64(v.time().UnixNano()) + uint64(v.prec)
	}
	return uint64(i.kind)
}
