package fhirpath

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// compiler turns a syntax tree into evaluators. Beside each evaluator it
// tracks which types the nodes selected can have: that resolves element names
// and finds those that cannot exist.
type compiler struct {
	schema    *fhir.Schema
	source    string
	variables []string
	context   string
	this      typeSet // what $this can be
	families  map[*fhir.Type]typeSet
}

// family is a type and all types derived from it.
func (c *compiler) family(t *fhir.Type) typeSet {
	set, ok := c.families[t]
	if !ok {
		set = family(c.schema, t)
		if c.families == nil {
			c.families = map[*fhir.Type]typeSet{}
		}
		c.families[t] = set
	}
	return set
}

func (c *compiler) errorf(s syntax, format string, args ...any) error {
	return syntaxError(c.source, s.offset(), format, args...)
}

// compile returns the evaluator of a syntax tree and the types of the nodes
// that it may select, nil where that is not known.
func (c *compiler) compile(s syntax) (evaluator, typeSet, error) {
	switch s := s.(type) {
	case *literal:
		return constant{s.value}, nil, nil
	case *variable:
		return c.variable(s)
	case *external:
		return c.external(s)
	case *member:
		return c.member(s)
	case *call:
		return c.call(s)
	case *indexer:
		return c.indexer(s)
	case *unary:
		return c.unary(s)
	case *typeOperation:
		return c.typeOperation(s)
	}
	return c.binary(s.(*binary))
}

func (c *compiler) variable(s *variable) (evaluator, typeSet, error) {
	switch s.name {
	case "index":
		return index{}, nil, nil
	case "total":
		return total{}, nil, nil
	}
	return &walk{}, c.this, nil
}

// codeSystems are the fixed variables of FHIR.
// http://hl7.org/fhir/R4/fhirpath.html#variables
var codeSystems = map[string]string{
	"ucum":  ucumSystem,
	"sct":   "http://snomed.info/sct",
	"loinc": "http://loinc.org",
}

func (c *compiler) external(s *external) (evaluator, typeSet, error) {
	if url, ok := codeSystems[s.name]; ok {
		item := String(url)
		return constant{&item}, nil, nil
	}
	for prefix, base := range map[string]string{
		"vs-":  "http://hl7.org/fhir/ValueSet/",
		"ext-": "http://hl7.org/fhir/StructureDefinition/",
	} {
		if name, ok := strings.CutPrefix(s.name, prefix); ok {
			item := String(base + name)
			return constant{&item}, nil, nil
		}
	}
	switch s.name {
	case "resource", "rootResource", "context":
		return environment(s.name), nil, nil
	}
	if slices.Contains(c.variables, s.name) {
		return given(s.name), nil, nil
	}
	return nil, nil, c.errorf(s, "the variable %%%s is unknown", s.name)
}

func (c *compiler) member(s *member) (evaluator, typeSet, error) {
	if s.on == nil {
		if t := c.schema.Type(s.name); t != nil && t.Kind != fhir.KindPrimitive {
			filter := c.family(t)
			types := filter.and(c.this)
			if types.empty() {
				// Part of an expression for several resource types: it is
				// checked as for its own type and selects nothing here.
				types = filter
			}
			return &walk{filter: filter}, types, nil
		}
		return c.step(s, &walk{}, c.this)
	}
	on, types, err := c.compile(s.on)
	if err != nil {
		return nil, nil, err
	}
	if f, ok := on.(*function); ok && f.name == "type" {
		if s.name != "name" && s.name != "namespace" {
			return nil, nil, c.errorf(s, "a type has namespace and name, not %s", s.name)
		}
		return &function{input: on, run: typeMember(s.name)}, nil, nil
	}
	return c.step(s, on, types)
}

// step compiles a child element of what an evaluator selects.
func (c *compiler) step(s *member, on evaluator, types typeSet) (evaluator, typeSet, error) {
	props, of := c.properties(s.name, types)
	if len(props) == 0 {
		if types == nil {
			return nil, nil, c.errorf(s, "no type has an element %q", s.name)
		}
		return nil, nil, c.errorf(s, "%s has no element %q", types.names(c.schema), s.name)
	}
	w, ok := on.(*walk)
	if !ok {
		w = &walk{input: on}
	}
	return w.extended(newStep(c.schema, s.name, props)), of, nil
}

