package graphql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// A group is the fields of a selection set that make one member of the answer.
type group struct {
	key  string
	uses []*use
}

// A use is one field of a group. A group has several only where the
// specification allows it: resource(type: Patient) beside resource(type: Group).
type use struct {
	*selected
	// sets are what is selected of the field's values, by all fields that were
	// merged into this one.
	sets []ast.SelectionSet
	// below caches what sets mean for each type of value.
	below map[object][]*group
}

// groups is what is selected of a value that is an o.
func (x *execution) groups(u *use, o object) ([]*group, error) {
	if known, ok := u.below[o]; ok {
		return known, nil
	}
	c := &collector{x: x, on: o}
	for _, set := range u.sets {
		if err := c.selections(set); err != nil {
			return nil, err
		}
	}
	if u.below == nil {
		u.below = map[object][]*group{}
	}
	u.below[o] = c.groups
	return c.groups, nil
}

// A collector merges the selections that apply to one type of value.
// https://spec.graphql.org/October2021/#CollectFields()
type collector struct {
	x      *execution
	on     object
	groups []*group
}

func (c *collector) selections(set ast.SelectionSet) *Error {
	for _, selection := range set {
		if err := c.selection(selection); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) selection(selection ast.Selection) *Error {
	switch selection := selection.(type) {
	case *ast.Field:
		if yes, err := c.x.doc.included(selection.Directives); !yes || err != nil {
			return err
		}
		return c.field(selection)
	case *ast.InlineFragment:
		return c.fragment(selection.Directives, selection.TypeCondition, selection.SelectionSet)
	case *ast.FragmentSpread:
		f := c.x.doc.fragments[selection.Name]
		return c.fragment(selection.Directives, f.TypeCondition, f.SelectionSet)
	}
	return nil
}

func (c *collector) fragment(directives ast.DirectiveList, condition string, set ast.SelectionSet) *Error {
	if yes, err := c.x.doc.included(directives); !yes || err != nil {
		return err
	}
	if condition != "" {
		if want, ok := c.x.schema.object(condition); !ok || !c.on.is(want) {
			return nil
		}
	}
	return c.selections(set)
}

func (c *collector) field(f *ast.Field) *Error {
	s, err := c.x.selected(f, c.on)
	if s == nil || err != nil {
		return nil // the check found it right for another type than this
	}
	key := f.Alias
	if key == "" {
		key = f.Name
	}
	i := slices.IndexFunc(c.groups, func(g *group) bool { return g.key == key })
	if i < 0 {
		c.groups = append(c.groups, &group{key: key, uses: []*use{{selected: s, sets: []ast.SelectionSet{f.SelectionSet}}}})
		return nil
	}
	g := c.groups[i]
	for _, u := range g.uses {
		if u.same(s) {
			u.sets = append(u.sets, f.SelectionSet)
			return nil
		}
	}
	if s.kind == fieldResolve && g.uses[0].kind == fieldResolve {
		g.uses = append(g.uses, &use{selected: s, sets: []ast.SelectionSet{f.SelectionSet}})
		return nil
	}
	return errorAt(f.Position, "two different fields would both be %q in the answer; give one an alias, such as other: %s", key, f.Name)
}

// same reports whether two fields select the same values.
func (s *selected) same(other *selected) bool {
	return s == other || s.signature() == other.signature()
}

func (s *selected) signature() string {
	var parts []string
	for name, a := range s.args {
		parts = append(parts, fmt.Sprintf("%s: %q", name, a.texts))
	}
	slices.Sort(parts)
	for _, d := range s.ast.Directives {
		if d.Name == "slice" {
			parts = append(parts, fmt.Sprintf("@slice(%v)", d.Arguments[0].Value))
		}
	}
	return fmt.Sprint(s.name, "(", strings.Join(parts, ", "), ")", s.flatten, s.first, s.singleton)
}
