package fhirpath

import (
	"sync"

	"github.com/tarnhealth/tarn/fhir"
)

// maxWork bounds one evaluation: items made and arguments evaluated.
const maxWork = 2_000_000

// maxText is the greatest length in bytes of a string that an evaluation makes.
const maxText = 16 << 20

// evaluator is a compiled expression. It is immutable.
type evaluator interface {
	// eval pushes the items that the expression selects onto the machine's
	// stack and leaves what was there before.
	eval(m *machine) error
}

// machine is the state of one evaluation: a stack of items, on which every
// evaluator leaves its result, and the variables in scope.
type machine struct {
	stack []Item
	nodes []fhir.Node // scratch of walk
	env   Env
	focus Item // %context
	this  Item
	index int
	total []Item
	work  int
}

var machines = sync.Pool{New: func() any {
	return &machine{stack: make([]Item, 0, 16), nodes: make([]fhir.Node, 0, 16)}
}}

func newMachine(focus fhir.Node, env Env) *machine {
	m := machines.Get().(*machine)
	m.env = env
	m.begin(focus)
	return m
}

// begin makes ready for an evaluation.
func (m *machine) begin(focus fhir.Node) {
	item := Item{}
	if focus.Exists() {
		item = NodeItem(focus)
	}
	m.stack, m.nodes = m.stack[:0], m.nodes[:0]
	m.focus, m.this, m.index, m.total, m.work = item, item, 0, nil, 0
}

// release gives the machine back without the trees it has seen.
func (m *machine) release() {
	const keep = 64 // larger ones cost more to clear than to make
	if cap(m.stack) > keep || cap(m.nodes) > keep {
		return
	}
	clear(m.stack[:cap(m.stack)])
	clear(m.nodes[:cap(m.nodes)])
	*m = machine{stack: m.stack[:0], nodes: m.nodes[:0]}
	machines.Put(m)
}

func (m *machine) push(i Item) { m.stack = append(m.stack, i) }

// settle moves the items from index from on down to mark.
func (m *machine) settle(mark, from int) {
	n := copy(m.stack[mark:], m.stack[from:])
	m.stack = m.stack[:mark+n]
}

// spend counts work against the limit.
func (m *machine) spend(n int) error {
	if m.work += n + 1; m.work > maxWork {
		return fhir.Errorf(fhir.KindTooCostly, "the FHIRPath expression takes more than %d evaluation steps", maxWork)
	}
	return nil
}

// with evaluates an argument for one item of a collection.
func (m *machine) with(this Item, index int, e evaluator) error {
	if err := m.spend(1); err != nil {
		return err
	}
	outer, outerIndex := m.this, m.index
	m.this, m.index = this, index
	err := e.eval(m)
	m.this, m.index = outer, outerIndex
	return err
}

// truth is a boolean of three-valued logic.
type truth uint8

const (
	unknown truth = iota // the empty collection
	isFalse
	isTrue
)

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// pushTruth pushes a boolean, or nothing where it is unknown.
func (m *machine) pushTruth(t truth) {
	if t != unknown {
		m.push(Boolean(t == isTrue))
	}
}

// logical is an evaluator whose result is a boolean or empty. Its truth costs
// no stack.
type logical interface {
	evaluator
	truth(m *machine) (truth, error)
}

// truth evaluates an expression as a condition.
func (m *machine) truth(e evaluator) (truth, error) {
	if l, ok := e.(logical); ok {
		return l.truth(m)
	}
	mark := len(m.stack)
	if err := e.eval(m); err != nil {
		return unknown, err
	}
	t, err := condition(m.stack[mark:])
	m.stack = m.stack[:mark]
	return t, err
}

// truthWith evaluates a condition for one item of a collection.
func (m *machine) truthWith(this Item, index int, e evaluator) (truth, error) {
	if err := m.spend(1); err != nil {
		return unknown, err
	}
	outer, outerIndex := m.this, m.index
	m.this, m.index = this, index
	t, err := m.truth(e)
	m.this, m.index = outer, outerIndex
	return t, err
}

// condition takes a collection as a boolean: a single item that is not a
// boolean is true. http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
func condition(items []Item) (truth, error) {
	item, ok, err := single(items)
	if err != nil || !ok {
		return unknown, err
	}
	if item.kind == KindNode && item.node.HasValue() {
		item = item.system()
	}
	if b, ok := item.value.(bool); ok {
		return truthOf(b), nil
	}
	return isTrue, nil
}

// single is the one item of a collection, false where it is empty, an error
// where it has several.
func single(items []Item) (Item, bool, error) {
	switch len(items) {
	case 0:
		return Item{}, false, nil
	case 1:
		return items[0], true, nil
	}
	return Item{}, false, evaluationError("a single item is expected, not %d", len(items))
}

func evaluationError(format string, args ...any) error {
	e := fhir.Errorf(fhir.KindUnprocessable, format, args...)
	e.Issues[0].Diagnostics = "FHIRPath: " + e.Issues[0].Diagnostics
	return e
}

// singleValue is the System value of the one item of a collection.
func singleValue(items []Item) (Item, bool, error) {
	item, ok, err := single(items)
	return item.system(), ok, err
}
