package mutation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// A Pool has a value of each property, to be put where there is none.
type Pool map[*fhir.Property]json.RawMessage

// Add takes the values of a document whose properties the pool has not.
func (p Pool) Add(d *Doc) {
	var visit func(n fhir.Node)
	visit = func(n fhir.Node) {
		for c := n.First(); c.Exists(); c = c.Next() {
			if p[c.Property()] == nil && (c.HasValue() || !c.IsPrimitive()) {
				p[c.Property()], _ = json.Marshal(d.Value(c)) // it was read from JSON
			}
			visit(c)
		}
	}
	visit(d.Tree.Root())
}

// A Change is one way to change a resource.
type Change struct {
	// Path is where, What in words.
	Path, What string
	// Apply is the resource changed, nil where that cannot be done.
	Apply func() []byte
}

// Changes are changes of a value and what is inside, two levels deep, each of
// which may break a condition on it: children are taken away, repeated, given
// other values, or added from a pool.
func (d *Doc) Changes(set *definition.Set, n fhir.Node, pool Pool) []Change {
	all := d.changes(set, n, pool)
	for c := n.First(); c.Exists(); c = c.Next() {
		if !c.IsPrimitive() {
			all = append(all, d.changes(set, c, pool)...)
		}
	}
	return all
}

func (d *Doc) changes(set *definition.Set, n fhir.Node, pool Pool) []Change {
	var all []Change
	add := func(n fhir.Node, apply func() []byte, format string, args ...any) {
		all = append(all, Change{Path: n.Path(), What: fmt.Sprintf(format, args...), Apply: apply})
	}
	if n.HasValue() {
		for _, value := range others(set, n) {
			add(n, func() []byte { return d.Set(n, value) }, "becomes %v", value)
		}
		return all
	}
	has := map[*fhir.Element]bool{}
	for _, p := range choices(n) {
		if pool[p] != nil {
			c := n.Child(p.Element.Name)
			add(c, func() []byte { return d.As(c, p, pool[p]) }, "becomes the %s %.100s", p.JSON, pool[p])
		}
	}
	for c := n.First(); c.Exists(); c = c.Next() {
		has[c.Element()] = true
		add(c, func() []byte { return d.Without(c) }, "is taken away")
		if c.Element().Max != 1 {
			add(c, func() []byte { return d.Repeated(c, 1) }, "is there twice")
		}
		if c.HasValue() {
			for _, value := range others(set, c) {
				add(c, func() []byte { return d.Set(c, value) }, "becomes %v", value)
			}
		}
	}
	for _, e := range n.Type().Elements {
		for _, p := range e.Properties {
			if pool[p] == nil || has[e] {
				continue
			}
			var value any = pool[p]
			if e.Max != 1 {
				value = []any{value}
			}
			add(n, func() []byte { return d.Key(n, p.JSON, value) }, "gets the %s %.100s", p.JSON, pool[p])
		}
	}
	return all
}

// choices are the properties for other types of the choice elements that a value
// has.
func choices(n fhir.Node) []*fhir.Property {
	var all []*fhir.Property
	for c := n.First(); c.Exists(); c = c.Next() {
		if !c.Element().Choice {
			continue
		}
		for _, p := range c.Element().Properties {
			if p != c.Property() {
				all = append(all, p)
			}
		}
	}
	return all
}

// others are other values for a primitive.
func others(set *definition.Set, n fhir.Node) []any {
	switch n.Type().Name {
	case "boolean":
		return []any{n.Text() == "false"}
	case "code":
		b := n.Element().Binding
		if b == nil || set.ValueSet(b.ValueSet) == nil {
			return []any{"x"}
		}
		var all []any
		for _, codes := range set.ValueSet(b.ValueSet).Codes {
			for code := range maps.Keys(codes) {
				all = append(all, code)
			}
		}
		slices.SortFunc(all, func(a, b any) int { return slices.Compare([]byte(a.(string)), []byte(b.(string))) })
		return all[:min(len(all), 30)]
	case "date", "dateTime":
		return []any{"1800-01-01", "2999-01-01", "2020"}
	case "instant":
		return []any{"1800-01-01T00:00:00Z", "2999-01-01T00:00:00Z"}
	case "integer", "decimal":
		return []any{number("-1"), number("0"), number("1000")}
	case "positiveInt", "unsignedInt":
		return []any{number("1"), number("1000")}
	case "uri", "canonical", "url":
		return []any{"urn:x", "#nowhere", "http://example.org/x|1"}
	case "string":
		return []any{"two  words", "#nowhere", "http://example.org/none", "12345"}
	}
	return nil
}
