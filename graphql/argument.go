package graphql

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

type argumentKind uint8

const (
	argText argumentKind = iota + 1
	argCount
	argBool
	argPath   // a FHIRPath expression
	argFilter // a primitive sub-element that must have a value
	argParam  // a search parameter
	argResult // _sort, _filter: a parameter of the search as a whole
)

// The arguments that are not named after an element or search parameter.
const (
	argumentPath      = "fhirpath"
	argumentOffset    = "_offset"
	argumentCount     = "_count"
	argumentFirst     = "first"
	argumentReference = "_reference"
	argumentOptional  = "optional"
	argumentType      = "type"
	argumentSort      = "_sort"
)

// The arguments for the place of a page; the specification has both names.
var argumentCursor = []string{"_cursor", "cursor"}

// An argument is an argument that a field may have.
type argument struct {
	name string
	kind argumentKind
	// typ is the GraphQL name of its type, the items' where it is a list.
	typ      string
	list     bool
	required bool
	// code is the search parameter of argParam and argResult.
	code        string
	description string
}

// arguments is what a field of o may have, in the order to show.
func (s *schema) arguments(o object, f field) []argument {
	switch f.kind {
	case fieldProperty:
		if f.scalar == "" {
			if s.elements == nil {
				s.elements = map[*fhir.Type][]argument{}
			}
			t := f.prop.Type
			if s.elements[t] == nil {
				s.elements[t] = elementArguments(t, "")
			}
			return s.elements[t]
		}
	case fieldRead:
		return []argument{{name: "id", kind: argText, typ: "ID", required: true}}
	case fieldResolve:
		return []argument{{name: argumentOptional, kind: argBool, typ: "Boolean"}, {name: argumentType, kind: argText, typ: "code", list: true}}
	case fieldList, fieldConnection:
		return s.searchArguments(f)
	case fieldMeta:
		return metaArguments[f.name]
	}
	return nil
}

// elementArguments selects among the items of a complex element: by their
// primitive sub-elements (only, where that is not "", by the one of that name)
// and by place. http://hl7.org/fhir/R4/graphql.html#list
func elementArguments(t *fhir.Type, only string) []argument {
	args := []argument{
		{name: argumentPath, kind: argPath, typ: "String"},
		{name: argumentOffset, kind: argCount, typ: "Int"},
		{name: argumentCount, kind: argCount, typ: "Int"},
	}
	for _, e := range t.Elements {
		for _, p := range e.Properties {
			if p.Type.Kind == fhir.KindPrimitive && (only == "" || only == p.JSON) {
				args = append(args, argument{name: p.JSON, kind: argFilter, typ: typeName(p.Type)})
			}
		}
	}
	return args
}

// searchArguments is the search parameters of a type, with those of a search.
func (s *schema) searchArguments(f field) []argument {
	key := searchKey{f.resource, f.kind, f.reverse}
	if known := s.searches[key]; known != nil {
		return known
	}
	args := resultArguments(f)
	for _, param := range s.registry.Params {
		code, p := param.Code, param.Def
		if p == nil || param.Type != f.resource.Name {
			continue
		}
		args = append(args, argument{
			name: strings.ReplaceAll(code, "-", "_"), kind: argParam, typ: paramScalars[p.Type], list: true,
			code: code, description: p.Description,
		})
	}
	slices.SortStableFunc(args, func(a, b argument) int { return strings.Compare(a.name, b.name) })
	if s.searches == nil {
		s.searches = map[searchKey][]argument{}
	}
	s.searches[key] = args
	return args
}

// searchKey names what the arguments of a search depend on.
type searchKey struct {
	resource *fhir.Type
	kind     fieldKind
	reverse  bool
}

