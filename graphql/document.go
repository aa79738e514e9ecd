package graphql

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/tarnhealth/tarn/fhir"
)

// maxTokens bounds what the parser reads of a document.
const maxTokens = 20_000

// A document is a parsed query: the operation to carry out, with its variables.
type document struct {
	operation *ast.OperationDefinition
	fragments map[string]*ast.FragmentDefinition
	variables map[string]input
}

// parse reads a request's document and variables, and refuses what is too
// large to be looked at.
func parse(request Request, s *schema) (*document, []*Error) {
	if n := len(request.Query); n > request.Limits.Length {
		return nil, []*Error{costly(nil, "the query has %d bytes; at most %d are allowed", n, request.Limits.Length)}
	}
	parsed, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: request.Query}, maxTokens)
	if err != nil {
		return nil, []*Error{syntaxError(err)}
	}
	d := &document{fragments: map[string]*ast.FragmentDefinition{}}
	for _, f := range parsed.Fragments {
		if d.fragments[f.Name] != nil {
			return nil, []*Error{errorAt(f.Position, "there are two fragments with the name %s", f.Name)}
		}
		d.fragments[f.Name] = f
	}
	if e := d.choose(parsed.Operations, request.OperationName); e != nil {
		return nil, []*Error{e}
	}
	if e := d.measure(request.Limits); e != nil {
		return nil, []*Error{e}
	}
	if e := d.readVariables(s, request.Variables); e != nil {
		return nil, []*Error{e}
	}
	return d, nil
}

// choose finds the operation to carry out.
func (d *document) choose(operations ast.OperationList, name string) *Error {
	byName := map[string]*ast.OperationDefinition{}
	for _, o := range operations {
		if byName[o.Name] != nil {
			return errorAt(o.Position, "there are two operations with the name %q", o.Name)
		}
		if byName[o.Name] = o; o.Name == "" && len(operations) > 1 {
			return errorAt(o.Position, "an operation without a name must be the only one")
		}
	}
	switch {
	case len(operations) == 0:
		return errorAt(nil, "the query is empty; it needs an operation, such as {PatientList{id}}")
	case name != "":
		d.operation = byName[name]
	case len(operations) == 1:
		d.operation = operations[0]
	default:
		return errorAt(nil, "the query has several operations; operationName must say which one is meant")
	}
	if d.operation == nil {
		return errorAt(nil, "the query has no operation with the name %q", name)
	}
	if o := d.operation; o.Operation != ast.Query {
		return wrap(fhir.Errorf(fhir.KindNotSupported, "a %s is not offered; to write, use the REST interactions", o.Operation), o.Position, nil)
	}
	return nil
}

// A size is how large a selection set is with its fragments in place.
type size struct {
	fields, depth int
	open          bool // being measured
}

// measure counts the operation's fields and finds fragments that use
// themselves or are missing. It looks at each fragment once.
func (d *document) measure(limits Limits) *Error {
	m := &measure{document: d, limits: limits, sizes: map[string]*size{}}
	total, err := m.selections(d.operation.SelectionSet)
	if err != nil {
		return err
	}
	if total.depth > limits.Depth {
		return costly(d.operation.Position, "the query nests %d fields; at most %d are allowed", total.depth, limits.Depth)
	}
	return nil
}

type measure struct {
	*document
	limits Limits
	sizes  map[string]*size
}

func (m *measure) selections(set ast.SelectionSet) (size, *Error) {
	var total size
	for _, selection := range set {
		s, err := m.selection(selection)
		if err != nil {
			return total, err
		}
		total.depth = max(total.depth, s.depth)
		if total.fields += s.fields; total.fields > m.limits.Fields {
			return total, costly(selection.GetPosition(), "the query has more than %d fields, those of fragments counted wherever they are used", m.limits.Fields)
		}
	}
	return total, nil
}

func (m *measure) selection(selection ast.Selection) (s size, err *Error) {
	switch selection := selection.(type) {
	case *ast.Field:
		s, err = m.selections(selection.SelectionSet)
		s.depth++
	case *ast.InlineFragment:
		s, err = m.selections(selection.SelectionSet)
	case *ast.FragmentSpread:
		s, err = m.fragment(selection)
	}
	s.fields++
	return s, err
}

func (m *measure) fragment(spread *ast.FragmentSpread) (size, *Error) {
	f := m.fragments[spread.Name]
	if f == nil {
		return size{}, errorAt(spread.Position, "there is no fragment with the name %s", spread.Name)
	}
	known := m.sizes[spread.Name]
	if known == nil {
		known = &size{open: true}
		m.sizes[spread.Name] = known
		s, err := m.selections(f.SelectionSet)
		if err != nil {
			return s, err
		}
		*known = s
	}
	if known.open {
		return size{}, errorAt(spread.Position, "the fragment %s uses itself", spread.Name)
	}
	return *known, nil
}
