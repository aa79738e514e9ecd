// Package terminology lists the codes of value sets: it expands what a stored
// ValueSet resource includes, with the code systems that are known.
//
// It leaves to others: how resources are found (datastore), and what a search
// does with codes (search). What cannot be listed is refused by name; nothing
// is left out silently.
//
// http://hl7.org/fhir/R4/valueset.html#expansion
package terminology

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// A Source knows the value sets and code systems of a release and those that a
// data store holds. Its methods are what search.Options asks for.
type Source struct {
	Definitions *definition.Set
	// Find finds a stored resource of type ValueSet or CodeSystem by what a
	// query or another resource names: a URL, a URL|version or Type/id. It
	// returns nil for one that there is not.
	Find func(resourceType, url string) (*fhir.Tree, error)
}

// MaxDepth is how deep value sets may include each other.
const MaxDepth = 8

// ValueSet returns a value set with all its codes, or nil where there is none
// of that name. One whose codes cannot be listed is an error of
// KindUnprocessable that says why.
func (s *Source) ValueSet(url string) (*definition.ValueSet, error) { return s.valueSet(url, 0) }

func (s *Source) valueSet(url string, depth int) (*definition.ValueSet, error) {
	if v := s.Definitions.ValueSet(url); v != nil {
		return v, nil
	}
	tree, err := s.Find("ValueSet", url)
	if err != nil || tree == nil {
		return nil, err
	}
	if depth >= MaxDepth {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "value sets include each other more than %d deep, at %s", MaxDepth, url)
	}
	e := expander{Source: s, url: url, depth: depth}
	return e.expand(tree.Root())
}

// CodeSystem returns a code system, or nil where there is none of that name.
func (s *Source) CodeSystem(url string) (*definition.CodeSystem, error) {
	if known := s.Definitions.CodeSystem(url); known != nil && known.Complete {
		return known, nil
	}
	tree, err := s.Find("CodeSystem", url)
	if err != nil || tree == nil {
		return nil, err
	}
	return definition.ReadCodeSystem(tree.Root()), nil
}

// An expander expands one value set.
type expander struct {
	*Source
	url   string
	depth int
}

// codes are codes by system.
type codes map[string]map[string]bool

func (c codes) add(system, code string) {
	if c[system] == nil {
		c[system] = map[string]bool{}
	}
	c[system][code] = true
}

func (e *expander) fail(format string, args ...any) error {
	return fhir.Errorf(fhir.KindUnprocessable, "the value set %s %s", e.url, fmt.Sprintf(format, args...))
}

// expand lists what compose says; where that cannot be listed, what the
// resource itself has as its expansion.
func (e *expander) expand(root fhir.Node) (*definition.ValueSet, error) {
	out := &definition.ValueSet{URL: root.TextOf("url"), Codes: codes{}}
	expansion := root.Child("expansion")
	compose := root.Child("compose")
	if compose.Exists() {
		all, err := e.compose(compose)
		if err == nil {
			out.Codes = all
			return out, nil
		}
		if !expansion.Child("contains").Exists() {
			return nil, err
		}
	}
	if !expansion.Exists() {
		return nil, e.fail("has neither compose nor expansion: its codes are not known")
	}
	contained(expansion, out.Codes)
	return out, nil
}

func contained(n fhir.Node, all codes) {
	for c := range n.Each("contains") {
		if code := c.TextOf("code"); code != "" && c.TextOf("abstract") != "true" {
			all.add(c.TextOf("system"), code)
		}
		contained(c, all)
	}
}

func (e *expander) compose(n fhir.Node) (codes, error) {
	all := codes{}
	for include := range n.Each("include") {
		some, err := e.include(include)
		if err != nil {
			return nil, err
		}
		for system, list := range some {
			for code := range list {
				all.add(system, code)
			}
		}
	}
	for exclude := range n.Each("exclude") {
		some, err := e.include(exclude)
		if err != nil {
			return nil, err
		}
		for system, list := range some {
			for code := range list {
				delete(all[system], code)
			}
		}
	}
	return all, nil
}

