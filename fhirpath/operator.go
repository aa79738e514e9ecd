package fhirpath

import (
	"cmp"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// operands are the two sides of a binary operator.
type operands struct{ left, right evaluator }

// both evaluates the two sides and takes them off the stack. The slices stay
// valid until the next push.
func (o operands) both(m *machine) (left, right []Item, err error) {
	mark := len(m.stack)
	if err := o.left.eval(m); err != nil {
		return nil, nil, err
	}
	middle := len(m.stack)
	if err := o.right.eval(m); err != nil {
		return nil, nil, err
	}
	left, right = m.stack[mark:middle], m.stack[middle:]
	m.stack = m.stack[:mark]
	return left, right, nil
}

// values evaluates the two sides as single values; not ok where either is
// empty.
func (o operands) values(m *machine) (left, right Item, ok bool, err error) {
	l, r, err := o.both(m)
	if err != nil {
		return left, right, false, err
	}
	left, okLeft, err := singleValue(l)
	if err != nil {
		return left, right, false, err
	}
	right, okRight, err := singleValue(r)
	return left, right, okLeft && okRight, err
}

// connective is and, or, xor or implies, in three-valued logic.
// http://hl7.org/fhirpath/N1/#boolean-logic
type connective struct {
	operands
	table *logicTable
}

// logicTable gives the result for each left and right truth. A row all of one
// value other than unknown is decided by the left side alone.
type logicTable [3][3]truth

var connectives = map[string]*logicTable{
	"and": {
		unknown: {unknown, isFalse, unknown},
		isFalse: {isFalse, isFalse, isFalse},
		isTrue:  {unknown, isFalse, isTrue},
	},
	"or": {
		unknown: {unknown, unknown, isTrue},
		isFalse: {unknown, isFalse, isTrue},
		isTrue:  {isTrue, isTrue, isTrue},
	},
	"xor": {
		unknown: {unknown, unknown, unknown},
		isFalse: {unknown, isFalse, isTrue},
		isTrue:  {unknown, isTrue, isFalse},
	},
	"implies": {
		unknown: {unknown, unknown, isTrue},
		isFalse: {isTrue, isTrue, isTrue},
		isTrue:  {unknown, isFalse, isTrue},
	},
}

func (c *connective) eval(m *machine) error { return evalLogical(m, c) }

func (c *connective) truth(m *machine) (truth, error) {
	left, err := m.truth(c.left)
	if err != nil {
		return unknown, err
	}
	row := &c.table[left]
	if row[unknown] == row[isFalse] && row[isFalse] == row[isTrue] {
		return row[unknown], nil
	}
	right, err := m.truth(c.right)
	return row[right], err
}

// equality is = and !=.
type equality struct {
	operands
	not bool
}

// newEquality makes the evaluator of = and !=; of a path and a string one
// that compares in place.
func newEquality(pair operands, not bool) evaluator {
	w, isWalk := pair.left.(*walk)
	k, isConstant := pair.right.(constant)
	if isWalk && isConstant && w.input == nil && k.item != nil && k.item.kind == KindString && !not {
		return &equalsText{equality{pair, not}, w, k.item.value.(string)}
	}
	return &equality{pair, not}
}

func (e *equality) eval(m *machine) error { return evalLogical(m, e) }

func (e *equality) truth(m *machine) (truth, error) {
	left, right, err := e.both(m)
	if err != nil {
		return unknown, err
	}
	return negated(equalCollections(left, right), e.not), nil
}

func negated(t truth, not bool) truth {
	if !not || t == unknown {
		return t
	}
	return truthOf(t == isFalse)
}

// equalsText is path = 'text'.
type equalsText struct {
	equality
	path *walk
	text string
}

func (e *equalsText) eval(m *machine) error { return evalLogical(m, e) }

func (e *equalsText) truth(m *machine) (truth, error) {
	if m.this.kind != KindNode {
		return e.equality.truth(m)
	}
	return e.of(m.this.node), nil
}

// holds makes equalsText a nodeTest.
func (e *equalsText) holds(n fhir.Node) bool { return e.of(n) == isTrue }

func (e *equalsText) of(n fhir.Node) truth {
	var few [4]fhir.Node
	nodes := e.path.from(few[:0], n)
	switch len(nodes) {
	case 0:
		return unknown
	case 1:
		return truthOf(hasText(nodes[0], e.text))
	}
	return isFalse
}

// hasText reports whether a primitive equals a string.
func hasText(n fhir.Node, text string) bool {
	if isStringType(n.Type().Name) && strings.IndexByte(text, '\\') < 0 {
		raw := n.Raw()
		if string(raw) == text {
			return n.HasValue()
		}
		if len(raw) <= len(text) { // escapes only lengthen
			return false
		}
	}
	return equal(NodeItem(n), String(text)) == isTrue
}

// isStringType reports whether a primitive type's values are strings.
func isStringType(name string) bool {
	switch name {
	case "code", "string", "uri", "url", "canonical", "id", "oid", "uuid", "markdown", "base64Binary":
		return true
	}
	return false
}

// equivalence is ~ and !~.
type equivalence struct {
	operands
	not bool
}

func (e *equivalence) eval(m *machine) error { return evalLogical(m, e) }

func (e *equivalence) truth(m *machine) (truth, error) {
	left, right, err := e.both(m)
	if err != nil {
		return unknown, err
	}
	if err := m.spend(len(left) * len(right) / 8); err != nil {
		return unknown, err
	}
	return truthOf(equivalentCollections(left, right) != e.not), nil
}

// orders says for <, <=, > and >= which orders satisfy it.
var orders = map[string]func(order int) bool{
	"<":  func(order int) bool { return order < 0 },
	"<=": func(order int) bool { return order <= 0 },
	">":  func(order int) bool { return order > 0 },
	">=": func(order int) bool { return order >= 0 },
}

// comparison is <, <=, > and >=. http://hl7.org/fhirpath/N1/#comparison
type comparison struct {
	operands
	holds func(order int) bool
}

func (c *comparison) eval(m *machine) error { return evalLogical(m, c) }

func (c *comparison) truth(m *machine) (truth, error) {
	l, r, err := c.both(m)
	if err != nil {
		return unknown, err
	}
	if a, ok := temporalNode(l); ok {
		if b, ok := temporalNode(r); ok && a.comparable(b) {
			return c.ordered(a.cmp(b))
		}
	}
	left, okLeft, err := singleValue(l)
	if err != nil {
		return unknown, err
	}
	right, okRight, err := singleValue(r)
	if err != nil || !okLeft || !okRight {
		return unknown, err
	}
	order, known, err := compare(left, right)
	if err != nil {
		return unknown, err
	}
	return c.ordered(order, known)
}

func (c *comparison) ordered(order int, known bool) (truth, error) {
	if !known {
		return unknown, nil
	}
	return truthOf(c.holds(order)), nil
}

// temporalNode is the one date or time that a path selected, without an item
// for it: the two ends of a Period are compared in many resources.
func temporalNode(items []Item) (temporal, bool) {
	if len(items) != 1 || items[0].kind != KindNode || !items[0].node.HasValue() {
		return temporal{}, false
	}
	switch n := items[0].node; n.Type().Name {
	case "date":
		return parseTemporal(KindDate, n.View())
	case "dateTime", "instant":
		return parseTemporal(KindDateTime, n.View())
	}
	return temporal{}, false
}

// compare orders two System values.
func compare(a, b Item) (order int, known bool, err error) {
	switch av := a.value.(type) {
	case string:
		if bv, ok := b.value.(string); ok {
			return cmp.Compare(av, bv), true, nil
		}
	case temporal:
		if bv, ok := b.value.(temporal); ok && av.comparable(bv) {
			order, known = av.cmp(bv)
			return order, known, nil
		}
	default:
		if x, y, ok := numbers(a, b); ok {
			return x.cmp(y), true, nil
		}
		aq, okA := toQuantity(a)
		bq, okB := toQuantity(b)
		if okA && okB {
			order, known = cmpQuantities(aq, bq)
			return order, known, nil
		}
	}
	return 0, false, evaluationError("%s and %s have no order", a.TypeName(), b.TypeName())
}

// membership is "contains", and "in" with its sides swapped.
// http://hl7.org/fhirpath/N1/#collections-2
type membership struct{ collection, element evaluator }

func (c *membership) eval(m *machine) error { return evalLogical(m, c) }

func (c *membership) truth(m *machine) (truth, error) {
	items, element, err := operands{c.collection, c.element}.both(m)
	if err != nil {
		return unknown, err
	}
	item, ok, err := single(element)
	if err != nil || !ok {
		return unknown, err
	}
	for _, other := range items {
		if equal(item, other) == isTrue {
			return isTrue, nil
		}
	}
	return isFalse, nil
}
