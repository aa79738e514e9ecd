package graphql

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// A checker looks at the whole operation before it is carried out. Where a
// value may be of several types (what a reference leads to), a field is right
// if one of them has it; on the others it selects nothing.
type checker struct {
	x    *execution
	errs []*Error
	// looked counts the fields looked up, each for every type that it may be
	// a field of.
	looked  int
	stopped bool
}

// maxLooked bounds checker.looked. Where any resource may be, a field counts
// some 150 times.
const maxLooked = 50_000

// stop gives up on a query that takes too long to check.
func (c *checker) stop(f *ast.Field) {
	if !c.stopped {
		c.errs = []*Error{costly(f.Position, "the query selects too many fields of resources whose type is not known; select them in fragments, such as ... on Patient {…}")}
		c.stopped = true
	}
}

// check returns the errors of the operation.
func (x *execution) check(root thing) []*Error {
	c := &checker{x: x}
	operation := x.doc.operation
	c.add(checkDirectives(operation.Directives))
	for _, v := range operation.VariableDefinitions {
		c.add(checkDirectives(v.Directives))
	}
	for _, f := range x.doc.fragments {
		c.add(checkDirectives(f.Directives))
	}
	c.selections([]object{root.object()}, operation.SelectionSet)
	if len(c.errs) == 0 {
		c.merge(x.operation(), root.object())
	}
	return c.errs
}

// merge finds fields that get into each other's way. Where values may be of
// several types, that is only known when there is one.
func (c *checker) merge(u *use, o object) {
	groups, err := c.x.groups(u, o)
	if err != nil {
		c.add(wrap(err, nil, nil))
		return
	}
	for _, g := range groups {
		for _, u := range g.uses {
			if len(u.of) == 1 {
				c.merge(u, u.of[0])
			}
		}
	}
}

// add records an error, each place once: a fragment is checked wherever it is
// used.
func (c *checker) add(err *Error) {
	if err == nil || len(c.errs) >= maxErrors || c.stopped {
		return
	}
	for _, known := range c.errs {
		if known.Message == err.Message && known.Line == err.Line && known.Column == err.Column {
			return
		}
	}
	c.errs = append(c.errs, err)
}

func (c *checker) selections(of []object, set ast.SelectionSet) {
	for _, selection := range set {
		if len(c.errs) >= maxErrors || c.stopped {
			return
		}
		switch selection := selection.(type) {
		case *ast.Field:
			c.field(of, selection)
		case *ast.InlineFragment:
			c.directives(selection.Directives)
			c.fragment(of, selection.TypeCondition, selection.SelectionSet, selection.Position)
		case *ast.FragmentSpread:
			c.directives(selection.Directives)
			f := c.x.doc.fragments[selection.Name]
			c.fragment(of, f.TypeCondition, f.SelectionSet, selection.Position)
		}
	}
}

func (c *checker) directives(list ast.DirectiveList) {
	c.add(checkDirectives(list, "skip", "include"))
	_, err := c.x.doc.included(list)
	c.add(err)
}

func (c *checker) field(of []object, f *ast.Field) {
	c.add(checkDirectives(f.Directives, anyDirective))
	_, err := c.x.doc.included(f.Directives)
	c.add(err)
	var wrong *Error
	found := false
	next := objectSet{}
	if c.looked += len(of); c.looked > maxLooked {
		c.stop(f)
		return
	}
	for _, o := range of {
		s, err := c.x.selected(f, o)
		if err != nil && wrong == nil {
			wrong = err
		}
		if s != nil {
			found = true
			next.add(c.x.results(s))
		}
	}
	switch {
	case found:
		c.selections(next.list, f.SelectionSet)
	case wrong != nil:
		c.add(wrong)
	default:
		c.add(errorAt(f.Position, "there is no field %s in %s%s", f.Name, names(of), c.hint(of, f.Name)))
	}
}

// hint says what may have been meant.
func (c *checker) hint(of []object, name string) string {
	schema := c.x.schema
	for _, o := range of {
		switch {
		case o.kind == objectQuery && schema.set.Schema.Resource(name) == nil:
			return "; it has each resource type, such as Patient(id:), PatientList and PatientConnection"
		case o.typ == nil:
			continue
		}
		if e := o.typ.Element(name); e != nil && e.Choice {
			return "; a polymorphic element goes by its JSON name: " + e.Properties[0].JSON
		}
	}
	return ""
}

// results is what the values of a field can be: where a reference's type is
// given, that type.
func (x *execution) results(s *selected) []object {
	types, ok := s.args[argumentType]
	if s.kind != fieldResolve || !ok {
		return s.of
	}
	var of []object
	for _, name := range types.texts {
		of = append(of, resources(x.schema.set.Schema.Resource(name))...)
	}
	return of
}

func (c *checker) fragment(of []object, condition string, set ast.SelectionSet, at *ast.Position) {
	if condition == "" {
		c.selections(of, set)
		return
	}
	want, ok := c.x.schema.object(condition)
	if !ok {
		c.add(errorAt(at, "there is no type %s", condition))
		return
	}
	var narrow []object
	for _, o := range of {
		if o.is(want) {
			narrow = append(narrow, o)
		}
	}
	if len(narrow) == 0 && len(of) > 0 {
		c.add(errorAt(at, "the value here is never a %s; it is of %s", condition, names(of)))
		return
	}
	c.selections(narrow, set)
}

// names names some types, not too many.
func names(of []object) string {
	var list []string
	for _, o := range of {
		if name := o.name(); !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	const most = 5
	if len(list) > most {
		return strings.Join(list[:most], ", ") + " and others"
	}
	return strings.Join(list, ", ")
}

// An objectSet is objects without repetition.
type objectSet struct {
	list []object
	seen map[object]bool
	// last is the objects added last, which are often the same again.
	last []object
}

func (s *objectSet) add(objects []object) {
	if len(objects) == 0 || len(s.last) == len(objects) && &s.last[0] == &objects[0] {
		return
	}
	s.last = objects
	if s.seen == nil {
		s.seen = map[object]bool{}
	}
	for _, o := range objects {
		if !s.seen[o] {
			s.seen[o] = true
			s.list = append(s.list, o)
		}
	}
}
