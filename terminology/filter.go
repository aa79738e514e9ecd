package terminology

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/recall"
)

// A test says whether a filter lets a concept through.
type test func(m member) bool

func passes(tests []test, m member) bool {
	for _, t := range tests {
		if !t(m) {
			return false
		}
	}
	return true
}

// A compiler makes tests of filters. Where all concepts of the system are going
// to be tested, listing is set: then hierarchies are walked once, and not for
// each concept.
type compiler struct {
	set     *ValueSet
	system  *CodeSystem
	listing bool
}

func (c compiler) tests(filters []Filter) ([]test, error) {
	var all []test
	for _, f := range filters {
		t, err := c.test(f)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// test compiles a filter. http://hl7.org/fhir/R4/valueset-filter-operator.html
func (c compiler) test(f Filter) (test, error) {
	list := splitList(f.Value)
	switch {
	case slices.Contains([]string{"is-a", "descendent-of", "is-not-a", "generalizes"}, f.Operator):
		return c.hierarchy(f)
	case f.Property == "constraint" && f.Operator == "=" && c.system.URL == snomedURL:
		return c.expression(f.Value)
	case f.Property == "expressions" && c.system.URL == snomedURL:
		// Whether post-coordinated expressions are taken in: no list has any.
		return func(member) bool { return true }, nil
	case f.Property == "ancestor" && (f.Operator == "=" || f.Operator == "in"):
		return c.descendants(list)
	case f.Property == "concept" && f.Operator == "in" && c.bits(f.Value) != nil:
		bits := c.bits(f.Value)
		return func(m member) bool { return bits.Has(m.at) }, nil
	}
	return c.values(f, list)
}

// bits are the members of a set that the publisher defines, nil where there is
// none of that name.
func (c compiler) bits(name string) interface{ Has(at int) bool } {
	if s, ok := c.system.concepts.(sets); ok {
		if found := s.Set(name); found != nil {
			return found
		}
	}
	return nil
}

func splitList(text string) []string {
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// values compiles a filter on the values of a property.
func (c compiler) values(f Filter, list []string) (test, error) {
	if err := c.defined(f.Property); err != nil {
		return nil, err
	}
	any := func(wanted func(string) bool) test {
		return func(m member) bool { return slices.ContainsFunc(m.values(f.Property), wanted) }
	}
	switch f.Operator {
	case "=":
		return any(func(value string) bool { return value == f.Value }), nil
	case "in", "not-in":
		in := any(func(value string) bool { return slices.Contains(list, value) })
		return func(m member) bool { return in(m) == (f.Operator == "in") }, nil
	case "exists":
		if f.Value != "true" && f.Value != "false" {
			return nil, c.set.errorf("has the filter exists with the value %q; it is true or false", f.Value)
		}
		return func(m member) bool { return (len(m.values(f.Property)) > 0) == (f.Value == "true") }, nil
	case "regex":
		form, err := compiled(f.Value)
		if err != nil {
			return nil, c.set.errorf("has the filter %q, which is not a regular expression", f.Value)
		}
		return any(form.MatchString), nil
	}
	return nil, c.set.errorf("has a filter with the operator %q, which is not known", f.Operator)
}

// everywhere are the properties that concepts of all systems have, or may have
// without a definition.
// http://hl7.org/fhir/R4/codesystem.html#defined-props
var everywhere = []string{
	"concept", "code", "display", "definition", "parent", "child", "inactive", "status",
	"abstract", "notSelectable", "subsumedBy", "deprecated", "deprecationDate",
}

// defined is an error where the system has no such property: no concept could
// pass, and nobody would learn of a name misspelled.
func (c compiler) defined(property string) error {
	s := c.system
	if s.properties[property] || slices.Contains(everywhere, property) {
		return nil
	}
	if s.URL == snomedURL && s.concepts != nil && s.concepts.Find(property) >= 0 {
		return nil // an attribute, which is a concept itself
	}
	known := append(slices.Sorted(maps.Keys(s.properties)), everywhere...)
	return c.set.errorf("has a filter on the property %q, which the code system %s neither defines nor uses; it has %s", property, s.URL, strings.Join(known, ", "))
}

// maxForms bounds how many regular expressions are remembered.
const maxForms = 1000

var forms = recall.New[string, *regexp.Regexp](maxForms)

// compiled is a regular expression that must match a whole value.
func compiled(text string) (*regexp.Regexp, error) {
	if known, ok := forms.Get(text); ok {
		return known, nil
	}
	form, err := regexp.Compile("^(?:" + text + ")$")
	if err == nil {
		forms.Put(text, form)
	}
	return form, err
}

// hierarchy compiles a filter about what subsumes what.
func (c compiler) hierarchy(f Filter) (test, error) {
	if f.Property != "concept" && f.Property != "code" {
		return nil, c.set.errorf("has the filter %s on the property %s; it is about concept", f.Operator, f.Property)
	}
	at := -1
	if c.system.concepts != nil {
		at = c.system.concepts.Find(f.Value)
	}
	if at < 0 {
		return nil, c.set.errorf("filters by %q, which is not a code of %s", f.Value, c.system.URL)
	}
	switch f.Operator {
	case "generalizes":
		return c.above(at, true), nil
	case "is-a":
		return c.below(at, true), nil
	case "descendent-of":
		return c.below(at, false), nil
	}
	in := c.below(at, true)
	return func(m member) bool { return !in(m) }, nil
}

// descendants lets the descendants of any of some concepts through.
func (c compiler) descendants(codes []string) (test, error) {
	var all []test
	for _, code := range codes {
		t, err := c.hierarchy(Filter{"concept", "descendent-of", code})
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return func(m member) bool { return slices.ContainsFunc(all, func(t test) bool { return t(m) }) }, nil
}

// below lets the descendants of a concept through, and itself.
func (c compiler) below(root int, self bool) test {
	if c.listing {
		bits := c.system.belowOf(root)
		return func(m member) bool { return bits.Has(m.at) && (self || m.at != root) }
	}
	return func(m member) bool {
		return m.at >= 0 && (m.at != root || self) && c.system.concepts.Subsumes(root, m.at)
	}
}

// above lets the ancestors of a concept through, and itself.
func (c compiler) above(of int, self bool) test {
	if c.listing {
		bits := c.system.aboveOf(of)
		return func(m member) bool { return bits.Has(m.at) && (self || m.at != of) }
	}
	return func(m member) bool {
		return m.at >= 0 && (m.at != of || self) && c.system.concepts.Subsumes(m.at, of)
	}
}

func isNotFound(err error) bool {
	if err == nil {
		return false
	}
	var e *fhir.Error
	return errors.As(err, &e) && e.Kind == fhir.KindNotFound
}
