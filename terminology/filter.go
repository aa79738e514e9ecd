package terminology

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A filter is one filter of an include.
type filter struct{ property, operator, value string }

// A test says whether a filter lets the concept at a place through.
type test func(at int) bool

func passes(tests []test, at int) bool {
	for _, t := range tests {
		if !t(at) {
			return false
		}
	}
	return true
}

func (v *ValueSet) tests(s *CodeSystem, filters []filter) ([]test, error) {
	var all []test
	for _, f := range filters {
		t, err := v.test(s, f)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// test compiles a filter. http://hl7.org/fhir/R4/valueset-filter-operator.html
func (v *ValueSet) test(s *CodeSystem, f filter) (test, error) {
	switch f.operator {
	case "is-a", "descendent-of", "is-not-a", "generalizes":
		return v.hierarchyTest(s, f)
	}
	any := func(wanted func(string) bool) test {
		return func(at int) bool { return slices.ContainsFunc(s.values(at, f.property), wanted) }
	}
	switch f.operator {
	case "=":
		return any(func(value string) bool { return value == f.value }), nil
	case "in", "not-in":
		list := strings.Split(f.value, ",")
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		in := any(func(value string) bool { return slices.Contains(list, value) })
		return func(at int) bool { return in(at) == (f.operator == "in") }, nil
	case "exists":
		if f.value != "true" && f.value != "false" {
			return nil, v.errorf("has the filter exists with the value %q; it is true or false", f.value)
		}
		return func(at int) bool { return (len(s.values(at, f.property)) > 0) == (f.value == "true") }, nil
	case "regex":
		form, err := regexp.Compile("^(?:" + f.value + ")$")
		if err != nil {
			return nil, v.errorf("has the filter %q, which is not a regular expression", f.value)
		}
		return any(form.MatchString), nil
	}
	return nil, v.errorf("has a filter with the operator %q, which is not known", f.operator)
}

func (v *ValueSet) hierarchyTest(s *CodeSystem, f filter) (test, error) {
	if f.property != "concept" && f.property != "code" {
		return nil, v.errorf("has the filter %s on the property %s; it is about concept", f.operator, f.property)
	}
	at := s.Find(f.value)
	if at < 0 {
		return nil, v.errorf("filters by %q, which is not a code of %s", f.value, s.URL)
	}
	next := children
	if f.operator == "generalizes" {
		next = parents
	}
	found := s.related(at, next)
	if f.operator == "descendent-of" {
		delete(found, at)
	}
	return func(i int) bool { return found[i] != (f.operator == "is-not-a") }, nil
}

func isNotFound(err error) bool {
	var e *fhir.Error
	return errors.As(err, &e) && e.Kind == fhir.KindNotFound
}
