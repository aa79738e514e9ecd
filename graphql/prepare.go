package graphql

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// A selected is a field of the query as a field of one object, with its
// arguments and directives.
type selected struct {
	field
	ast  *ast.Field
	on   object
	args map[string]given
	// flatten, first and singleton are the directives of those names, slice
	// the expression of @slice.
	// http://hl7.org/fhir/R4/graphql.html#flattening
	flatten, first, singleton bool
	slice                     *expression
	// where is the argument fhirpath.
	where *expression
}

// An expression is FHIRPath, compiled for one type.
type expression struct {
	*fhirpath.Expr
	// byIndex is the expression as a filter of the whole list, from the
	// parent, where it uses $index.
	byIndex *fhirpath.Expr
	// index is set for the expression $index alone.
	index bool
}

type selectedKey struct {
	ast *ast.Field
	on  object
}

type selectedResult struct {
	*selected
	err *Error
}

// selected finds a field of the query on an object. Where the object does not
// have it, both results are nil.
func (x *execution) selected(f *ast.Field, on object) (*selected, *Error) {
	key := selectedKey{f, on}
	if known, ok := x.known[key]; ok {
		return known.selected, known.err
	}
	s, err := x.prepare(f, on)
	x.known[key] = selectedResult{s, err}
	return s, err
}

