package graphql

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// A literal is one scalar of a query or of its variables, as text.
type literal struct {
	kind literalKind
	text string
}

func (l literal) String() string {
	if l.kind == literalText {
		return strconv.Quote(l.text)
	}
	return l.text
}

type literalKind uint8

const (
	literalText literalKind = iota + 1 // a string, or an enum value: use: official
	literalNumber
	literalBool
)

// An input is the value of an argument or variable. Where it is neither null
// nor a list it has one item.
type input struct {
	items []literal
	list  bool
	null  bool
}

// readVariables finds the values of the operation's variables.
func (d *document) readVariables(s *schema, raw json.RawMessage) *Error {
	given := map[string]any{}
	if len(bytes.TrimSpace(raw)) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		if err := decoder.Decode(&given); err != nil {
			return errorAt(nil, "variables must be a JSON object, such as {\"id\":\"1\"}")
		}
	}
	d.variables = map[string]input{}
	for _, v := range d.operation.VariableDefinitions {
		if _, twice := d.variables[v.Variable]; twice {
			return errorAt(v.Position, "there are two variables with the name $%s", v.Variable)
		}
		in, err := d.variable(s, v, given)
		if err != nil {
			return err
		}
		d.variables[v.Variable] = in
	}
	return nil
}

func (d *document) variable(s *schema, v *ast.VariableDefinition, given map[string]any) (in input, err *Error) {
	value, present := given[v.Variable]
	switch {
	case present:
		in, err = jsonInput(v, value)
	case v.DefaultValue != nil:
		in, err = d.input(v.DefaultValue)
	default:
		in.null = true
	}
	if err == nil {
		err = s.checkVariable(v, in)
	}
	return in, err
}

// jsonInput is the value of a variable.
func jsonInput(v *ast.VariableDefinition, value any) (input, *Error) {
	switch value := value.(type) {
	case nil:
		return input{null: true}, nil
	case string:
		return input{items: []literal{{literalText, value}}}, nil
	case json.Number:
		return input{items: []literal{{literalNumber, value.String()}}}, nil
	case bool:
		return input{items: []literal{boolLiteral(value)}}, nil
	case []any:
		list := input{list: true}
		for _, item := range value {
			in, err := jsonInput(v, item)
			if err != nil || in.list || in.null {
				return in, errorAt(v.Position, "an item of the list $%s is not a string, number or boolean", v.Variable)
			}
			list.items = append(list.items, in.items...)
		}
		return list, nil
	}
	return input{}, errorAt(v.Position, "the variable $%s must be a string, number, boolean or a list of them, not an object", v.Variable)
}

func boolLiteral(b bool) literal {
	if b {
		return literal{literalBool, "true"}
	}
	return literal{literalBool, "false"}
}

// checkVariable checks a variable's value against its declared type.
func (s *schema) checkVariable(v *ast.VariableDefinition, in input) *Error {
	name := v.Type.Name()
	if !s.scalar(name) {
		return errorAt(v.Position, "the variable $%s has the unknown type %s; variables are scalars, such as String, ID, Int, Boolean, code, token and date, or lists of them", v.Variable, name)
	}
	switch {
	case in.null && v.Type.NonNull:
		return errorAt(v.Position, "the variable $%s of type %s needs a value", v.Variable, v.Type)
	case in.list && v.Type.Elem == nil:
		return errorAt(v.Position, "the variable $%s is of type %s, but its value is a list", v.Variable, v.Type)
	}
	for _, item := range in.items {
		if !item.fits(name) {
			return errorAt(v.Position, "the variable $%s is of type %s, but its value is %s", v.Variable, v.Type, item)
		}
	}
	return nil
}

// fits reports whether a literal can be of a scalar type. The types that
// GraphQL itself does not define take any.
func (l literal) fits(scalar string) bool {
	switch scalar {
	case "Int":
		return l.kind == literalNumber && !strings.ContainsAny(l.text, ".eE")
	case "Float":
		return l.kind == literalNumber
	case "Boolean":
		return l.kind == literalBool
	case "String":
		return l.kind == literalText
	case "ID":
		return l.kind != literalBool
	}
	return true
}

// input is the value of an argument, with variables in place.
func (d *document) input(v *ast.Value) (input, *Error) {
	switch v.Kind {
	case ast.Variable:
		in, ok := d.variables[v.Raw]
		if !ok {
			return in, errorAt(v.Position, "the variable $%s is not declared; the operation must name its variables: query($%s: String) {…}", v.Raw, v.Raw)
		}
		return in, nil
	case ast.NullValue:
		return input{null: true}, nil
	case ast.IntValue, ast.FloatValue:
		return input{items: []literal{{literalNumber, v.Raw}}}, nil
	case ast.BooleanValue:
		return input{items: []literal{{literalBool, v.Raw}}}, nil
	case ast.StringValue, ast.BlockValue, ast.EnumValue:
		return input{items: []literal{{literalText, v.Raw}}}, nil
	case ast.ListValue:
		return d.listInput(v)
	}
	return input{}, errorAt(v.Position, "an object cannot be the value of an argument here")
}

func (d *document) listInput(v *ast.Value) (input, *Error) {
	list := input{list: true}
	for _, child := range v.Children {
		in, err := d.input(child.Value)
		if err != nil {
			return in, err
		}
		if in.list || in.null {
			return in, errorAt(child.Value.Position, "an item of a list must be a string, number or boolean")
		}
		list.items = append(list.items, in.items...)
	}
	return list, nil
}