// properties are the JSON properties of an element name in any of the types,
// and the types of their values.
func (c *compiler) properties(name string, types typeSet) ([]*fhir.Property, typeSet) {
	var props []*fhir.Property
	of := newTypeSet(c.schema)
	add := func(t *fhir.Type) {
		e := t.Element(name)
		if e == nil {
			return
		}
		props = append(props, e.Properties...)
		for _, p := range e.Properties {
			if p.Type.Kind == fhir.KindAbstract {
				of.addAll(c.family(p.Type))
			} else {
				of.add(p.Type)
			}
		}
	}
	if types != nil {
		holders := append(typeSet(nil), types...)
		types.each(c.schema, func(t *fhir.Type) {
			// The reader takes id and extensions of any primitive as those
			// of Element.
			if element := c.schema.Type("Element"); t.Kind == fhir.KindPrimitive && element != nil {
				holders.add(element)
			}
		})
		holders.each(c.schema, add)
		return props, of
	}
	for _, t := range c.schema.Types {
		add(t)
	}
	return props, of
}

func (c *compiler) indexer(s *indexer) (evaluator, typeSet, error) {
	on, types, err := c.compile(s.on)
	if err != nil {
		return nil, nil, err
	}
	at, _, err := c.compile(s.index)
	if err != nil {
		return nil, nil, err
	}
	if k, ok := at.(constant); ok && k.item != nil && k.item.kind == KindInteger {
		n := k.item.value.(int64)
		return &slice{input: on, from: n, to: n + 1}, types, nil
	}
	return &function{name: "[]", input: on, args: []evaluator{at}, run: itemAt}, types, nil
}

func (c *compiler) unary(s *unary) (evaluator, typeSet, error) {
	operand, _, err := c.compile(s.operand)
	if err != nil || s.operator == "+" {
		return operand, nil, err
	}
	return &function{name: "-", input: operand, run: negate}, nil, nil
}

func (c *compiler) typeOperation(s *typeOperation) (evaluator, typeSet, error) {
	operand, types, err := c.compile(s.operand)
	if err != nil {
		return nil, nil, err
	}
	resolveType := newTypeTest
	if s.operator == "as" {
		resolveType = asTypeTest
	}
	test, ok := resolveType(c.schema, s.typeName)
	if !ok {
		return nil, nil, c.errorf(s, "there is no type %s", s.typeName)
	}
	if s.operator == "is" {
		return &isType{operand, test}, nil, nil
	}
	e, types := c.ofType(operand, types, test)
	return e, types, nil
}

// ofType keeps the items of a type. The last step of a path is cut down to
// the properties of that type, so that "value as Quantity" costs no more than
// a name. Search parameters apply "as" to several items (component.value),
// so it filters here rather than fail on them.
func (c *compiler) ofType(input evaluator, types typeSet, test *typeTest) (evaluator, typeSet) {
	if test.types == nil {
		return &ofType{input, test}, nil
	}
	if w, ok := input.(*walk); ok && len(w.steps) > 0 {
		last := len(w.steps) - 1
		if s, ok := w.steps[last].narrowed(c.schema, test.types); ok {
			steps := append(slices.Clone(w.steps[:last]), s)
			return &walk{w.input, w.filter, steps}, test.types.and(types)
		}
	}
	return &ofType{input, test}, test.types.and(types)
}

func (c *compiler) binary(s *binary) (evaluator, typeSet, error) {
	left, leftTypes, err := c.compile(s.left)
	if err != nil {
		return nil, nil, err
	}
	right, rightTypes, err := c.compile(s.right)
	if err != nil {
		return nil, nil, err
	}
	pair := operands{left, right}
	switch s.operator {
	case "|":
		return newUnion(left, right), leftTypes.or(rightTypes), nil
	case "and", "or", "xor", "implies":
		return &connective{pair, connectives[s.operator]}, nil, nil
	case "=", "!=":
		return newEquality(pair, s.operator == "!="), nil, nil
	case "~", "!~":
		return &equivalence{pair, s.operator == "!~"}, nil, nil
	case "<", "<=", ">", ">=":
		return &comparison{pair, orders[s.operator]}, nil, nil
	case "in":
		return &membership{right, left}, nil, nil
	case "contains":
		return &membership{left, right}, nil, nil
	}
	return &arithmetic{pair, arithmetics[s.operator]}, nil, nil
}

// lambda compiles an argument that is evaluated for each item of a collection
// of the types.
func (c *compiler) lambda(s syntax, types typeSet) (evaluator, typeSet, error) {
	outer := c.this
	c.this = types
	e, of, err := c.compile(s)
	c.this = outer
	return e, of, err
}
