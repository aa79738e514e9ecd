package fhirpath

import (
	"fmt"
	"maps"
)

// maxArguments is the greatest number of arguments of any function.
const maxArguments = 3

// arguments are the evaluated arguments of a function call.
type arguments [maxArguments][]Item

// runner computes a function from its evaluated input and arguments, and
// pushes the result.
type runner func(m *machine, in []Item, args arguments) error

// function is a call of a function whose arguments are evaluated once, in the
// scope of the call.
type function struct {
	name  string
	input evaluator
	args  []evaluator
	run   runner
}

func (f *function) eval(m *machine) error {
	mark := len(m.stack)
	if err := f.input.eval(m); err != nil {
		return err
	}
	var ends [maxArguments]int
	for i, arg := range f.args {
		ends[i] = len(m.stack)
		if err := arg.eval(m); err != nil {
			return err
		}
	}
	base := len(m.stack)
	in, args := m.stack[mark:base], arguments{}
	for i := len(f.args) - 1; i >= 0; i-- {
		args[i] = in[ends[i]-mark:]
		in = in[:ends[i]-mark]
	}
	if err := m.spend(len(in)); err != nil {
		return err
	}
	if err := f.run(m, in, args); err != nil {
		return err
	}
	m.settle(mark, base)
	return nil
}

// callSite is a call with its input compiled.
type callSite struct {
	*call
	input evaluator
	types typeSet // of the input
}

// signature is what the compiler knows of a function.
type signature struct {
	min, max int // number of arguments
	build    func(c *compiler, s *callSite) (evaluator, typeSet, error)
}

// functions is the table of all functions, filled by the function_*.go files.
var functions map[string]signature

func init() {
	functions = map[string]signature{}
	for _, group := range []map[string]signature{
		existenceFunctions(), filterFunctions(), combineFunctions(), convertFunctions(),
		stringFunctions(), mathFunctions(), treeFunctions(), fhirFunctions(), serviceFunctions(), definitionFunctions(), clockFunctions(),
	} {
		maps.Copy(functions, group)
	}
}

func (c *compiler) call(s *call) (evaluator, typeSet, error) {
	def, ok := functions[s.name]
	if !ok {
		return nil, nil, c.errorf(s, "there is no function %s()", s.name)
	}
	if n := len(s.args); n < def.min || n > def.max {
		return nil, nil, c.errorf(s, "%s() takes %s, not %d", s.name, arity(def), n)
	}
	site := &callSite{call: s, input: &walk{}, types: c.this}
	if s.on != nil {
		var err error
		if site.input, site.types, err = c.compile(s.on); err != nil {
			return nil, nil, err
		}
	}
	return def.build(c, site)
}

func arity(d signature) string {
	switch {
	case d.max == 0:
		return "no argument"
	case d.min == d.max && d.max == 1:
		return "1 argument"
	case d.min == d.max:
		return fmt.Sprintf("%d arguments", d.max)
	}
	return fmt.Sprintf("%d to %d arguments", d.min, d.max)
}

// values defines a function whose arguments are evaluated once and whose
// result is values.
func values(min, max int, run runner) signature {
	return signature{min, max, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
		f, err := c.function(s, run)
		return f, nil, err
	}}
}

// sameTypes is values for a function whose result is items of its input.
func sameTypes(min, max int, run runner) signature {
	return signature{min, max, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
		f, err := c.function(s, run)
		return f, s.types, err
	}}
}

func (c *compiler) function(s *callSite, run runner) (*function, error) {
	f := &function{name: s.name, input: s.input, run: run}
	for _, arg := range s.args {
		e, _, err := c.compile(arg)
		if err != nil {
			return nil, err
		}
		f.args = append(f.args, e)
	}
	return f, nil
}

// typed defines a function whose argument is a type specifier.
func typed(build func(c *compiler, s *callSite, test *typeTest) (evaluator, typeSet)) signature {
	return signature{1, 1, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
		name, ok := typeName(s.args[0])
		if !ok {
			return nil, nil, c.errorf(s.args[0], "%s() takes the name of a type", s.name)
		}
		resolveType := asTypeTest
		if s.name == "is" {
			resolveType = newTypeTest
		}
		test, ok := resolveType(c.schema, name)
		if !ok {
			return nil, nil, c.errorf(s.args[0], "there is no type %s", name)
		}
		e, types := build(c, s, test)
		return e, types, nil
	}}
}

// integerArgument is the one integer of an argument.
func integerArgument(items []Item) (int64, bool, error) {
	item, ok, err := singleValue(items)
	if err != nil || !ok {
		return 0, false, err
	}
	n, ok := item.value.(int64)
	if !ok {
		return 0, false, evaluationError("an integer is expected, not %s", item.TypeName())
	}
	return n, true, nil
}

// stringView is stringArgument for what is forgotten before the tree is: the
// text of a node is not copied.
func stringView(items []Item) (string, bool, error) {
	if len(items) == 1 && items[0].kind == KindNode {
		if n := items[0].node; n.HasValue() && isStringType(n.Type().Name) {
			return n.View(), true, nil
		}
	}
	return stringArgument(items)
}

// stringArgument is the one string of an argument or input.
func stringArgument(items []Item) (string, bool, error) {
	item, ok, err := singleValue(items)
	if err != nil || !ok {
		return "", false, err
	}
	s, ok := item.value.(string)
	if !ok {
		return "", false, evaluationError("a string is expected, not %s", item.TypeName())
	}
	return s, true, nil
}