// include lists what one include or exclude names: of a system the concepts or
// those that the filters let through, and of that what is in every value set.
func (e *expander) include(n fhir.Node) (codes, error) {
	var all codes
	if system := n.TextOf("system"); system != "" {
		some, err := e.ofSystem(n, system)
		if err != nil {
			return nil, err
		}
		all = codes{system: some}
	}
	for v := range n.Each("valueSet") {
		set, err := e.valueSet(v.Text(), e.depth+1)
		switch {
		case err != nil:
			return nil, err
		case set == nil:
			return nil, e.fail("includes %s, which is not known", v.Text())
		case len(set.Open) > 0:
			return nil, e.fail("includes %s, which takes in all of %s: its codes are not known", v.Text(), set.Open[0])
		}
		all = both(all, set.Codes)
	}
	if all == nil {
		return nil, e.fail("has an include with neither a system nor a value set")
	}
	return all, nil
}

// both are the codes in a and in b, where nil holds all.
func both(a, b codes) codes {
	out := codes{}
	for system, list := range b {
		for code := range list {
			if a == nil || a[system][code] {
				out.add(system, code)
			}
		}
	}
	return out
}

func (e *expander) ofSystem(n fhir.Node, system string) (map[string]bool, error) {
	some := map[string]bool{}
	for c := range n.Each("concept") {
		some[c.TextOf("code")] = true
	}
	if len(some) > 0 {
		return some, nil
	}
	known, err := e.CodeSystem(system)
	switch {
	case err != nil:
		return nil, err
	case known == nil:
		return nil, e.fail("takes codes from %s, whose concepts are not known; a CodeSystem resource with its concepts would make them known", system)
	case !known.Complete:
		return nil, e.fail("takes codes from %s, of which the CodeSystem resource has not all concepts", system)
	}
	keep := make([]bool, len(known.Concepts))
	for i := range keep {
		keep[i] = true
	}
	for f := range n.Each("filter") {
		if err := e.filter(known, f, keep); err != nil {
			return nil, err
		}
	}
	for i, c := range known.Concepts {
		if keep[i] {
			some[c.Code] = true
		}
	}
	return some, nil
}

// filter drops from keep the concepts that a filter does not let through.
// http://hl7.org/fhir/R4/valueset-filter-operator.html
func (e *expander) filter(s *definition.CodeSystem, n fhir.Node, keep []bool) error {
	property, op, value := n.TextOf("property"), n.TextOf("op"), n.TextOf("value")
	test, err := e.test(s, property, op, value)
	if err != nil {
		return err
	}
	for i := range keep {
		keep[i] = keep[i] && test(i)
	}
	return nil
}

func (e *expander) test(s *definition.CodeSystem, property, op, value string) (func(at int) bool, error) {
	switch op {
	case "is-a", "descendent-of", "is-not-a", "generalizes":
		return e.hierarchyTest(s, op, value)
	}
	values := func(at int) []string { return s.Concepts[at].Properties[property] }
	switch {
	case property == "concept" || property == "code":
		values = func(at int) []string { return []string{s.Concepts[at].Code} }
	case s.URL != "" && s == e.Definitions.CodeSystem(s.URL):
		return nil, e.fail("filters %s by the property %s, which is not known of the release's own code systems", s.URL, property)
	}
	has := func(wanted func(string) bool) func(at int) bool {
		return func(at int) bool { return slices.ContainsFunc(values(at), wanted) }
	}
	list := strings.Split(value, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	switch op {
	case "=":
		return has(func(v string) bool { return v == value }), nil
	case "in":
		return has(func(v string) bool { return slices.Contains(list, v) }), nil
	case "not-in":
		in := has(func(v string) bool { return slices.Contains(list, v) })
		return func(at int) bool { return !in(at) }, nil
	case "exists":
		return func(at int) bool { return (len(values(at)) > 0) == (value == "true") }, nil
	case "regex":
		form, err := regexp.Compile("^(?:" + value + ")$")
		if err != nil {
			return nil, e.fail("has the filter %q, which is not a regular expression", value)
		}
		return has(form.MatchString), nil
	}
	return nil, e.fail("has a filter with the operator %q, which is not known", op)
}

func (e *expander) hierarchyTest(s *definition.CodeSystem, op, value string) (func(at int) bool, error) {
	at := s.Find(value)
	if at < 0 {
		return nil, e.fail("filters by %q, which is not a code of %s", value, s.URL)
	}
	found := s.Below(at)
	if op == "generalizes" {
		found = s.Above(at)
	}
	in := map[int]bool{}
	for _, i := range found {
		in[i] = true
	}
	if op == "descendent-of" {
		delete(in, at)
	}
	return func(i int) bool { return in[i] != (op == "is-not-a") }, nil
}