// resultArguments is the arguments of a search that are not search parameters,
// the ones that matter most first.
func resultArguments(f field) []argument {
	var args []argument
	if f.reverse {
		args = append(args, argument{name: argumentReference, kind: argText, typ: "code", required: true})
	}
	args = append(args,
		argument{name: argumentCount, kind: argCount, typ: "Int"},
		argument{name: argumentPath, kind: argPath, typ: "String"},
		argument{name: argumentSort, kind: argResult, typ: "String", list: true, code: argumentSort},
		argument{name: "_filter", kind: argResult, typ: "String", code: "_filter"},
	)
	if f.kind == fieldConnection {
		args = append(args, argument{name: argumentFirst, kind: argCount, typ: "Int"})
	}
	if f.kind == fieldConnection && !f.reverse {
		for _, name := range argumentCursor {
			args = append(args, argument{name: name, kind: argText, typ: "ID"})
		}
	}
	return args
}

// paramScalars names the scalars of search parameters.
var paramScalars = map[definition.ParamType]string{
	definition.ParamNumber: "number", definition.ParamDate: "date", definition.ParamString: "String",
	definition.ParamToken: "token", definition.ParamReference: "reference", definition.ParamComposite: "composite",
	definition.ParamQuantity: "quantity", definition.ParamURI: "uri", definition.ParamSpecial: "special",
}

// scalar reports whether a name can be the type of a variable.
func (s *schema) scalar(name string) bool {
	switch name {
	case "String", "ID", "Int", "Float", "Boolean":
		return true
	}
	for _, own := range paramScalars {
		if name == own {
			return true
		}
	}
	t := s.set.Schema.Type(name)
	return t != nil && t.Kind == fhir.KindPrimitive
}

// A given is an argument with its value, which is not null.
type given struct {
	argument
	texts []string
	at    *ast.Position
}

// readArguments reads the arguments of a field.
func (s *schema) readArguments(d *document, o object, f field, list ast.ArgumentList, at *ast.Position) (map[string]given, *Error) {
	known := s.arguments(o, f)
	args := map[string]given{}
	seen := map[string]bool{}
	for _, a := range list {
		i := slices.IndexFunc(known, func(k argument) bool { return k.name == a.Name })
		if i < 0 {
			return nil, unknownArgument(o, f, known, a)
		}
		if seen[a.Name] {
			return nil, errorAt(a.Position, "the argument %s is given twice", a.Name)
		}
		seen[a.Name] = true
		in, err := d.input(a.Value)
		if err != nil {
			return nil, err
		}
		if in.null {
			continue
		}
		if err := known[i].check(in, a.Value.Position); err != nil {
			return nil, err
		}
		args[a.Name] = given{known[i], texts(in), a.Value.Position}
	}
	for _, k := range known {
		if _, ok := args[k.name]; k.required && !ok {
			return nil, errorAt(at, "%s needs the argument %s", f.name, k.name)
		}
	}
	return args, nil
}

func unknownArgument(o object, f field, known []argument, a *ast.Argument) *Error {
	if len(known) == 0 {
		return errorAt(a.Position, "%s.%s takes no arguments", o.name(), f.name)
	}
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.name
	}
	return errorAt(a.Position, "%s.%s has no argument %s; there are %s", o.name(), f.name, a.Name, strings.Join(names, ", "))
}

// check checks the form of an argument's value.
func (a argument) check(in input, at *ast.Position) *Error {
	if !a.list && len(in.items) != 1 {
		return errorAt(at, "%s takes one value, not a list", a.name)
	}
	for _, item := range in.items {
		switch a.kind {
		case argCount:
			if n, err := strconv.Atoi(item.text); item.kind != literalNumber || err != nil || n < 0 {
				return errorAt(at, "%s must be a whole number from 0, not %s", a.name, item)
			}
		case argBool:
			if item.kind != literalBool {
				return errorAt(at, "%s must be true or false, not %s", a.name, item)
			}
		}
	}
	return nil
}

func texts(in input) []string {
	texts := make([]string, len(in.items))
	for i, item := range in.items {
		texts[i] = item.text
	}
	return texts
}

// text is the value of an argument that takes one.
func (g given) text() string {
	if len(g.texts) == 0 {
		return ""
	}
	return g.texts[0]
}

// number is the value of an argCount.
func (g given) number() int {
	n, _ := strconv.Atoi(g.text()) // checked by argument.check
	return n
}
