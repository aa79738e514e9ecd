package datastore

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A concept is one code of a CodeSystem.
type concept struct {
	code string
	// above are the codes of what it is a kind of, through all levels.
	above []string
	node  fhir.Node
	// out is set once a filter leaves the concept out.
	out bool
}

// conceptsOf lists a CodeSystem's concepts: nesting is the hierarchy, and so
// are properties named parent.
// http://hl7.org/fhir/R4/codesystem.html#hierarchy
func conceptsOf(root fhir.Node) []*concept {
	var all []*concept
	byCode := map[string]*concept{}
	var walk func(n fhir.Node, above []string)
	walk = func(n fhir.Node, above []string) {
		for c := range n.Each("concept") {
			item := &concept{code: c.TextOf("code"), above: slices.Clone(above), node: c}
			all = append(all, item)
			byCode[item.code] = item
			walk(c, append(slices.Clip(above), item.code))
		}
	}
	walk(root, nil)
	parents := map[string][]string{}
	for _, c := range all {
		parents[c.code] = c.values("parent")
	}
	for _, c := range all {
		c.climb(parents, byCode)
	}
	return all
}

// climb adds what lies above by the property parent.
func (c *concept) climb(parents map[string][]string, byCode map[string]*concept) {
	seen := map[string]bool{c.code: true}
	queue := slices.Concat(parents[c.code], c.above)
	for _, code := range c.above {
		queue = append(queue, parents[code]...)
	}
	for len(queue) > 0 {
		code := queue[0]
		queue = queue[1:]
		if seen[code] {
			continue
		}
		seen[code] = true
		if !slices.Contains(c.above, code) {
			c.above = append(c.above, code)
		}
		queue = append(queue, parents[code]...)
		if up := byCode[code]; up != nil {
			queue = append(queue, up.above...)
		}
	}
}

// values are the texts of a property.
func (c *concept) values(property string) []string {
	var all []string
	for p := range c.node.Each("property") {
		if p.TextOf("code") != property {
			continue
		}
		v := p.Child("value")
		if text := v.Text(); text != "" {
			all = append(all, text)
		} else if code := v.TextOf("code"); code != "" {
			all = append(all, code)
		}
	}
	return all
}

// filter leaves out the concepts that do not pass a ValueSet's filter.
// http://hl7.org/fhir/R4/valueset-filter-operator.html
func (x *expander) filter(concepts []*concept, n fhir.Node) error {
	property, op, value := n.TextOf("property"), n.TextOf("op"), n.TextOf("value")
	var passes func(c *concept) bool
	onCode := property == "concept" || property == "code"
	switch {
	case onCode && op == "is-a":
		passes = func(c *concept) bool { return c.code == value || slices.Contains(c.above, value) }
	case onCode && op == "descendent-of":
		passes = func(c *concept) bool { return slices.Contains(c.above, value) }
	case onCode && op == "is-not-a":
		passes = func(c *concept) bool { return c.code != value && !slices.Contains(c.above, value) }
	case onCode && op == "generalizes":
		passes = generalizes(concepts, value)
	case op == "=":
		passes = func(c *concept) bool { return slices.Contains(c.filterValues(property, onCode), value) }
	case op == "in" || op == "not-in":
		list := strings.Split(value, ",")
		passes = func(c *concept) bool {
			among := slices.ContainsFunc(c.filterValues(property, onCode), func(v string) bool { return slices.Contains(list, v) })
			return among == (op == "in")
		}
	case op == "exists" && (value == "true" || value == "false"):
		passes = func(c *concept) bool { return len(c.filterValues(property, onCode)) > 0 == (value == "true") }
	default:
		return fhir.Errorf(fhir.KindNotSupported, "the value set %s has the filter %q %s %q, which is not supported", x.url, property, op, value)
	}
	for _, c := range concepts {
		c.out = c.out || !passes(c)
	}
	return nil
}

// filterValues are what a filter on a property looks at.
func (c *concept) filterValues(property string, onCode bool) []string {
	switch {
	case onCode:
		return []string{c.code}
	case property == "display":
		return []string{c.node.TextOf("display")}
	}
	return c.values(property)
}

// generalizes passes a code and what it is a kind of.
func generalizes(concepts []*concept, code string) func(c *concept) bool {
	var above []string
	for _, c := range concepts {
		if c.code == code {
			above = append(above, c.above...)
		}
	}
	return func(c *concept) bool { return c.code == code || slices.Contains(above, c.code) }
}
