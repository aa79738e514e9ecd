// Package fhirpath parses, compiles and evaluates FHIRPath over the resource
// tree. http://hl7.org/fhirpath/N1/
//
// Compile turns an expression into a tree of small evaluators with element
// names resolved to the schema's properties. A path of names, with the filters
// that search parameters use, runs straight over the tree (walk.go); everything
// else runs on a stack machine (machine.go) on which each evaluator leaves the
// items that it selects.
//
// It leaves to others: what an expression is for (search parameters,
// invariants, views), and what codes, profiles and references to other
// resources mean, for which it asks what Env has. It does no I/O of its own:
// where Env says nothing, resolve() looks only at the reference's text and at
// contained resources, which is what search parameters need (resolve.go).
package fhirpath

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// An Expr is an expression, compiled now or when it is first used. It is
// immutable and safe for concurrent use.
type Expr struct {
	source   string
	schema   *fhir.Schema
	options  []Option
	compiled atomic.Pointer[program]
}

// program is what compiling an expression makes.
type program struct {
	root   evaluator
	direct direct  // nil where the expression needs a machine
	types  typeSet // of the nodes selected, nil where not known
	err    error
}

// Env is what an evaluation knows besides its focus.
type Env struct {
	// Now is the time of today(), now() and timeOfDay(); it is an error to
	// call them where it is zero.
	Now time.Time
	// Variables are the values of the names that Compile got by
	// WithVariables.
	Variables map[string][]Item
	// Trace receives what trace() is called with; nil discards it.
	Trace func(name string, items []Item)
	// Terminology answers memberOf(), subsumes() and subsumedBy(), and Profiles
	// conformsTo(); it is an error to call them where it is nil.
	Terminology Terminology
	Profiles    Profiles
	// Definitions answers elementDefinition() and slice(); it is an error to call
	// them where it is nil.
	Definitions Definitions
	// Resolve finds what a reference refers to for resolve(); not ok where it
	// is not found. Where it is nil resolve() tells only the type of resources
	// that are not contained.
	Resolve func(reference string) (resource fhir.Node, ok bool)
}

// An Option changes what an expression may use.
type Option func(*compiler)

// WithVariables allows the expression to use further names after %. Their
// values come with Env; one that is missing there is the empty collection.
func WithVariables(names ...string) Option {
	return func(c *compiler) { c.variables = append(c.variables, names...) }
}

// WithContext says which type of value the expression is evaluated on
// ("Patient", "Patient.contact"), so that element names which that type does
// not have are errors. It also makes paths of a general type ("Resource.meta")
// faster. A leading type name of another type is no error: that part of the
// expression selects nothing.
func WithContext(typeName string) Option {
	return func(c *compiler) { c.context = typeName }
}

// Compile parses an expression and resolves the names in it against a schema.
// Errors say where and what; an element, type, variable or function that does
// not exist is an error here, never at evaluation.
func Compile(schema *fhir.Schema, expression string, options ...Option) (*Expr, error) {
	e := Later(schema, expression, options...)
	if err := e.Err(); err != nil {
		return nil, err
	}
	return e, nil
}

// Later is Compile put off until the expression is first used, for expressions
// that are known to compile: an error, which Err tells, then comes out of each
// evaluation. A schema has some 1,400 of them for its search parameters, of
// which a data store uses a few dozen; one costs about 10 µs to compile.
func Later(schema *fhir.Schema, expression string, options ...Option) *Expr {
	return &Expr{source: expression, schema: schema, options: options}
}

// Err compiles the expression, unless that was done, and says what is wrong
// with it.
func (e *Expr) Err() error { return e.program().err }

// program compiles the expression at the first call. Two first calls at a time
// both do: that is rare, and what they make is the same.
func (e *Expr) program() *program {
	if p := e.compiled.Load(); p != nil {
		return p
	}
	p := &program{}
	p.root, p.types, p.err = compile(e.schema, e.source, e.options)
	if p.err != nil {
		p.root, p.types = failed{p.err}, nil
	}
	p.direct, _ = asDirect(p.root)
	e.compiled.Store(p)
	return p
}

func compile(schema *fhir.Schema, expression string, options []Option) (evaluator, typeSet, error) {
	tree, err := parse(expression)
	if err != nil {
		return nil, nil, err
	}
	c := &compiler{schema: schema, source: expression}
	for _, option := range options {
		option(c)
	}
	if c.context != "" {
		t := schema.Type(c.context)
		if t == nil {
			return nil, nil, fhir.Errorf(fhir.KindInvalid, "FHIRPath: the context type %s does not exist", c.context)
		}
		c.this = family(schema, t)
	}
	return c.compile(tree)
}

// String is the source of the expression.
func (e *Expr) String() string { return e.source }

// Types are the types that the nodes selected may have. known is false where
// that cannot be told, as of what functions and operators make.
func (e *Expr) Types() (types []*fhir.Type, known bool) {
	p := e.program()
	p.types.each(e.schema, func(t *fhir.Type) { types = append(types, t) })
	return types, p.types != nil
}

// Nodes evaluates the expression with focus as context and returns the tree
// nodes selected, in order. Selected values that are not tree nodes (the
// booleans of a comparison) are left out: see Eval for those.
func (e *Expr) Nodes(focus fhir.Node) ([]fhir.Node, error) { return e.AppendNodes(nil, focus) }

// AppendNodes is Nodes with the result appended to dst. Paths as search
// parameters have them allocate nothing else.
func (e *Expr) AppendNodes(dst []fhir.Node, focus fhir.Node) ([]fhir.Node, error) {
	p := e.program()
	if p.direct != nil {
		return p.direct.appendNodes(dst, focus), nil
	}
	m := newMachine(focus, Env{})
	defer m.release()
	if err := p.root.eval(m); err != nil {
		return dst, err
	}
	for _, item := range m.stack {
		if item.kind == KindNode {
			dst = append(dst, item.node)
		}
	}
	return dst, nil
}

// Eval evaluates the expression and returns every item selected, in order.
func (e *Expr) Eval(focus fhir.Node, env Env) ([]Item, error) {
	m := newMachine(focus, env)
	defer m.release()
	if err := e.program().root.eval(m); err != nil {
		return nil, err
	}
	return slices.Clone(m.stack), nil
}

// Bool evaluates the expression as a condition: the empty collection is false,
// a single item that is not a boolean is true, several items are an error.
func (e *Expr) Bool(focus fhir.Node, env Env) (bool, error) {
	value, known, err := e.Condition(focus, env)
	return value && known, err
}

// Condition is Bool that tells false from the empty collection, which is not
// known. Several of R4's invariants are empty where what they are about is
// absent (ref-1 on a reference without text), so only a known false breaks one.
func (e *Expr) Condition(focus fhir.Node, env Env) (value, known bool, err error) {
	j := NewJudge(env)
	defer j.Close()
	return j.Condition(e, focus)
}

// A Judge evaluates many conditions one after the other in the same memory. It
// is for one goroutine.
type Judge struct{ m *machine }

// NewJudge returns a Judge whose conditions share an environment. Close gives
// its memory back.
func NewJudge(env Env) Judge { return Judge{newMachine(fhir.Node{}, env)} }

// Condition is Expr.Condition.
func (j Judge) Condition(e *Expr, focus fhir.Node) (value, known bool, err error) {
	j.m.begin(focus)
	t, err := j.m.truth(e.program().root)
	return t == isTrue, t != unknown, err
}

// Close ends the use of a Judge.
func (j Judge) Close() { j.m.release() }

// failed is what an expression that does not compile comes to.
type failed struct{ error }

func (f failed) eval(*machine) error { return f.error }