func (x *execution) prepare(f *ast.Field, on object) (*selected, *Error) {
	found, ok := x.schema.field(on, f.Name)
	if !ok {
		return nil, nil
	}
	s := &selected{field: found, ast: f, on: on}
	switch {
	case s.scalar != "" && len(f.SelectionSet) > 0:
		return nil, errorAt(f.Position, "%s.%s is a value of type %s, which has no fields", on.name(), f.Name, s.scalar)
	case s.scalar == "" && len(f.SelectionSet) == 0:
		return nil, errorAt(f.Position, "%s.%s needs fields, such as %s {%s}", on.name(), f.Name, f.Name, x.exampleField(s.of))
	}
	var err *Error
	if s.args, err = x.schema.readArguments(x.doc, on, found, f.Arguments, f.Position); err != nil {
		return nil, err
	}
	if err := x.checkNames(s); err != nil {
		return nil, err
	}
	if err := x.readDirectives(s); err != nil {
		return nil, err
	}
	if path, ok := s.args[argumentPath]; ok {
		if s.where, err = x.compile(s, path.text(), path.at); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// checkNames checks the arguments that name a resource type or a search
// parameter.
func (x *execution) checkNames(s *selected) *Error {
	switch {
	case s.kind == fieldResolve:
		types := s.args[argumentType]
		for _, name := range types.texts {
			if x.schema.set.Schema.Resource(name) == nil {
				return errorAt(types.at, "%q is not an R4 resource type", name)
			}
		}
	case s.reverse && x.schema.reverseCode(s, s.on.typ) == "":
		reference := s.args[argumentReference]
		return errorAt(reference.at, "%s: %q is not a search parameter of %s for references to %s; there are %s", argumentReference,
			reference.text(), s.resource.Name, s.on.typ.Name, strings.Join(x.schema.references(s.resource, s.on.typ), ", "))
	}
	return nil
}

// exampleField is a field to show as an example.
func (x *execution) exampleField(of []object) string {
	if len(of) > 0 {
		for _, name := range []string{"id", "edges", "mode", "name"} {
			if _, ok := x.schema.field(of[0], name); ok {
				return name
			}
		}
	}
	return "__typename"
}

// readDirectives reads the directives of a field but @skip and @include,
// which collect reads.
func (x *execution) readDirectives(s *selected) *Error {
	for _, d := range s.ast.Directives {
		switch d.Name {
		case "skip", "include":
			continue
		case "flatten":
			s.flatten = true
		case "first":
			s.first = true
		case "singleton":
			s.singleton = true
		case "slice":
			if err := x.readSlice(s, d); err != nil {
				return err
			}
			continue
		default:
			return errorAt(d.Position, "there is no directive @%s; there are @skip, @include, @flatten, @first, @singleton and @slice", d.Name)
		}
		if len(d.Arguments) > 0 {
			return errorAt(d.Position, "@%s takes no arguments", d.Name)
		}
	}
	if s.flatten && s.scalar != "" {
		return errorAt(s.ast.Position, "@flatten puts the fields of %s into its place, but it is a value of type %s", s.name, s.scalar)
	}
	if s.flatten && s.singleton {
		return errorAt(s.ast.Position, "@flatten takes %s out of the answer, so that @singleton means nothing for it; put @singleton on the fields inside", s.name)
	}
	if s.on.kind == objectMeta && (s.flatten || s.first || s.singleton || s.slice != nil) {
		return errorAt(s.ast.Position, "introspection can only have the directives @skip and @include")
	}
	return nil
}

// readSlice reads @slice. The specification calls its argument path in the
// examples and fhirpath in the text.
func (x *execution) readSlice(s *selected, d *ast.Directive) (err *Error) {
	if len(d.Arguments) != 1 || d.Arguments[0].Name != "path" && d.Arguments[0].Name != argumentPath {
		return errorAt(d.Position, `@slice needs the one argument path, such as @slice(path: "use")`)
	}
	if s.kind != fieldProperty && s.kind != fieldList {
		return errorAt(d.Position, "@slice is for elements and lists of resources; %s is neither", s.name)
	}
	a := d.Arguments[0]
	in, err := x.doc.input(a.Value)
	if err != nil {
		return err
	}
	if len(in.items) != 1 {
		return errorAt(a.Position, "the path of @slice must be a string")
	}
	if text := in.items[0].text; text == "$index" {
		s.slice = &expression{index: true}
	} else {
		s.slice, err = x.compile(s, text, a.Value.Position)
	}
	return err
}

// compile compiles FHIRPath for the values of a field.
func (x *execution) compile(s *selected, text string, at *ast.Position) (*expression, *Error) {
	t := s.resource
	if s.prop != nil {
		t = s.prop.Type
	}
	var options []fhirpath.Option
	if t.Kind != fhir.KindAbstract {
		options = append(options, fhirpath.WithContext(t.Name))
	}
	expr, err := fhirpath.Compile(x.schema.set.Schema, text, options...)
	if err != nil {
		return nil, wrap(err, at, nil)
	}
	e := &expression{Expr: expr}
	if s.prop != nil && strings.Contains(text, "$index") {
		e.byIndex, err = fhirpath.Compile(x.schema.set.Schema, pathOf(s.prop)+".where("+text+"\n)")
		if err != nil {
			return nil, wrap(err, at, nil)
		}
	}
	return e, nil
}

// pathOf is the FHIRPath from a parent to a property's values.
func pathOf(p *fhir.Property) string {
	name := "`" + p.Element.Name + "`"
	if p.Element.Choice {
		return name + ".ofType(" + p.Type.Name + ")"
	}
	return name
}

// included evaluates @skip and @include of a selection.
func (d *document) included(directives ast.DirectiveList) (bool, *Error) {
	included := true
	for _, directive := range directives {
		if directive.Name != "skip" && directive.Name != "include" {
			continue
		}
		if len(directive.Arguments) != 1 || directive.Arguments[0].Name != "if" {
			return false, errorAt(directive.Position, "@%s needs the one argument if", directive.Name)
		}
		in, err := d.input(directive.Arguments[0].Value)
		if err != nil {
			return false, err
		}
		if len(in.items) != 1 || in.items[0].kind != literalBool {
			return false, errorAt(directive.Position, "the argument if of @%s must be true or false", directive.Name)
		}
		if (in.items[0].text == "true") == (directive.Name == "skip") {
			included = false
		}
	}
	return included, nil
}

// checkDirectives refuses directives other than those allowed, and ones that
// are repeated. What a field can have is known to readDirectives.
func checkDirectives(list ast.DirectiveList, allowed ...string) *Error {
	for i, d := range list {
		if !slices.Contains(allowed, d.Name) && !slices.Contains(allowed, anyDirective) {
			return errorAt(d.Position, "the directive @%s cannot be here", d.Name)
		}
		if slices.ContainsFunc(list[:i], func(other *ast.Directive) bool { return other.Name == d.Name }) {
			return errorAt(d.Position, "the directive @%s is given twice", d.Name)
		}
	}
	return nil
}

const anyDirective = "*"
